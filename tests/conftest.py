"""What all tests share: one event loop kind, the real small model, and that nothing is left running."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import fake_engine

PR_SET_CHILD_SUBREAPER = 36

MODEL_VARIABLE = "LLAMA_SIDECAR_TEST_MODEL"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def model() -> Path:
    """The starter model. `make test` fetches it; without it the tests fail, since they would prove nothing."""
    path = os.environ.get(MODEL_VARIABLE)
    assert path, f"{MODEL_VARIABLE} is not set: run the tests with make test"
    return Path(path)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder of the test's own, with blanks and other letters in its name."""
    return tmp_path / "dätä dir"


@pytest.fixture
def fake_llama_cpp(tmp_path: Path) -> Path:
    """A llama.cpp folder with the fake engine in it."""
    return fake_engine.install(tmp_path / "llama.cpp")


@pytest.fixture(scope="session", autouse=True)
def _adopt_orphans() -> None:
    """Make processes whose parent dies children of ours, so that they can be found (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Fail a test after which a process is left that was not there before, orphans included."""
    me = psutil.Process()
    before = {child.pid for child in me.children(recursive=True)}
    yield
    left = [child for child in me.children(recursive=True) if child.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=2)
    described = [" ".join(child.cmdline())[:200] for child in alive if child.is_running()]
    for child in alive:
        child.kill()
    assert not described, f"left running: {described}"
