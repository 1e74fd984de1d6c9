"""Config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio.to_thread

from sidecar.contract.config import Config, GetConfig, GetConfigSchema, ResetConfig, SetConfig
from sidecar.handlers.call import Call, Handler
from sidecar.storage import config as config_file
from sidecar.storage.config import ConfigFile


class ConfigHandlers:
    """The Config family."""

    def __init__(self, file: ConfigFile, on_change: Callable[[Config], None]) -> None:
        self._file = file
        self._on_change = on_change

    def methods(self) -> dict[str, Handler]:
        return {
            "get_config": self.get,
            "set_config": self.set,
            "reset_config": self.reset,
            "get_config_schema": self.get_schema,
        }

    async def get(self, params: GetConfig, call: Call) -> Config:
        return self._file.config

    async def set(self, params: SetConfig, call: Call) -> Config:
        config = await anyio.to_thread.run_sync(self._file.patch, params.patch)
        self._on_change(config)
        return config

    async def reset(self, params: ResetConfig, call: Call) -> Config:
        config = await anyio.to_thread.run_sync(self._file.reset, params.keys)
        self._on_change(config)
        return config

    async def get_schema(self, params: GetConfigSchema, call: Call) -> dict[str, Any]:
        return config_file.schema()
