"""A real build, packed as a release is: installed, proved, and talked to."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from tests.conversation.conftest import ENGINES
from tests.raw_host import RawHost

if "llama-server" in ENGINES:  # the other engines are no builds

    def test_a_real_build_is_installed_proved_and_talked_to(tmp_path: Path, data_dir: Path, model: Path) -> None:
        archive = tmp_path / "llama-b1-bin.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(os.environ["LLAMA_SIDECAR_TEST_LLAMA_CPP"], "llama-b1")
        with RawHost(data_dir) as host:
            info = host.call("install_engine", path=str(archive))
            assert info["proof"]["load_ms"] > 0
            assert info["proof"]["total_layers"] == 2
            started = host.call("start_llama_server", model_path=str(model), ctx_size=512)
            assert started["plan"]["argv"][0] == info["path"]
            assert host.call("send_message", message="Hello!", max_tokens=4)["usage"]["completion_tokens"] > 0
            for library in Path(info["path"]).parent.glob("libllama.so*"):
                library.unlink()
            host.call("stop_llama_server")
            host.call("start_llama_server", model_path=str(model), ctx_size=512)
            (broken,) = [one for one in host.call("list_engines") if one["name"]]
            assert (broken["default"], broken["available"]) == (False, False)
