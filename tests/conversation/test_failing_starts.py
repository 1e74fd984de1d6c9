"""Starts that fail for a real reason, on each engine: the cause is named, nothing is left, the next ping answered."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.conversation.conftest import StartHost
from tests.library.gguf_files import write_model
from tests.raw_host import RawHost

FLAG_FOR_NO_FITTING = {"llama-server": ["--fit", "off"], "embedded": ["--fit-params", "false"], "llama-cpp-python": []}
"""Without it llama.cpp first tries for half a minute to make an impossible context fit."""


def fail_to_start(host: RawHost, **params: Any) -> dict[str, Any]:
    """Start, see that it fails, that the channel says the same, and that the sidecar lives on."""
    error = host.fail("start_llama_server", channel="start", **params)
    assert host.events["start"][-1]["event"] == {"status": "error", "error": error}
    assert host.call("ping") == "pong"
    data: dict[str, Any] = error["data"]
    assert data["hint"]
    return data


def test_a_model_that_is_not_there_is_named(start_host: StartHost, tmp_path: Path) -> None:
    with start_host() as host:
        assert fail_to_start(host, model_path=str(tmp_path / "none.gguf"))["name"] == "MODEL_NOT_FOUND"


@pytest.mark.parametrize("content", [b"", b"GGUF", b"this is no model" * 100], ids=["empty", "4 bytes", "text"])
def test_a_file_that_is_no_model_is_refused_before_anything_is_started(
    start_host: StartHost, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with start_host() as host:
        assert fail_to_start(host, model_path=str(path))["name"] == "MODEL_INVALID"
        assert "starting" not in host.statuses("start")


def test_a_model_that_is_cut_short_is_refused(start_host: StartHost, tmp_path: Path, model: Path) -> None:
    path = tmp_path / "short.gguf"
    with model.open("rb") as file:
        path.write_bytes(file.read(5_000_000))
    with start_host() as host:
        assert fail_to_start(host, model_path=str(path))["name"] == "MODEL_INVALID"


def test_a_model_whose_weights_are_missing_is_corrupt(start_host: StartHost, tmp_path: Path) -> None:
    path = write_model(tmp_path / "hollow.gguf")
    with start_host() as host:
        data = fail_to_start(host, model_path=str(path))
        assert (data["name"], data["cause"]) == ("ENGINE_START_FAILED", "MODEL_CORRUPT")
        assert data["log_tail"]


def test_a_model_of_an_unknown_kind_is_not_supported(start_host: StartHost, tmp_path: Path) -> None:
    path = write_model(tmp_path / "new.gguf", general__architecture="nonesuch")
    with start_host() as host:
        data = fail_to_start(host, model_path=str(path))
        assert (data["name"], data["cause"]) == ("ENGINE_START_FAILED", "MODEL_NOT_SUPPORTED")


def test_a_flag_that_the_engine_does_not_know_is_a_bad_flag(start_host: StartHost) -> None:
    with start_host() as host:
        data = fail_to_start(host, extra_args=["--no-such-flag", "1"])
        assert (data["name"], data["cause"]) == ("ENGINE_START_FAILED", "BAD_FLAG")


def test_a_context_larger_than_the_memory_is_out_of_memory(start_host: StartHost, engine: str) -> None:
    with start_host() as host:
        data = fail_to_start(host, ctx_size=8_000_000, parallel=1, extra_args=FLAG_FOR_NO_FITTING[engine])  # 180 GB
        assert (data["name"], data["cause"]) == ("ENGINE_START_FAILED", "OUT_OF_MEMORY")


def test_a_port_that_is_taken_is_named(start_host: StartHost) -> None:
    with start_host() as host, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        data = fail_to_start(host, port=port)
        assert (data["name"], data["port"]) == ("PORT_IN_USE", port)


def test_a_start_that_is_cancelled_leaves_no_process(start_host: StartHost) -> None:
    with start_host() as host:
        request = host.begin("start_llama_server", channel="start")
        host.event("start", "starting")
        host.notify("$/cancel", id=request)
        assert host.answer(request)["error"]["data"]["name"] == "CANCELLED"
        assert host.statuses("start")[-1] == "cancelled"
        assert host.call("list_servers") == []
        host.call("start_llama_server")
        assert host.call("send_message", message="Hi.", max_tokens=2)["content"]
