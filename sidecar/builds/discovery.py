"""The engines of this machine.

Owns where each kind is searched for, including the managed builds, and which engine is best. Starts none.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio.to_thread

from sidecar.builds.service import Builds
from sidecar.contract.config import EnginesConfig
from sidecar.contract.engines import EngineInfo, EngineName, EngineOrigin, ProbeEngineResult
from sidecar.contract.errors import EngineNotFound, EngineStartFailed, SidecarError
from sidecar.engines.kinds.embedded import find_embedded
from sidecar.engines.kinds.llama_cpp_python import find_llama_cpp_python
from sidecar.engines.kinds.llama_server import LlamaServers
from sidecar.engines.launch import LocalProcess
from sidecar.storage.config import ConfigFile

logger = logging.getLogger(__name__)

_BEST_FIRST: tuple[EngineName, ...] = ("llama-server", "embedded", "llama-cpp-python")


class Engines:
    """Finds engines.

    Args:
        config: read at each search.
        builds: the managed builds; `None` if this sidecar manages none.
    """

    def __init__(self, config: ConfigFile, builds: Builds | None = None) -> None:
        self._file = config
        self._builds = builds
        self._llama_servers = LlamaServers()

    async def pick(self, name: EngineName | None, llama_cpp_path: str | None, build: str | None = None) -> LocalProcess:
        """The engine for a start: the one named, else the folder's, else the managed build's, else the config's
        preferred, else the best found.

        A broken llama.cpp folder in the config is an error; a broken llama-server on PATH is skipped, with a line in
        the log. A managed default that cannot be run is replaced by another build if its proof fails. If another
        engine is named, `llama_cpp_path` and `build` are ignored.

        Raises:
            EngineNotFound: it is not installed, or no engine is.
            EngineStartFailed: it is installed, but cannot be run.
            PathNotAllowed: a folder's path is not absolute.
        """
        name = name or ("llama-server" if llama_cpp_path or build else self._config.preferred)
        if name is not None:
            return await self._find(name, llama_cpp_path, build)
        for candidate in _BEST_FIRST:
            try:
                return await self._find(candidate)
            except (EngineNotFound, EngineStartFailed) as error:
                if candidate == "llama-server" and self._config.llama_cpp_path:
                    raise
                if isinstance(error, EngineStartFailed):
                    logger.warning("the engine %s is skipped: %s", candidate, error.message)
        raise EngineNotFound(
            "There is no engine on this machine: no llama-server on PATH or in the config, no embedded engine.",
        )

    async def infos(self) -> list[EngineInfo]:
        """Every kind of engine, found or not, and every managed build; the best one found first."""
        config = self._config
        managed = (await self._builds.managed()).engines if self._builds else []
        default = [info for info in managed if info.default]
        if folder := config.llama_cpp_path:
            own = await _info("llama-server", "config", lambda: self._llama_servers.in_folder(folder))
            infos = [own, *default]
        else:
            infos = [*default, await _info("llama-server", "path", self._llama_servers.on_path)]
        infos += [
            await _info("embedded", "package", lambda: self._find("embedded")),
            await _info("llama-cpp-python", "package", lambda: self._find("llama-cpp-python")),
            *(info for info in managed if not info.default),
        ]
        return sorted(infos, key=lambda info: (not info.available, info.engine != config.preferred))

    async def probe(self, llama_cpp_path: str) -> ProbeEngineResult:
        """The version, flags and devices of a llama.cpp folder's llama-server."""
        return await (await self._llama_servers.in_folder(llama_cpp_path)).probe()

    @property
    def _config(self) -> EnginesConfig:
        return self._file.config.engines

    async def _find(
        self, name: EngineName, llama_cpp_path: str | None = None, build: str | None = None
    ) -> LocalProcess:
        if name == "llama-server":
            return await self._find_llama_server(llama_cpp_path, build)
        if name == "embedded":
            return await anyio.to_thread.run_sync(find_embedded)
        return await find_llama_cpp_python(self._config.python)

    async def _find_llama_server(self, llama_cpp_path: str | None, build: str | None) -> LocalProcess:
        if llama_cpp_path is None and build is not None:
            if self._builds is None:
                raise EngineNotFound(f"There is no managed build {build!r}.")
            llama_cpp_path = await self._builds.folder_of(build)
        if folder := llama_cpp_path or self._config.llama_cpp_path:
            return await self._llama_servers.in_folder(folder)
        while self._builds is not None and (default := await self._builds.default()) is not None:
            name, folder = default
            try:
                return await self._llama_servers.in_folder(folder)
            except (EngineNotFound, EngineStartFailed) as error:
                if not await self._builds.replace_default(name, error):
                    raise
        return await self._llama_servers.on_path()


async def _info(name: EngineName, origin: EngineOrigin, find: Callable[[], Awaitable[LocalProcess]]) -> EngineInfo:
    engine: LocalProcess | None = None
    message = "Found."
    try:
        engine = await find()
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
