"""Frozen programs, each in a room of its own (`make test-frozen`); without one there is nothing to try here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conversation.conftest import engine, start_host  # noqa: F401 - fixtures
from tests.program import FROZEN

IS_FOLDER = FROZEN is not None and (Path(FROZEN).parent / "_internal").is_dir()

collect_ignore_glob = [] if FROZEN else ["test_*.py"]
if IS_FOLDER:
    collect_ignore_glob.append("test_unpacking.py")

GONE_SECONDS = 30.0
"""After that nothing may be left. Processes are gone sooner, but the watchdog removes files only when it has a CPU."""


@pytest.fixture
def program() -> Path:
    """What is run."""
    assert FROZEN is not None
    return Path(FROZEN)


@pytest.fixture(autouse=True)
def temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of the test's own; nothing may be left in it."""
    folder = Path(tempfile.mkdtemp())
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    deadline = time.monotonic() + GONE_SECONDS
    while (left := list(folder.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert left == []
    folder.rmdir()
