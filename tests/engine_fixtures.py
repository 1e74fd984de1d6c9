"""Fixtures of tests that run engines: logs, a folder for sockets, the fake engine, and servers that run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_help import parse_help
from sidecar.logs.store import LogStore, Source
from tests import fake_engine


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    folder = tmp_path / "logs"
    folder.mkdir()
    store = LogStore(folder, max_file_bytes=65_536, kept_files=1)
    yield store
    store.close()


@pytest.fixture
def source(logs: LogStore) -> Source:
    return logs.source("server:test")


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    """A folder with a short path: a socket's may have 100 bytes only."""
    folder = Path(tempfile.mkdtemp(prefix="sidecar-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def fake(fake_llama_cpp: Path) -> LlamaServer:
    """The fake engine, as found and asked."""
    flags = parse_help(fake_engine.HELP + "".join(f"{name} X\n" for name in fake_engine.FAULTS))
    return LlamaServer(fake_llama_cpp / "llama-server", "fake", flags)
