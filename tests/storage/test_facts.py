"""What is remembered between runs comes back as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.storage.database import Database
from sidecar.storage.facts import Facts

pytestmark = pytest.mark.anyio

NOT_UTF8 = "/models/d\udcc3t"
"""A path as Python has it where the bytes on the disk are no text."""


@pytest.mark.parametrize("value", ["a name", NOT_UTF8, {"nested": [1, 2.5, None, True]}, ""])
async def test_a_fact_is_there_in_the_next_run(tmp_path: Path, value: Any) -> None:
    database = Database(tmp_path / "history.db")
    await Facts(database).set("last", "something older")
    await Facts(database).set("last", value)
    await database.close()
    again = Database(tmp_path / "history.db")
    assert await Facts(again).get("last") == value
    await again.close()


async def test_what_was_never_set_is_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "history.db")
    assert await Facts(database).get("last") is None
    await database.close()
