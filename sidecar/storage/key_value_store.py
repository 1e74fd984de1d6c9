"""Small values kept between runs, by name.

Owns the table `facts` of the history file, but for the name `encryption`, which is `reencrypt`'s.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from sidecar.storage.database import Database

logger = logging.getLogger(__name__)


class KeyValueStore:
    """Names and JSON values in the history file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> Any:
        """The value of a name; `None` where there is none, or none that can be read.

        Raises:
            StorageError: as `Database.run`.
        """
        row = await self._database.run(
            lambda db: db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        )
        try:
            return json.loads(row[0]) if row else None
        except (ValueError, RecursionError):
            logger.warning("the value kept as %s cannot be read and is ignored", name)
            return None

    async def set(self, name: str, value: Any) -> None:
        """Keep a value that json takes. Raises as `get`."""
        text = json.dumps(value)  # not orjson, which refuses a path that is not UTF-8
        await self._database.run(
            lambda db: db.execute(
                "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, text)
            )
        )
