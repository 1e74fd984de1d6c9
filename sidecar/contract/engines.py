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
"""Name of a managed build, which install_engine installed."""


class ListEnginesParams(Params):
    """List the engines of this machine, best first, including every managed build."""


class EngineDevice(Result, kw_only=True):
    """A device that the build can use."""

    name: Annotated[str, Meta(description="The engine's name for it, such as CUDA0.")]
    description: str
    total_bytes: int | None
    free_bytes: int | None
    shares_main_memory: Annotated[
        bool, Meta(description="Whether its memory is main memory, as with integrated GPUs: no further room.")
    ] = False


class EngineProof(Result, kw_only=True):
    """What a build reported when it generated a token with a tiny model that the sidecar creates for this."""

    proved_at: Annotated[float, Meta(description="Unix seconds.")]
    version: str
    backends: Annotated[list[str], Meta(description="Kinds of device it can use, such as CPU, CUDA, Vulkan.")]
    devices: list[EngineDevice]
    gpu_layers: Annotated[int | None, Meta(description="Layers on a GPU, if it reports them.")]
    total_layers: Annotated[int | None, Meta(description="Layers of the tiny model, if it reports them.")]
    load_ms: Annotated[float, Meta(description="From the start of its process until it was ready.")]
    token_ms: Annotated[float, Meta(description="From the request to the end of the one-token answer.")]


class EngineInfo(Result, kw_only=True):
    """An engine, and whether it can be used."""

    engine: EngineName
    available: bool
    path: Annotated[str | None, Meta(description="The program or module to run.")]
    version: str | None
    origin: Annotated[
        EngineOrigin,
        Meta(
            description="Where it was found: the config's llama_cpp_path, a managed build, PATH, or a Python package."
        ),
    ]
    message: Annotated[str, Meta(description="A sentence: found, or what is missing and how to install it.")]
    name: Annotated[
        str | None, Meta(description="Name of a managed build, for engine_build, set_default_engine and remove_engine.")
    ] = None
    default: Annotated[bool, Meta(description="Whether it is the managed build that starts use.")] = False
    installed_at: Annotated[float | None, Meta(description="Install time of a managed build, Unix seconds.")] = None
    proof: Annotated[EngineProof | None, Meta(description="The last proof of a managed build.")] = None
    problem: Annotated[
        str | None, Meta(description="Why a managed build cannot be used, or was replaced as the default.")
    ] = None


class ProbeEngineParams(Params, kw_only=True):
    """Report the capabilities of a llama.cpp build in a folder."""

    llama_cpp_path: Annotated[str, Meta(min_length=1, description="Folder of a llama.cpp build.")]
    prove: Annotated[
        bool | None,
        Meta(description="Also prove it: generate a token with a tiny model created for this. Default false."),
    ] = None


class ProbeEngineResult(Result, kw_only=True):
    """A build's version and capabilities."""

    path: Annotated[str, Meta(description="The llama-server program.")]
    version: str
    backends: Annotated[list[str], Meta(description="Kinds of device, such as CPU, CUDA, Vulkan.")]
    devices: list[EngineDevice]
    flags: Annotated[list[str], Meta(description="Every long flag it accepts.")]
    unix_socket: Annotated[bool, Meta(description="Whether it can listen on a UNIX socket.")]
    proof: Annotated[EngineProof | None, Meta(description="Null if not requested.")] = None


METHODS = (
    Method(name="list_engines", params=ListEnginesParams, result=list[EngineInfo]),
    Method(
        name="probe_engine",
        params=ProbeEngineParams,
        result=ProbeEngineResult,
        errors=(EngineNotFound, EngineStartFailed, NotSupported, PathNotAllowed),
    ),
)
