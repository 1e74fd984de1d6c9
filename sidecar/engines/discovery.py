"""The engines of this machine.

Owns where each kind is looked for and which one is best. Starts none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

import anyio.to_thread

from sidecar.contract.config import EnginesConfig
from sidecar.contract.engines import EngineInfo, EngineName, EngineProbe
from sidecar.contract.errors import EngineNotFound, EngineStartFailed, SidecarError
from sidecar.engines.embedded import find_embedded
from sidecar.engines.launch import Engine
from sidecar.engines.llama_cpp_python import find_llama_cpp_python
from sidecar.engines.llama_server import LlamaServers

logger = logging.getLogger(__name__)

_BEST_FIRST: tuple[EngineName, ...] = ("llama-server", "embedded", "llama-cpp-python")


class Engines:
    """Finds engines."""

    def __init__(self, config: Callable[[], EnginesConfig]) -> None:
        self._config = config
        self._llama_servers = LlamaServers()

    async def pick(self, name: EngineName | None, llama_cpp_path: str | None) -> Engine:
        """The engine for a start: the one named, else the folder's, else the config's preferred, else the best found.

        A llama.cpp folder in the config is never passed over in silence; a broken llama-server on PATH is, with a
        line in the log. Next to the name of another engine `llama_cpp_path` says nothing.

        Raises:
            EngineNotFound: it is not there, or there is none at all.
            EngineStartFailed: there is one, but it can not be run.
            PathNotAllowed: a folder's path is not absolute.
        """
        name = name or ("llama-server" if llama_cpp_path else self._config().preferred)
        if name is not None:
            return await self._find(name, llama_cpp_path)
        for candidate in _BEST_FIRST:
            try:
                return await self._find(candidate, None)
            except (EngineNotFound, EngineStartFailed) as error:
                if candidate == "llama-server" and self._config().llama_cpp_path:
                    raise
                if isinstance(error, EngineStartFailed):
                    logger.warning("the engine %s is left out: %s", candidate, error.message)
        raise EngineNotFound(
            "There is no engine on this machine: no llama-server on PATH or in the config, no embedded engine.",
        )

    async def infos(self) -> list[EngineInfo]:
        """Every kind of engine, found or not, the best one found first."""
        infos = [await self._info(name) for name in _BEST_FIRST]
        preferred = self._config().preferred
        return sorted(infos, key=lambda info: (not info.available, info.engine != preferred))

    async def probe(self, llama_cpp_path: str) -> EngineProbe:
        """What a llama.cpp folder's llama-server is and can do."""
        return await (await self._llama_servers.in_folder(llama_cpp_path)).probe()

    async def _find(self, name: EngineName, llama_cpp_path: str | None) -> Engine:
        config = self._config()
        if name == "llama-server":
            if folder := llama_cpp_path or config.llama_cpp_path:
                return await self._llama_servers.in_folder(folder)
            return await self._llama_servers.on_path()
        if name == "embedded":
            return await anyio.to_thread.run_sync(find_embedded)
        return await find_llama_cpp_python(config.python)

    async def _info(self, name: EngineName) -> EngineInfo:
        origin: Literal["config", "path", "package"] = "package"
        if name == "llama-server":
            origin = "config" if self._config().llama_cpp_path else "path"
        engine: Engine | None = None
        message = "Found."
        try:
            engine = await self._find(name, None)
        except SidecarError as error:
            message = f"{error.message} {error.hint}"
        return EngineInfo(
            engine=name,
            available=engine is not None,
            path=engine.path if engine else None,
            version=engine.version if engine else None,
            origin=origin,
            message=message,
        )
