"""Changes of the config while the sidecar runs.

Owns the effects of a change besides writing the file, and their order: the history's encryption and the log level.
Everything else reads the config at each use. Knows nothing of how a change is requested.
"""

from __future__ import annotations

import asyncio

import anyio.to_thread

from sidecar.chat.history import History
from sidecar.contract.config import Config
from sidecar.contract.errors import SidecarError
from sidecar.contract.logs import Level
from sidecar.logs import handler as logging_handler
from sidecar.logs.store import LogStore
from sidecar.storage.config import ConfigFile, Settings


class ConfigChanges:
    """Puts changes of the config into effect.

    Args:
        log_level: takes precedence over the config's.
    """

    def __init__(self, file: ConfigFile, *, history: History, logs: LogStore, log_level: Level | None) -> None:
        self._file = file
        self._history = history
        self._logs = logs
        self._log_level = log_level

    async def make(self, new: Settings) -> Config:
        """Put settings into effect; on failure the old ones stay.

        The history is encrypted before the config says so and decrypted after it, so that an interruption leaves no
        plain text under a config that promises encryption.

        Raises:
            SidecarError: the history cannot be encrypted or decrypted, or the file cannot be written.
        """
        old, encrypt = self._file.settings, new.config.storage.encrypt
        switches = encrypt != old.config.storage.encrypt
        if switches and encrypt:
            await self._history.encrypt(True)
        config = await anyio.to_thread.run_sync(self._file.keep, new)
        if switches and encrypt is False:
            try:
                await self._history.encrypt(False)
            except SidecarError:
                await anyio.to_thread.run_sync(self._file.keep, old)
                raise
        level = self._log_level or config.logs.level
        logging_handler.set_up(level, self._logs.source("sidecar"), asyncio.get_running_loop())
        return config
