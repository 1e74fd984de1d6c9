"""Small things to remember between runs, by name."""

from __future__ import annotations

import json
import logging
from typing import Any

from sidecar.storage.database import Database

logger = logging.getLogger(__name__)


class Facts:
    """Names and JSON values in the history file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> Any:
        """The value of a name; `None` where there is none, or none that can be read."""
        row = await self._database.run(
            lambda db: db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        )
        try:
            return json.loads(row[0]) if row else None
        except (ValueError, RecursionError):
            logger.warning("what is remembered as %s can not be read, and counts as nothing", name)
            return None

    async def set(self, name: str, value: Any) -> None:
        """Remember a value."""
        text = json.dumps(value)  # not orjson, which refuses a path that is not UTF-8
        await self._database.run(
            lambda db: db.execute(
                "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, text)
            )
        )
