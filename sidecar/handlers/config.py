"""Config."""

from __future__ import annotations

from typing import Any

from sidecar.contract.config import Config, GetConfigParams, GetConfigSchemaParams, ResetConfigParams, SetConfigParams
from sidecar.handlers.call import Call, Handler
from sidecar.services import Services
from sidecar.settings.service import ConfigChanges
from sidecar.storage import config as config_file
from sidecar.storage.config import ConfigFile


class ConfigHandlers:
    """The Config family."""

    def __init__(self, file: ConfigFile, changes: ConfigChanges) -> None:
        self._file = file
        self._changes = changes

    def methods(self) -> dict[str, Handler]:
        return {
            "get_config": self.get,
            "set_config": self.set,
            "reset_config": self.reset,
            "get_config_schema": self.get_schema,
        }

    async def get(self, params: GetConfigParams, call: Call) -> Config:
        return self._file.config

    async def set(self, params: SetConfigParams, call: Call) -> Config:
        return await self._changes.make(self._file.patched(params.patch))

    async def reset(self, params: ResetConfigParams, call: Call) -> Config:
        return await self._changes.make(self._file.without(params.keys))

    async def get_schema(self, params: GetConfigSchemaParams, call: Call) -> dict[str, Any]:
        return config_file.schema()


def register(services: Services) -> dict[str, Handler]:
    changes = ConfigChanges(
        services.config,
        history=services.history,
        logs=services.logs,
        log_level=services.log_level,
    )
    return ConfigHandlers(services.config, changes).methods()
