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

GONE_SECONDS = 2.0
"""As for processes: after that nothing may be left."""


@pytest.fixture
def program() -> Path:
    """What is run."""
    assert FROZEN is not None
    return Path(FROZEN)


@pytest.fixture(autouse=True)
def _nothing_left_in_the_folder_for_temporary_files() -> Iterator[None]:
    folder = Path(tempfile.gettempdir())
    before = set(folder.iterdir())
    yield
    deadline = time.monotonic() + GONE_SECONDS
    while (left := set(folder.iterdir()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left
