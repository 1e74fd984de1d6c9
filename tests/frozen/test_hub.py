"""Models come into the library of the frozen program as well: what asks the hub, and what fetches, are in it."""

from __future__ import annotations

from pathlib import Path

from tests.hub_server import HubServer, large_model
from tests.raw_host import RawHost


def test_a_model_is_found_on_the_hub_and_fetched(data_dir: Path) -> None:
    model = large_model(300_000, 0)
    with HubServer() as hub:
        hub.add("tests/frozen", {"frozen-Q4_K_M.gguf": model})
        env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HOME": str(data_dir / "hf")}
        with RawHost(data_dir, env=env) as host:
            assert [found["repo"] for found in host.call("search_hub", query="frozen")] == ["tests/frozen"]
            (variant,) = host.call("list_hub_files", repo="tests/frozen")["variants"]
            assert (variant["quantization"], variant["size_bytes"]) == ("Q4_K_M", len(model))
            path = Path(host.call("download_model", repo="tests/frozen")["model_path"])
            assert path.read_bytes() == model
            assert [found["name"] for found in host.call("list_models")] == ["frozen-Q4_K_M"]
