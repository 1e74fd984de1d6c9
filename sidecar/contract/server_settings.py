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

DeviceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:\[\]-]{0,79}$(?!\n)")]
"""A device as an engine names it; no commas, which separate them on the command line."""

SpecType = Literal[
    "none",
    "draft-simple",
    "draft-eagle3",
    "draft-mtp",
    "draft-dflash",
    "draft-dspark",
    "ngram-simple",
    "ngram-map-k",
    "ngram-map-k4v",
    "ngram-mod",
    "ngram-cache",
]
"""Kinds of speculative decoding, in the names of llama.cpp's --spec-type."""

ApiKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~+/=-]{16,256}$(?!\n)")]
"""RFC 6750's characters of a bearer token. No comma: the engine would read several keys."""


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
            "split_mode": "layer",
            "main_gpu": 0,
            "no_mmap": False,
            "mlock": False,
            "swa_full": False,
            "kv_unified": True,
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
            description="Name of a model in the library. If neither is given: the config's default, else the only chat "
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
    cache_ram_mib: Annotated[
        Annotated[int, Meta(ge=-1, le=16_777_216)] | None,
        Meta(
            description="Main memory for earlier prompts, MiB: they need not be read again. -1 is no limit, 0 none. "
            "Default: the config's, else an eighth of the machine's memory beyond 4 GiB, 8192 at most."
        ),
    ] = None
    devices: Annotated[
        Annotated[list[DeviceName], Meta(min_length=1, max_length=64)] | None,
        Meta(description='GPUs to use, by the names of probe_engine, such as CUDA0; ["none"] for none. Default: all.'),
    ] = None
    split_mode: Annotated[
        Literal["none", "layer", "row", "tensor"] | None,
        Meta(description="How a model is divided among GPUs: not at all, by layers, by rows. Default layer."),
    ] = None
    tensor_split: Annotated[
        Annotated[list[Annotated[float, Meta(ge=0, le=1e9)]], Meta(min_length=1, max_length=64)] | None,
        Meta(description="Proportion of the model on each GPU, such as [3, 1]. Default: by their free memory."),
    ] = None
    main_gpu: Annotated[
        Annotated[int, Meta(ge=0, le=1023)] | None,
        Meta(description="Index of the GPU that is used alone with split_mode none, and first with row. Default 0."),
    ] = None
    no_mmap: Annotated[
        bool | None,
        Meta(description="Read the model into memory instead of mapping its file: slower to load. Default false."),
    ] = None
    mlock: Annotated[
        bool | None, Meta(description="Keep the model in memory, so that it is never swapped out. Default false.")
    ] = None
    numa: Annotated[
        Literal["distribute", "isolate", "numactl"] | None,
        Meta(description="Optimization for machines with several memory nodes. Default: none."),
    ] = None
    rope_scaling: Annotated[
        Literal["none", "linear", "yarn"] | None,
        Meta(description="RoPE scaling, to extend the context. Default: the model's, else linear."),
    ] = None
    rope_scale: Annotated[
        Annotated[float, Meta(gt=0, le=1e6)] | None,
        Meta(description="Factor by which RoPE scaling extends the context. Default: the model's."),
    ] = None
    rope_freq_base: Annotated[
        Annotated[float, Meta(ge=0, le=1e12)] | None, Meta(description="Base frequency of RoPE. Default: the model's.")
    ] = None
    rope_freq_scale: Annotated[
        Annotated[float, Meta(gt=0, le=1e6)] | None,
        Meta(description="Frequency factor of RoPE; 1/N extends the context by N. Default: the model's."),
    ] = None
    yarn_orig_ctx: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description="YaRN: context the model was trained with, tokens. Default 0: the model's."),
    ] = None
    yarn_ext_factor: Annotated[
        Annotated[float, Meta(ge=-1, le=1e3)] | None,
        Meta(description="YaRN: extrapolation mix; 0 is full interpolation. Default -1: the model's."),
    ] = None
    yarn_attn_factor: Annotated[
        Annotated[float, Meta(ge=-1, le=1e3)] | None,
        Meta(description="YaRN: factor of the attention's magnitude. Default -1: the model's."),
    ] = None
    yarn_beta_slow: Annotated[
        Annotated[float, Meta(ge=-1, le=1e6)] | None,
        Meta(description="YaRN: high correction dimension. Default -1: the model's."),
    ] = None
    yarn_beta_fast: Annotated[
        Annotated[float, Meta(ge=-1, le=1e6)] | None,
        Meta(description="YaRN: low correction dimension. Default -1: the model's."),
    ] = None
    draft_model: Annotated[
        Annotated[str, Meta(min_length=1, max_length=4096)] | None,
        Meta(
            description="GGUF file of a small model that proposes tokens (speculative decoding): faster, with the same "
            "answers. It needs the same vocabulary, and memory of its own."
        ),
    ] = None
    spec_type: Annotated[
        SpecType | None,
        Meta(description="Kind of speculative decoding. Default: draft-simple with a draft_model, else none."),
    ] = None
    spec_draft_n_max: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="Most tokens proposed by the draft model at a time. Default: the engine's, 3."),
    ] = None
    spec_draft_n_min: Annotated[
        Annotated[int, Meta(ge=0, le=1024)] | None,
        Meta(description="Fewest tokens proposed by the draft model at a time. Default 0."),
    ] = None
    spec_draft_p_min: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="Probability below which the draft model stops proposing. Default: the engine's, 0."),
    ] = None
    spec_draft_n_gpu_layers: Annotated[
        Annotated[int, Meta(ge=-1, le=10_000)] | None,
        Meta(description="Layers of the draft model on the GPU; -1 is all that fit, 0 none. Default -1."),
    ] = None
    swa_full: Annotated[
        bool | None,
        Meta(
            description="Keep the whole context of layers with a sliding window: more memory, and earlier prompts can "
            "be used again. Default false."
        ),
    ] = None
    kv_unified: Annotated[
        bool | None,
        Meta(
            description="Whether messages share one context of ctx_size; false gives each of `parallel` an equal part. "
            "Default true."
        ),
    ] = None
    api_key: Annotated[
        ApiKey | None,
        Meta(
            description="The key of the engine's own API, kept over restarts; 16 to 256 letters, digits or ._~+/=-. "
            "Never logged or shown in a command. Default: a new random one for each run."
        ),
    ] = None
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
        kinds: the engines that accept the setting.
        required: a start is refused where the engine or the build lacks the setting; otherwise it is left out and
            reported as ignored.
    """

    name: str
    kinds: frozenset[EngineName] = frozenset(("llama-server",))
    required: bool = False


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
    "cache_ram_mib": Flag("--cache-ram", _EMBEDDED, required=True),
    "devices": Flag("--device", required=True),
    "split_mode": Flag("--split-mode", _EVERY, required=True),
    "tensor_split": Flag("--tensor-split", _EVERY, required=True),
    "main_gpu": Flag("--main-gpu", _EVERY, required=True),
    "no_mmap": Flag("--no-mmap", _EVERY, required=True),
    "mlock": Flag("--mlock", _EVERY, required=True),
    "numa": Flag("--numa", _EVERY, required=True),
    "rope_scaling": Flag("--rope-scaling", _EVERY, required=True),
    "rope_scale": Flag("--rope-scale", _EVERY, required=True),
    "rope_freq_base": Flag("--rope-freq-base", _EVERY, required=True),
    "rope_freq_scale": Flag("--rope-freq-scale", _EVERY, required=True),
    "yarn_orig_ctx": Flag("--yarn-orig-ctx", _EVERY, required=True),
    "yarn_ext_factor": Flag("--yarn-ext-factor", _EVERY, required=True),
    "yarn_attn_factor": Flag("--yarn-attn-factor", _EVERY, required=True),
    "yarn_beta_slow": Flag("--yarn-beta-slow", _EVERY, required=True),
    "yarn_beta_fast": Flag("--yarn-beta-fast", _EVERY, required=True),
    "draft_model": Flag("--spec-draft-model", _EMBEDDED, required=True),
    "spec_type": Flag("--spec-type", _EMBEDDED, required=True),
    "spec_draft_n_max": Flag("--spec-draft-n-max", _EMBEDDED, required=True),
    "spec_draft_n_min": Flag("--spec-draft-n-min", _EMBEDDED, required=True),
    "spec_draft_p_min": Flag("--spec-draft-p-min", _EMBEDDED, required=True),
    "spec_draft_n_gpu_layers": Flag("--spec-draft-ngl", _EMBEDDED, required=True),
    "swa_full": Flag("--swa-full", _EMBEDDED, required=True),
    "kv_unified": Flag("--kv-unified", _EMBEDDED, required=True),
}
"""The settings that are passed on if given, in the order of the command line. `x-flag` in the schema."""
