"""Whole conversations over the wire with a real sidecar process and the fake engine."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.models.gguf_files import write_model
from tests.raw_host import RawHost


def test_an_answer_streams_in_order_and_is_remembered(data_dir: Path, fake_llama_cpp: Path) -> None:
    session = str(uuid.uuid4())
    with RawHost(data_dir) as host:
        host.call("ping")
        write_model(data_dir / "models" / "tiny.gguf")
        host.call("start_llama_server", llama_cpp_path=str(fake_llama_cpp), channel="start")
        assert host.statuses("start") == ["queued", "planning", "starting", "loading", "warming", "done"]
        result = host.call("send_message", message="tokens=20", session_id=session, channel="turn")
        assert [e["seq"] for e in host.events["turn"]] == list(range(1, len(host.events["turn"]) + 1))
        assert host.text("turn") == result["content"] == "".join(f"w{i} " for i in range(1, 21))
        assert host.statuses("turn") == ["queued", "prefill", "token", "done"]
