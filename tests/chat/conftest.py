"""A history file in memory, and messages to put into it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chat.rows import open_history


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection with the schema; each statement is a transaction of its own."""
    connection = open_history()
    yield connection
    connection.close()
