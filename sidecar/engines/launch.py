"""The data that describes the start of an engine.

Owns the types between the code that chooses (engine, model, settings) and the code that runs.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from sidecar.contract.engines import EngineName
from sidecar.contract.models import Capability
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.reserved_options import API_KEY_VARIABLE
from sidecar.processes.command import Command

LOOPBACK = "127.0.0.1"

ALL_LAYERS = 999
"""More layers than any model has: stands for a negative `n_gpu_layers`, "as many as fit", where a number is needed."""

MAX_SOCKET_PATH_BYTES = 100
"""The longest path of a socket: sun_path has 104 bytes on macOS and 108 on Linux."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where an engine listens.

    Attributes:
        socket_path: a UNIX socket; if it is set, the others are ignored.
        host: address to listen on.
        port: TCP port; 0 lets the system choose.
    """

    socket_path: Path | None = None
    host: str = LOOPBACK
    port: int = 0

    def base_url(self, port: int) -> str:
        """The URL of the API on this machine once the engine listens on a port."""
        # `localhost` may be ::1 to us and 127.0.0.1 to the engine; whoever plans a start has resolved it.
        host = {"0.0.0.0": LOOPBACK, "::": "::1", "localhost": LOOPBACK}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class EngineCommand(Command, frozen=True):
    """The process that runs an engine.

    Attributes:
        ignored: settings that the engine does not support, by their names in the contract.
    """

    ignored: list[str] = msgspec.field(default_factory=list)

    def with_key(self, key: str) -> EngineCommand:
        """A copy with the engine's key; the command itself is shown to hosts."""
        return msgspec.structs.replace(self, env={**self.env, API_KEY_VARIABLE: key})


NO_PREFILL_FLAG = "--no-prefill-assistant"
"""llama-server's switch that ends every answer before another begins; builds that know it can do both."""


class SamplingMembers(msgspec.Struct, frozen=True):
    """What of the sampling parameters is sent.

    Attributes:
        body: members of the request's body.
        unknown: names of the parameters that the engine does not know.
    """

    body: dict[str, Any]
    unknown: list[str]


class Engine(Protocol):
    """An engine, local or remote."""

    @property
    def name(self) -> EngineName: ...

    @property
    def version(self) -> str | None: ...

    @property
    def path(self) -> str:
        """The program or module, for display."""
        ...

    def sampling(self, given: Mapping[str, Any], listed: Container[str] | None) -> SamplingMembers:
        """What it makes of sampling parameters, by their names in the contract.

        Args:
            listed: the parameters that it lists in its properties; `None` if it lists none.
        """
        ...

    @property
    def refuses_long_prompts(self) -> bool:
        """Whether it rejects a prompt beyond its context with an error before the stream begins."""
        ...

    @property
    def continues_answers(self) -> bool:
        """Whether it writes on where a conversation ends with an answer (assistant prefill)."""
        ...


class LocalProcess(Engine, Protocol):
    """An engine found on this machine, which we spawn."""

    @property
    def unix_socket(self) -> bool:
        """Whether it can listen on a UNIX socket."""
        ...

    @property
    def templates(self) -> frozenset[str] | None:
        """The names of its built-in chat templates; `None` if only the engine knows them, or takes none."""
        ...

    @property
    def chooses_flash_attn(self) -> bool:
        """Whether it uses flash attention by itself where that is possible."""
        ...

    def command(self, launch: Launch, endpoint: Endpoint) -> EngineCommand:
        """The process that runs a model with these settings."""
        ...


class Launch(msgspec.Struct, frozen=True):
    """One start, with every choice made.

    Attributes:
        model_name: the model's name, for display.
        model_path: the file to load.
        ctx_size, parallel, n_gpu_layers: as requested, else the config's; layers below 0 mean as many as fit.
        settings: the settings as requested, the preset's included; paths checked.
        cache_ram_mib: main memory for earlier prompts, as requested, else by the machine's memory; `None` where the
            engine has no such setting, or the extra arguments have it.
        capabilities: of the model, by its header; `None` if that has not been read to its end.
    """

    engine: LocalProcess
    model_name: str
    model_path: Path
    ctx_size: int
    parallel: int
    n_gpu_layers: int
    settings: ServerSettings
    cache_ram_mib: int | None = None
    capabilities: tuple[Capability, ...] | None = None

    @property
    def continues_answers(self) -> bool:
        """Whether the engine, as it is started, writes on where a conversation ends with an answer."""
        return self.engine.continues_answers and NO_PREFILL_FLAG not in (self.settings.extra_args or ())

    def endpoint(self, runtime_dir: Path) -> Endpoint:
        """Where the engine is to listen: as requested, else on a new private socket in a folder, else on any port."""
        settings = self.settings
        if settings.port is not None or settings.host is not None:
            return Endpoint(host=settings.host or LOOPBACK, port=settings.port or 0)
        socket_path = runtime_dir / f"{secrets.token_hex(4)}.sock"
        if self.engine.unix_socket and len(os.fsencode(socket_path)) <= MAX_SOCKET_PATH_BYTES:
            return Endpoint(socket_path=socket_path)
        return Endpoint()

    def again(self) -> ServerSettings:
        """The settings for the same launch again, with every choice made explicit."""
        folder = str(Path(self.engine.path).parent) if self.engine.name == "llama-server" else None
        return msgspec.structs.replace(
            self.settings,
            engine=self.engine.name,
            llama_cpp_path=folder,
            model=None,
            model_path=str(self.model_path),
            ctx_size=self.ctx_size,
            parallel=self.parallel,
            n_gpu_layers=self.n_gpu_layers,
        )
