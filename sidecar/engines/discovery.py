"""The engines of this machine.

Owns where each kind is looked for and which one is best. Starts none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio.to_thread

from sidecar.contract.config import EnginesConfig
from sidecar.contract.errors import EngineNotFound, SidecarError
from sidecar.contract.servers import EngineInfo, EngineName, EngineProbe
from sidecar.engines.embedded import find_embedded
from sidecar.engines.launch import Engine
from sidecar.engines.llama_cpp_python import find_llama_cpp_python
from sidecar.engines.llama_server import LlamaServers

logger = logging.getLogger(__name__)

_HOW_TO_GET: dict[EngineName, str] = {
    "llama-server": "No llama-server on PATH, and no engines.llama_cpp_path in the config.",
    "embedded": "Not installed: pip install 'llama-sidecar[embedded]'.",
    "llama-cpp-python": "Not installed: pip install 'llama-cpp-python[server]', or set engines.python.",
}


class Engines:
    """Finds engines."""

    def __init__(self, config: Callable[[], EnginesConfig]) -> None:
        self._config = config
        self._llama_servers = LlamaServers()

    async def pick(self, name: EngineName | None, llama_cpp_path: str | None) -> Engine:
        """The engine for a start: the one named, else the config's preferred, else the best one found.

        Raises:
            EngineNotFound: it is not there, or there is none at all.
            EngineStartFailed: there is a llama-server, but it can not be run.
        """
        return await anyio.to_thread.run_sync(self._pick, name, llama_cpp_path)

    async def infos(self) -> list[EngineInfo]:
        """Every kind of engine, found or not, the best one found first."""
        return await anyio.to_thread.run_sync(self._infos)

    async def probe(self, llama_cpp_path: str) -> EngineProbe:
        """What a llama.cpp folder's llama-server is and can do."""
        return await anyio.to_thread.run_sync(lambda: self._llama_servers.in_folder(llama_cpp_path).probe())

    def _pick(self, name: EngineName | None, llama_cpp_path: str | None) -> Engine:
        if llama_cpp_path is not None:
            return self._llama_servers.in_folder(llama_cpp_path)
        name = name or self._config().preferred
        if name is not None:
            engine = self._find(name)
            if engine is None:
                raise EngineNotFound(f"The engine {name} is not on this machine.", hint=_HOW_TO_GET[name])
            return engine
        for candidate in _HOW_TO_GET:
            if engine := self._find(candidate):
                return engine
        raise EngineNotFound(
            "There is no engine on this machine: no llama-server on PATH or in the config, no embedded engine.",
        )

    def _find(self, name: EngineName) -> Engine | None:
        config = self._config()
        if name == "llama-server":
            if config.llama_cpp_path:
                return self._llama_servers.in_folder(config.llama_cpp_path)
            return self._llama_servers.on_path()
        if name == "embedded":
            return find_embedded()
        return find_llama_cpp_python(config.python)

    def _infos(self) -> list[EngineInfo]:
        infos = [self._info(name) for name in _HOW_TO_GET]
        return sorted(infos, key=lambda info: not info.available)

    def _info(self, name: EngineName) -> EngineInfo:
        origin = "package"
        if name == "llama-server":
            origin = "config" if self._config().llama_cpp_path else "path"
        problem = _HOW_TO_GET[name]
        try:
            engine = self._find(name)
        except SidecarError as error:
            engine, problem = None, f"{error.message} {error.hint}"
        return EngineInfo(
            engine=name,
            available=engine is not None,
            path=engine.path if engine else None,
            version=engine.version if engine else None,
            origin=origin,  # type: ignore[arg-type]
            message="Found." if engine else problem,
        )
