"""The settings of a start, and how engines accept them.

Owns every setting's bounds, default and flag: the schema, the command lines, the page and the guides follow them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sidecar.contract.engines import BuildName, EngineName
from sidecar.contract.method import Params

Port = Annotated[int, Meta(ge=1, le=65535)]
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]
"""Types of the KV cache, in llama.cpp's names."""

CTX_SIZE, PARALLEL, N_GPU_LAYERS, HOST = 4096, 4, -1, "127.0.0.1"
"""Defaults of a start; the config may set others."""


class ServerSettings(Params, kw_only=True):
    """How to run a model. All settings are optional."""

    defaults = MappingProxyType(
        {
            "host": HOST,
            "ctx_size": CTX_SIZE,
            "parallel": PARALLEL,
            "n_gpu_layers": N_GPU_LAYERS,
            "batch_size": 2048,
            "ubatch_size": 512,
            "flash_attn": "auto",
            "cache_type_k": "f16",
            "cache_type_v": "f16",
            "require_gpu": False,
            "n_cpu_moe": 0,
            "reasoning_budget": -1,
            "embeddings": False,
            "projector": "auto",
        }
    )

    llama_cpp_path: Annotated[
        str | None,
        Meta(description="Folder of a llama.cpp build (its root, build or bin folder) to run llama-server from."),
    ] = None
    engine_build: Annotated[
        BuildName | None,
        Meta(description="Name of a managed build. `llama_cpp_path` overrides it."),
    ] = None
    model_path: Annotated[str | None, Meta(description="The GGUF file to load. Overrides `model`.")] = None
    model: Annotated[
        str | None,
        Meta(
            description="Name of a model in the library. If neither is given: the config's default, else the only "
            "model, else the last used, else the starter model."
        ),
    ] = None
    port: Annotated[
        Port | None,
        Meta(description="TCP port to listen on. Default: a private UNIX socket, or a port chosen by the system."),
    ] = None
    host: Annotated[
        Annotated[str, Meta(max_length=255)] | None,
        Meta(description=f"Address to listen on, with `port`. Default {HOST}. Other addresses require the key, too."),
    ] = None
    ctx_size: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description=f"Context in tokens; 0 uses the model's own. Default {CTX_SIZE}."),
    ] = None
    parallel: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description=f"Messages answered concurrently; they share the context. Default {PARALLEL}."),
    ] = None
    n_gpu_layers: Annotated[
        Annotated[int, Meta(ge=-1, le=10_000)] | None,
        Meta(description=f"Layers on the GPU; -1 is all that fit, 0 none. Default {N_GPU_LAYERS}."),
    ] = None
    engine: Annotated[EngineName | None, Meta(description="Default: the best one found.")] = None
    mmproj_path: Annotated[str | None, Meta(description="Projector GGUF of a vision or audio model.")] = None
    projector: Annotated[
        Literal["auto", "none"] | None,
        Meta(
            description="`auto`: the one that the library found for the model, unless `mmproj_path` names another. "
            "`none`: no projector; the model takes text only, and uses less memory. Default auto."
        ),
    ] = None
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="CPU threads. Default: the engine's choice."),
    ] = None
    batch_size: Annotated[
        Annotated[int, Meta(ge=1, le=1_048_576)] | None,
        Meta(description="Logical batch of the prompt, tokens. Default: the engine's, 2048."),
    ] = None
    ubatch_size: Annotated[
        Annotated[int, Meta(ge=1, le=1_048_576)] | None,
        Meta(description="Physical batch of the prompt, tokens. Default: the engine's, 512."),
    ] = None
    flash_attn: Annotated[
        Literal["on", "off", "auto"] | bool | None, Meta(description="Flash attention. Default auto.")
    ] = None
    cache_type_k: Annotated[CacheType | None, Meta(description="Type of the K cache. Default f16.")] = None
    cache_type_v: Annotated[CacheType | None, Meta(description="Type of the V cache. Default f16.")] = None
    require_gpu: Annotated[
        bool | None,
        Meta(description="Fail instead of running wholly or partly on the CPU when a GPU was requested."),
    ] = None
    n_cpu_moe: Annotated[
        Annotated[int, Meta(ge=0, le=10_000)] | None,
        Meta(description="Layers whose experts stay on the CPU. Default 0."),
    ] = None
    chat_template: Annotated[
        Annotated[str, Meta(max_length=1_000_000)] | None,
        Meta(description="Name or Jinja text of a chat template. Default: the model's."),
    ] = None
    chat_template_file: Annotated[str | None, Meta(description="File with a Jinja chat template.")] = None
    lora: Annotated[list[str] | None, Meta(description="LoRA adapter files to apply.")] = None
    reasoning_budget: Annotated[
        Annotated[int, Meta(ge=-1)] | None,
        Meta(description="Maximum reasoning tokens; -1 is unlimited, 0 none. Default -1."),
    ] = None
    embeddings: Annotated[bool | None, Meta(description="Serve embeddings only. Default false.")] = None
    rpc_servers: Annotated[list[str] | None, Meta(description="llama.cpp RPC servers, host:port each.")] = None
    extra_args: Annotated[
        list[str] | None,
        Meta(
            description="Further flags, passed unchanged. Refused if the engine does not have them, or if they would "
            "change its model, address, key or access rules."
        ),
    ] = None
    env: Annotated[
        dict[str, str] | None,
        Meta(
            description="Further environment variables of the engine process; it inherits only what drivers need. "
            "LLAMA_API_KEY and LLAMA_ARG_… are refused."
        ),
    ] = None


class Flag(msgspec.Struct, frozen=True):
    """A setting as engines accept it.

    Attributes:
        name: llama-server's flag, in the spelling of new builds.
        kinds: the engines that accept the setting; for others it is reported as ignored.
    """

    name: str
    kinds: frozenset[EngineName] = frozenset(("llama-server",))


_EMBEDDED: frozenset[EngineName] = frozenset(("llama-server", "embedded"))
_PACKAGE: frozenset[EngineName] = frozenset(("llama-server", "llama-cpp-python"))
_EVERY: frozenset[EngineName] = _EMBEDDED | _PACKAGE

FLAGS: dict[str, Flag] = {
    "threads": Flag("--threads", _EVERY),
    "batch_size": Flag("--batch-size", _EVERY),
    "ubatch_size": Flag("--ubatch-size", _EVERY),
    "cache_type_k": Flag("--cache-type-k", _EVERY),
    "cache_type_v": Flag("--cache-type-v", _EVERY),
    "n_cpu_moe": Flag("--n-cpu-moe", _EMBEDDED),
    "chat_template": Flag("--chat-template", _EVERY),
    "chat_template_file": Flag("--chat-template-file", _EVERY),
    "reasoning_budget": Flag("--reasoning-budget", _EMBEDDED),
    "mmproj_path": Flag("--mmproj", _EVERY),
    "flash_attn": Flag("--flash-attn", _EVERY),
    "lora": Flag("--lora", _EVERY),
    "embeddings": Flag("--embeddings", _EVERY),
    "rpc_servers": Flag("--rpc", _PACKAGE),
}
"""The settings that are passed on if given, in the order of the command line. `x-flag` in the schema."""
