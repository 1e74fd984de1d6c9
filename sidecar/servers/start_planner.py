"""The plan of a start.

Owns how engine, model, settings and address are chosen and checked before anything is started. Starts nothing, and
knows no servers.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import shlex
import socket
from pathlib import Path

import anyio.to_thread
import msgspec

from sidecar.builds.discovery import Engines
from sidecar.contract.config import Config
from sidecar.contract.errors import InvalidParams, PermissionDenied, PortInUse, SidecarError
from sidecar.contract.memory import EstimateMemoryParams
from sidecar.contract.models import ModelInfo
from sidecar.contract.server_settings import FLAGS, ServerSettings
from sidecar.contract.servers import LlamaConfig, PreviewCommandParams, PreviewCommandResult, StartLlamaServerParams
from sidecar.engines.launch import LOOPBACK, Endpoint, Launch
from sidecar.engines.setting_checks import check_settings, completed
from sidecar.host import cpus, path_policy, sockets
from sidecar.host import memory as host_memory
from sidecar.library.inspection import check_projector
from sidecar.library.library import Library
from sidecar.library.model_names import choose_model, invalid_model
from sidecar.servers.start_settings import cache_ram_mib, check_engine, check_request, with_resolved_paths
from sidecar.storage.config import ConfigFile
from sidecar.storage.database import KeyValueStore

logger = logging.getLogger(__name__)

LAST_MODEL = "last_model"
"""The key under which the last used model is stored."""


SECRET = frozenset({"env", "api_key"})
"""Settings that are shown to nothing but the engine."""


class StartPlanner:
    """Plans starts from parameters, the config, and the engines and models of this machine."""

    def __init__(self, *, config: ConfigFile, engines: Engines, library: Library, store: KeyValueStore) -> None:
        self._file = config
        self._engines = engines
        self._library = library
        self._store = store

    def settings(self, params: StartLlamaServerParams | PreviewCommandParams | EstimateMemoryParams) -> ServerSettings:
        """The parameters merged over their preset, as plain settings.

        Raises:
            InvalidParams: there is no such preset, parameters contradict each other, or a flag or variable is reserved
                for the sidecar.
        """
        given = {name: getattr(params, name) for name in ServerSettings.__struct_fields__}
        if params.preset is not None:
            presets = self._config.server_presets
            if params.preset not in presets:
                raise InvalidParams(
                    f"There is no server preset {params.preset!r}.",
                    path="$.preset",
                    hint=f"The config's server_presets has: {', '.join(presets) or 'none'}.",
                )
            base = msgspec.structs.asdict(presets[params.preset])
            given = base | {name: value for name, value in given.items() if value is not None}
        settings = ServerSettings(**given)
        check_request(settings)
        return settings

    async def plan(self, settings: ServerSettings) -> Launch:
        """Every choice of a start. Raises SidecarError if one cannot be made."""
        launch = await self.choose(settings)
        if settings.port is not None or settings.host is not None:
            host = settings.host or LOOPBACK
            if not await anyio.to_thread.run_sync(check_port, host, settings.port or 0):
                logger.warning(
                    "%s can be reached from other machines: only the key protects it, and it is sent unencrypted",
                    host,
                )
        return launch

    async def choose(self, settings: ServerSettings) -> Launch:
        """The choices of a start, without the check of its port. Raises SidecarError if one cannot be made."""
        engine = await self._engines.pick(settings.engine, settings.llama_cpp_path, settings.engine_build)
        last_used = await self._last_used() if _names_no_model(settings) else None
        check_settings(settings, engine.templates, chooses_flash_attn=engine.chooses_flash_attn)
        model, settings = await anyio.to_thread.run_sync(self._resolve, settings, last_used)
        defaults = self._config.server_defaults
        ctx_size = defaults.ctx_size if settings.ctx_size is None else settings.ctx_size
        memory = await anyio.to_thread.run_sync(host_memory.usable_bytes)
        launch = Launch(
            engine=engine,
            model_name=model.name,
            model_path=Path(model.path),
            ctx_size=ctx_size,
            parallel=defaults.parallel if settings.parallel is None else settings.parallel,
            n_gpu_layers=defaults.n_gpu_layers if settings.n_gpu_layers is None else settings.n_gpu_layers,
            settings=completed(settings, ctx_size),
            cache_ram_mib=cache_ram_mib(settings, defaults.cache_ram_mib, memory),
            capabilities=None if model.capabilities is None else tuple(model.capabilities),
        )
        ignored = engine.command(launch, Endpoint()).ignored
        if settings.cache_ram_mib is None and (
            "cache_ram_mib" in ignored or engine.name not in FLAGS["cache_ram_mib"].kinds
        ):  # a default of ours, which nothing asked for
            ignored = [name for name in ignored if name != "cache_ram_mib"]
            launch = msgspec.structs.replace(launch, cache_ram_mib=None)
        check_engine(engine, ignored)
        return launch

    async def remember(self, launch: Launch) -> None:
        """Store the model of a successful start as the one to start next time when none is named."""
        try:
            await self._store.set(LAST_MODEL, str(launch.model_path))
        except SidecarError as problem:  # the server runs all the same
            logger.warning("the last used model cannot be stored: %s", problem.message)

    async def preview(self, settings: ServerSettings) -> PreviewCommandResult:
        """The command of a start with these settings, on TCP: a private socket is created only by a real start."""
        launch = await self.choose(settings)
        command = launch.engine.command(launch, Endpoint(host=settings.host or LOOPBACK, port=settings.port or 0))
        return PreviewCommandResult(argv=command.argv, one_liner=shlex.join(command.argv), ignored=command.ignored)

    def describe(self, server_id: str, settings: ServerSettings, *, port: int | None = None) -> LlamaConfig:
        """The settings that a server runs with, or would start with.

        Args:
            settings: as requested.
            port: the port it listens on, if known.
        """
        config = self._config
        defaults = config.server_defaults
        return LlamaConfig(
            server_id=server_id,
            llama_cpp_path=settings.llama_cpp_path or config.engines.llama_cpp_path,
            model_path=settings.model_path,
            port=port or settings.port,
            ctx_size=defaults.ctx_size if settings.ctx_size is None else settings.ctx_size,
            parallel=defaults.parallel if settings.parallel is None else settings.parallel,
            n_gpu_layers=defaults.n_gpu_layers if settings.n_gpu_layers is None else settings.n_gpu_layers,
            engine=settings.engine or config.engines.preferred,
            settings={k: v for k, v in msgspec.to_builtins(settings).items() if v is not None and k not in SECRET},
        )

    @property
    def _config(self) -> Config:
        return self._file.config

    def _resolve(self, settings: ServerSettings, last_used: str | None) -> tuple[ModelInfo, ServerSettings]:
        """The model, with its path checked, and the settings with the files that belong to it. Blocks on the disk."""
        if _names_no_model(settings):
            models = self._library.list()
            model = choose_model(
                models=models,
                default=self._config.models.default,
                last_used=last_used,
                purpose="embedding" if settings.embeddings else "chat",
            )
        else:
            model = self._named_model(settings)
        if settings.mmproj_path is None and settings.projector != "none" and model.mmproj_path is not None:
            settings = msgspec.structs.replace(settings, mmproj_path=model.mmproj_path)
        if settings.threads is None:
            threads = self._config.server_defaults.threads or cpus.core_limit()
            settings = msgspec.structs.replace(settings, threads=threads)
        if settings.host is not None:
            settings = msgspec.structs.replace(settings, host=sockets.address_of(settings.host))
        model = msgspec.structs.replace(model, path=str(path_policy.file(model.path)))
        settings = with_resolved_paths(settings)
        if (projector := settings.mmproj_path) is not None and projector != model.mmproj_path:
            check_projector(path_policy.file(model.path), path_policy.file(projector))
        return model, settings

    def _named_model(self, settings: ServerSettings) -> ModelInfo:
        if settings.model_path is not None:
            model = self._library.find(str(path_policy.file(settings.model_path)))
        else:
            model = self._library.find(settings.model or "")
        if not model.valid:
            raise invalid_model(model)
        return model

    async def _last_used(self) -> str | None:
        try:
            last_used = await self._store.get(LAST_MODEL)
        except SidecarError as problem:
            logger.warning("the last used model cannot be read: %s", problem.message)
            return None
        return last_used if isinstance(last_used, str) else None


def _names_no_model(settings: ServerSettings) -> bool:
    return settings.model_path is None and settings.model is None


def check_port(host: str, port: int) -> bool:
    """Check that an engine can listen on a port; 0 is any. Blocks: a name may have to be resolved.

    Returns:
        Whether only this machine can reach it.

    Raises:
        PortInUse: another program listens there.
        PermissionDenied: the system does not permit it.
        InvalidParams: the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            sockets.reuse_address(probe)
            probe.bind((host, port))
            return ipaddress.ip_address(probe.getsockname()[0]).is_loopback
    except PermissionError as error:
        raise PermissionDenied(
            f"{host}:{port} cannot be listened on: {error.strerror}.",
            hint="Choose a port from 1024 up, or leave port out.",
        ) from None
    except (OSError, UnicodeError, TypeError) as error:  # TypeError: a NUL or a lone surrogate in it
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortInUse(f"Another program listens on {host}:{port}.", port=port) from None
        reason = error.strerror if isinstance(error, OSError) else "it is no host name"
        raise InvalidParams(
            f"{host}:{port} cannot be listened on: {reason}.",
            path="$.host",
            hint="Give an address of this machine, or leave host and port out.",
        ) from None
