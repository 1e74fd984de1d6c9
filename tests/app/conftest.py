"""Sidecars for tests of the whole program: shared where a test leaves nothing behind, else the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fake_engine
from tests.app.talking import DirectTalk, Engine, StartServer, StartTalk, Talk, Talking, prepare
from tests.direct_host import DirectHost
from tests.library.gguf_files import write_model
from tests.raw_host import RawHost


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectHost]:
    """A sidecar without an engine, for all tests of a module."""
    with DirectHost(tmp_path_factory.mktemp("shared") / "data") as host:
        yield host


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectTalk]:
    """A sidecar whose server is ready, for all tests of a module."""
    folder = tmp_path_factory.mktemp("talk")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    with DirectTalk(folder / "data") as host:
        host.call("start_llama_server")
        yield host


@pytest.fixture
def engine(talk: DirectTalk) -> Iterator[Engine]:
    """A server of the test's own in the shared sidecar."""
    engine = Engine(talk)
    yield engine
    engine.stop()


@pytest.fixture
def start_talk(data_dir: Path, fake_llama_cpp: Path) -> Iterator[StartTalk]:
    """Starts a sidecar of the test's own, as often as needed: a process only with `process=True`. With `server=False`
    its server is not started."""
    if not (data_dir / "config.json").exists():
        prepare(data_dir, fake_llama_cpp)
    hosts: list[Talking] = []

    def start(*, server: bool = True, process: bool = False) -> Any:
        host = Talk(data_dir) if process else DirectTalk(data_dir)
        hosts.append(host)
        if server:
            host.call("start_llama_server")
        return host

    yield start
    for host in hosts:
        host.close()


@pytest.fixture
def with_server(data_dir: Path, fake_llama_cpp: Path) -> Iterator[StartServer]:
    """Starts a sidecar of the test's own whose server is the fake engine, with these flags and options."""
    hosts: list[RawHost] = []

    def start(*flags: str, options: tuple[str, ...] = (), validate: bool = True) -> RawHost:
        host = RawHost(data_dir, *options, validate=validate)
        hosts.append(host)
        host.call("ping")
        write_model(data_dir / "models" / "tiny.gguf")
        host.call("start_llama_server", llama_cpp_path=str(fake_llama_cpp), extra_args=list(flags))
        return host

    yield start
    for host in hosts:
        host.close()
