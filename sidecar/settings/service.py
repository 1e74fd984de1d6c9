"""Changes of the config while the sidecar runs.

Owns what is done for a change beside writing the file, and in which order: the history's encryption and the log level.
Everything else reads the config at each use. Knows nothing of how a change is asked for.
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
    """Makes changes of the config count.

    Args:
        log_level: wins over the config's.
    """

    def __init__(self, file: ConfigFile, *, history: History, logs: LogStore, log_level: Level | None) -> None:
        self._file = file
        self._history = history
        self._logs = logs
        self._log_level = log_level

    async def make(self, new: Settings) -> Config:
        """Make settings count, with what has to be done for them; where that fails, the old ones stay.

        The history is encrypted before the config says so and decrypted after it, so that whatever comes between
        leaves no plain text under a config that promises encryption.

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
