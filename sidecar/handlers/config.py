"""Config."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread

from sidecar.contract.config import Config, GetConfigParams, GetConfigSchemaParams, ResetConfigParams, SetConfigParams
from sidecar.contract.errors import SidecarError
from sidecar.handlers.call import Call, Handler
from sidecar.storage import config as config_file
from sidecar.storage.config import ConfigFile, Settings


class ConfigHandlers:
    """The Config family."""

    def __init__(
        self, file: ConfigFile, *, encrypt: Callable[[bool], Awaitable[None]], on_change: Callable[[Config], None]
    ) -> None:
        self._file = file
        self._encrypt = encrypt
        self._on_change = on_change

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
        return await self._change(self._file.patched(params.patch))

    async def reset(self, params: ResetConfigParams, call: Call) -> Config:
        return await self._change(self._file.without(params.keys))

    async def get_schema(self, params: GetConfigSchemaParams, call: Call) -> dict[str, Any]:
        return config_file.schema()

    async def _change(self, new: Settings) -> Config:
        """Make settings count, with what has to be done for them; where that fails, the old ones stay.

        The history is encrypted before the config says so and decrypted after it, so that whatever comes between
        leaves no plain text under a config that promises encryption.
        """
        old, encrypt = self._file.settings, new.config.storage.encrypt
        switches = encrypt != old.config.storage.encrypt
        if switches and encrypt:
            await self._encrypt(True)
        config = await anyio.to_thread.run_sync(self._file.keep, new)
        if switches and encrypt is False:
            try:
                await self._encrypt(False)
            except SidecarError:
                await anyio.to_thread.run_sync(self._file.keep, old)
                raise
        self._on_change(config)
        return config
