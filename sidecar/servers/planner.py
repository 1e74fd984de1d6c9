"""The plan of a start.

Owns how engine, model and settings are chosen and checked before anything is started. Starts nothing.
"""

from __future__ import annotations

import errno
import shlex
import socket
from collections.abc import Callable

import anyio.to_thread
import msgspec

from sidecar.contract.config import Config
from sidecar.contract.errors import InvalidParams, ModelInvalid, PortInUse
from sidecar.contract.models import ModelInfo
from sidecar.contract.servers import (
    DEFAULT_SERVER_ID,
    CommandPreview,
    LlamaConfig,
    PreviewCommand,
    ServerSettings,
    StartLlamaServer,
)
from sidecar.engines.discovery import Engines
from sidecar.engines.launch import LOOPBACK, Endpoint, Launch
from sidecar.engines.server import Server
from sidecar.models.library import Library, resolve_path
from sidecar.models.selection import choose_model
from sidecar.storage.facts import Facts

LAST_MODEL = "last_model"
"""The fact that remembers the model used last."""

_PATHS = ("mmproj_path", "chat_template_file")


class Planner:
    """Makes plans from parameters, the config and what is on this machine."""

    def __init__(self, *, config: Callable[[], Config], engines: Engines, library: Library, facts: Facts) -> None:
        self._config = config
        self._engines = engines
        self._library = library
        self._facts = facts

    async def plan(self, params: StartLlamaServer) -> Launch:
        """Every choice of a start. Raises SidecarError where one can not be made."""
        settings = self._with_preset(params, params.preset)
        launch = await self._launch(params.server_id or DEFAULT_SERVER_ID, settings)
        if settings.port is not None:
            check_port(settings.host or LOOPBACK, settings.port)
        return launch

    async def remember(self, server: Server) -> None:
        """Make a server's model the one to start next time, where none is named."""
        if server.launch is not None:
            await self._facts.set(LAST_MODEL, str(server.launch.model_path))

    async def check_model(self, model: str) -> None:
        """See that there is such a model. Raises ModelNotFound or ModelInvalid."""
        await anyio.to_thread.run_sync(self._choose_model, ServerSettings(model=model), None)

    async def preview(self, params: PreviewCommand) -> CommandPreview:
        """The command that a start with these parameters would run."""
        settings = self._with_preset(params, params.preset)
        launch = await self._launch(params.server_id or DEFAULT_SERVER_ID, settings)
        endpoint = Endpoint(host=settings.host or LOOPBACK, port=settings.port or 0)
        command = launch.engine.command(launch, endpoint)
        return CommandPreview(argv=command.argv, one_liner=shlex.join(command.argv), ignored=command.ignored)

    def describe(self, server_id: str, server: Server | None) -> LlamaConfig:
        """The settings that a server runs with, or would start with."""
        launch = server.launch if server is not None else None
        defaults = self._config().server_defaults
        settings = launch.settings if launch else ServerSettings()
        return LlamaConfig(
            server_id=server_id,
            llama_cpp_path=settings.llama_cpp_path or self._config().engines.llama_cpp_path,
            model_path=str(launch.model_path) if launch else None,
            port=settings.port,
            ctx_size=launch.ctx_size if launch else defaults.ctx_size,
            parallel=launch.parallel if launch else defaults.parallel,
            n_gpu_layers=launch.n_gpu_layers if launch else defaults.n_gpu_layers,
            engine=launch.engine.name if launch else self._config().engines.preferred,
            settings={k: v for k, v in msgspec.to_builtins(settings).items() if v is not None and k != "env"},
        )

    def _with_preset(self, params: ServerSettings, preset: str | None) -> ServerSettings:
        """The parameters over their preset, as plain settings."""
        given = {name: getattr(params, name) for name in ServerSettings.__struct_fields__}
        if preset is None:
            return ServerSettings(**given)
        presets = self._config().server_presets
        if preset not in presets:
            raise InvalidParams(
                f"There is no server preset {preset!r}.",
                path="$.preset",
                hint=f"The config's server_presets has: {', '.join(presets) or 'none'}.",
            )
        base = msgspec.structs.asdict(presets[preset])
        return ServerSettings(**(base | {name: value for name, value in given.items() if value is not None}))

    async def _launch(self, server_id: str, settings: ServerSettings) -> Launch:
        engine = await self._engines.pick(settings.engine, settings.llama_cpp_path)
        last_used = await self._facts.get(LAST_MODEL)
        model = await anyio.to_thread.run_sync(self._choose_model, settings, last_used)
        if settings.mmproj_path is None and model.mmproj_path is not None:
            settings = msgspec.structs.replace(settings, mmproj_path=model.mmproj_path)
        await anyio.to_thread.run_sync(_check_files, settings)
        defaults = self._config().server_defaults
        return Launch(
            server_id=server_id,
            engine=engine,
            model_name=model.name,
            model_path=resolve_path(model.path),
            ctx_size=defaults.ctx_size if settings.ctx_size is None else settings.ctx_size,
            parallel=defaults.parallel if settings.parallel is None else settings.parallel,
            n_gpu_layers=defaults.n_gpu_layers if settings.n_gpu_layers is None else settings.n_gpu_layers,
            settings=settings,
        )

    def _choose_model(self, settings: ServerSettings, last_used: str | None) -> ModelInfo:
        if settings.model_path is not None:
            resolve_path(settings.model_path)
            model = self._library.find(settings.model_path)
        elif settings.model is not None:
            model = self._library.find(settings.model)
        else:
            models = self._library.list()
            return choose_model(models=models, default=self._config().models.default, last_used=last_used)
        if not model.valid:
            raise ModelInvalid(f"{model.path} can not be used: {model.problem}")
        return model


def check_port(host: str, port: int) -> None:
    """See that a port is free.

    Raises:
        PortInUse: it is not.
        InvalidParams: the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"Another program listens on {host}:{port}.", port=port) from None
            raise InvalidParams(
                f"{host}:{port} can not be listened on: {error.strerror}.",
                path="$.host",
                hint="Give an address of this machine, or leave host and port out.",
            ) from None


def _check_files(settings: ServerSettings) -> None:
    for path in (*(getattr(settings, name) for name in _PATHS), *(settings.lora or ())):
        if path is not None:
            resolve_path(path)
