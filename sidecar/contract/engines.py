"""Engines: the programs that run models. Installing llama.cpp builds is in `builds`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sidecar.contract.errors import EngineNotFound, EngineStartFailed, NotSupported, PathNotAllowed
from sidecar.contract.method import Method, Params, Result

EngineName = Literal["llama-server", "embedded", "llama-cpp-python"]
"""`llama-server`: llama.cpp's own program. `embedded`: the same server from a wheel, no compiler needed.
`llama-cpp-python`: that project's `llama_cpp.server`."""


EngineOrigin = Literal["config", "managed", "path", "package"]

BuildName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)")]
"""What a build that install_engine has brought is called."""


class ListEnginesParams(Params):
    """The engines of this machine, best first; each build that install_engine has brought is one of them."""


class EngineDevice(Result, kw_only=True):
    """A device that the build can use."""

    name: Annotated[str, Meta(description="The engine's name for it, such as CUDA0.")]
    description: str
    total_bytes: int | None
    free_bytes: int | None


class EngineProof(Result, kw_only=True):
    """What a build said of itself when it generated a token, with a tiny model that the sidecar makes for that."""

    proved_at: Annotated[float, Meta(description="Unix seconds.")]
    version: str
    backends: Annotated[list[str], Meta(description="Kinds of device that it can use, such as CPU, CUDA, Vulkan.")]
    devices: list[EngineDevice]
    gpu_layers: Annotated[int | None, Meta(description="Layers that it has put on a GPU, where it says so.")]
    total_layers: Annotated[int | None, Meta(description="Layers of the tiny model, where it says so.")]
    load_ms: Annotated[float, Meta(description="From the start of its process until it was ready.")]
    token_ms: Annotated[float, Meta(description="From the question to the end of the answer of one token.")]


class EngineInfo(Result, kw_only=True):
    """An engine that can be used, or why it can not."""

    engine: EngineName
    available: bool
    path: Annotated[str | None, Meta(description="The program or module that would run.")]
    version: str | None
    origin: Annotated[
        EngineOrigin,
        Meta(
            description="Where it was found: the config's llama_cpp_path, a build of install_engine, PATH, or a Python "
            "package."
        ),
    ]
    message: Annotated[str, Meta(description="In words: found, or what is missing and how to get it.")]
    name: Annotated[
        str | None, Meta(description="Of a managed build: for engine_build, set_default_engine and remove_engine.")
    ] = None
    default: Annotated[bool, Meta(description="Whether it is the managed build that a start takes.")] = False
    installed_at: Annotated[float | None, Meta(description="Of a managed build, Unix seconds.")] = None
    proof: Annotated[EngineProof | None, Meta(description="Of a managed build: the last time that it was proved.")] = (
        None
    )
    problem: Annotated[
        str | None, Meta(description="Why a managed build can not be used, or was given up for another one.")
    ] = None


class ProbeEngineParams(Params, kw_only=True):
    """Ask a llama.cpp folder what it can do."""

    llama_cpp_path: Annotated[str, Meta(min_length=1, description="Folder of a llama.cpp build.")]
    prove: Annotated[
        bool | None,
        Meta(description="Also let it generate a token, with a tiny model made for that. Default false."),
    ] = None


class ProbeEngineResult(Result, kw_only=True):
    """What a build is."""

    path: Annotated[str, Meta(description="The llama-server program.")]
    version: str
    backends: Annotated[list[str], Meta(description="Kinds of device, such as CPU, CUDA, Vulkan.")]
    devices: list[EngineDevice]
    flags: Annotated[list[str], Meta(description="Every long flag that it takes.")]
    unix_socket: Annotated[bool, Meta(description="Whether it can listen on a UNIX socket.")]
    proof: Annotated[EngineProof | None, Meta(description="Null where it was not asked for.")] = None


METHODS = (
    Method(name="list_engines", params=ListEnginesParams, result=list[EngineInfo]),
    Method(
        name="probe_engine",
        params=ProbeEngineParams,
        result=ProbeEngineResult,
        errors=(EngineNotFound, EngineStartFailed, NotSupported, PathNotAllowed),
    ),
)
