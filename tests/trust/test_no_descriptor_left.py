"""A sidecar whose descriptors are used up: what it answers, and that everything works afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests import fake_engine
from tests.app.talking import Talk, prepare, words


@contextmanager
def no_descriptor_left(process: psutil.Process) -> Iterator[None]:
    """Meanwhile the process can open nothing."""
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, before)


def states(host: Talk) -> list[str]:
    """The states of the default server, in order."""
    events = [one["event"] for one in host.events.get("servers", [])]
    return [e["server"]["state"] for e in events if e["status"] == "server" and e["server"]["server_id"] == "default"]


@pytest.mark.case(42)
def test_a_shortage_is_named_and_no_server_is_given_up(tmp_path: Path) -> None:
    prepare(tmp_path / "data", fake_engine.install(tmp_path / "llama.cpp"))
    with Talk(tmp_path / "data") as host:
        pid = host.call("start_llama_server")["pid"]
        host.begin("subscribe", topics=["servers"], channel="servers")
        assert host.say("tokens=2")["content"] == words(2)
        with no_descriptor_left(psutil.Process(host.pid)):
            for method, params in (
                ("send_message", {"message": "tokens=2"}),
                ("start_llama_server", {"server_id": "b"}),
            ):
                error = host.fail(method, **params)["data"]
                assert (method, error["name"], error["retryable"]) == (method, "OVERLOADED", True)
            assert host.call("get_server")["state"] == "ready"
            os.kill(pid, signal.SIGKILL)
            host.until(lambda: states(host).count("planning") >= 2)  # tried, and not given up
        host.until(lambda: states(host)[-1:] == ["ready"] and "planning" in states(host))
        assert host.call("get_server")["pid"] != pid
        assert "failed" not in states(host)
        assert host.say("tokens=2")["content"] == words(2)
        assert host.call("list_models")
