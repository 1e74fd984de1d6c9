"""The database. It has no methods: each family owns what it stores there."""

from __future__ import annotations

from sidecar.handlers.call import Handler
from sidecar.services import Services
from sidecar.storage.database import Database, KeyValueStore


def register(services: Services) -> dict[str, Handler]:
    services.database = Database(services.data_dir.history_file, services.config)
    services.key_values = KeyValueStore(services.database)
    services.at_end.push_async_callback(services.database.close)
    services.notice_sources.append(services.database)
    return {}
