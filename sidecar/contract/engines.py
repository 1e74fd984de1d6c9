"""Engines: the programs that run models."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sidecar.contract.errors import EngineNotFound, EngineStartFailed, NotSupported, PathNotAllowed
from sidecar.contract.method import Method, Params, Result

EngineName = Literal["llama-server", "embedded", "llama-cpp-python"]
"""`llama-server`: llama.cpp's own program. `embedded`: the same server from a wheel, no compiler needed.
`llama-cpp-python`: that project's `llama_cpp.server`."""


class ListEngines(Params):
    """The engines of this machine, best first."""


class EngineInfo(Result, kw_only=True):
    """An engine that can be used, or why it can not."""

    engine: EngineName
    available: bool
    path: Annotated[str | None, Meta(description="The program or module that would run.")]
    version: str | None
    origin: Annotated[
        Literal["config", "path", "package"],
        Meta(description="Where it was found: the config's llama_cpp_path, PATH, or a Python package."),
    ]
    message: Annotated[str, Meta(description="In words: found, or what is missing and how to get it.")]


class ProbeEngine(Params, kw_only=True):
    """Ask a llama.cpp folder what it can do."""

    llama_cpp_path: Annotated[str, Meta(min_length=1, description="Folder of a llama.cpp build.")]


class EngineDevice(Result, kw_only=True):
    """A device that the build can use."""

    name: Annotated[str, Meta(description="The engine's name for it, such as CUDA0.")]
    description: str
    total_bytes: int | None
    free_bytes: int | None


class EngineProbe(Result, kw_only=True):
    """What a build is."""

    path: Annotated[str, Meta(description="The llama-server program.")]
    version: str
    backends: Annotated[list[str], Meta(description="Kinds of device, such as CPU, CUDA, Vulkan.")]
    devices: list[EngineDevice]
    flags: Annotated[list[str], Meta(description="Every long flag that it takes.")]
    unix_socket: Annotated[bool, Meta(description="Whether it can listen on a UNIX socket.")]


METHODS = (
    Method(name="list_engines", params=ListEngines, result=list[EngineInfo]),
    Method(
        name="probe_engine",
        params=ProbeEngine,
        result=EngineProbe,
        errors=(EngineNotFound, EngineStartFailed, NotSupported, PathNotAllowed),
    ),
)
