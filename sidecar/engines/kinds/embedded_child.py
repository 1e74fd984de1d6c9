"""The embedded engine's child process: xllamacpp's server, until stdin is closed.

Owns the translation of settings to xllamacpp's parameters. It has a process of its own, so that a crash of the native
code ends nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidecar.engines.reserved_options import API_KEY_VARIABLE

LAYER_EXPERTS = r"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"
"""Keeps one layer's experts on the CPU (LLM_FFN_EXPS_REGEX in llama.cpp's common.h)."""

MEMORY_VERBOSITY = 4
"""The lowest verbosity at which the engine logs the use of memory and the placement of layers."""


def main(arguments: str) -> int:
    """Load the model and serve it; the process exits when its stdin is closed, also during the load."""
    import xllamacpp

    watch = threading.Thread(target=_exit_with_stdin, daemon=True)
    watch.start()
    job: dict[str, Any] = json.loads(arguments)
    try:
        params = _params(xllamacpp, job)
    except (ValueError, OSError, AttributeError) as error:  # an older module lacks a parameter
        print(f"error: invalid argument: {error}", file=sys.stderr)  # noqa: T201 - the engine's log
        return 1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(f"embedded engine: listening on {server.listening_address}", flush=True)  # noqa: T201
    watch.join()
    return 0


def _exit_with_stdin() -> None:
    while os.read(0, 4096):  # nothing is ever sent; stdin is closed when the sidecar closes it or dies
        continue
    # The server's threads cannot be stopped otherwise.
    os._exit(0)


def _params(xllamacpp: Any, job: dict[str, Any]) -> Any:
    if not (api_key := os.environ.get(API_KEY_VARIABLE)):
        raise ValueError(f"{API_KEY_VARIABLE} is not set, and without a key every user of this machine could use it")
    params = xllamacpp.CommonParams()
    params.model.path = job["model_path"]
    params.model_alias = {job["model_name"]}
    params.hostnames = [job["host"]]
    params.port = job["port"]
    params.api_keys = [api_key]
    params.n_ctx = job["ctx_size"]
    params.n_parallel = job["parallel"]
    params.n_gpu_layers = job["n_gpu_layers"]
    params.kv_unified = True
    params.use_jinja = job["jinja"]  # a built-in template is found by its name only without
    params.offline = True
    params.ui = False
    params.cors_origins, params.cors_credentials = "localhost", False
    params.verbosity = MEMORY_VERBOSITY
    for name, apply in _SETTINGS.items():
        if name in job:
            apply(xllamacpp, params, job[name])
    _apply_extra(params, job.get("extra_args", []))
    return params


def _threads(_: Any, params: Any, value: int) -> None:
    params.cpuparams.n_threads = value


def _batch_size(_: Any, params: Any, value: int) -> None:
    params.n_batch = value


def _ubatch_size(_: Any, params: Any, value: int) -> None:
    params.n_ubatch = value


def _flash_attn(xllamacpp: Any, params: Any, value: str | bool) -> None:
    names = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO", True: "ENABLED", False: "DISABLED"}
    params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{names[value]}")


def _cache_type_k(xllamacpp: Any, params: Any, value: str) -> None:
    params.cache_type_k = xllamacpp.ggml_type[f"GGML_TYPE_{value.upper()}"]


def _cache_type_v(xllamacpp: Any, params: Any, value: str) -> None:
    params.cache_type_v = xllamacpp.ggml_type[f"GGML_TYPE_{value.upper()}"]


def _n_cpu_moe(_: Any, params: Any, value: int) -> None:
    params.tensor_buft_overrides = ",".join(LAYER_EXPERTS.format(layer=layer) for layer in range(value))


def _chat_template(_: Any, params: Any, value: str) -> None:
    params.chat_template = value


def _chat_template_file(_: Any, params: Any, value: str) -> None:
    params.chat_template = Path(value).read_text(encoding="utf-8")


def _lora(xllamacpp: Any, params: Any, value: list[str]) -> None:
    adapters = []
    for path in value:
        adapter = xllamacpp.CommonAdapterLoraInfo()
        adapter.path, adapter.scale = path, 1.0
        adapters.append(adapter)
    params.lora_adapters = adapters


def _reasoning_budget(_: Any, params: Any, value: int) -> None:
    params.sampling.reasoning_budget_tokens = value


def _embeddings(_: Any, params: Any, value: bool) -> None:
    params.embedding = value


def _split_mode(xllamacpp: Any, params: Any, value: str) -> None:
    params.split_mode = getattr(xllamacpp.llama_split_mode, f"LLAMA_SPLIT_MODE_{value.upper()}")


def _tensor_split(_: Any, params: Any, value: list[float]) -> None:
    params.tensor_split = value + [0.0] * (len(params.tensor_split) - len(value))


def _no_mmap(xllamacpp: Any, params: Any, value: bool) -> None:
    if value:
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE


def _mlock(xllamacpp: Any, params: Any, value: bool) -> None:
    if value:  # applied after `no_mmap`
        modes = xllamacpp.llama_load_mode
        unmapped = params.load_mode == modes.LLAMA_LOAD_MODE_NONE
        params.load_mode = modes.LLAMA_LOAD_MODE_MLOCK if unmapped else modes.LLAMA_LOAD_MODE_MMAP_MLOCK


def _numa(xllamacpp: Any, params: Any, value: str) -> None:
    params.numa = getattr(xllamacpp.ggml_numa_strategy, f"GGML_NUMA_STRATEGY_{value.upper()}")


def _rope_scaling(xllamacpp: Any, params: Any, value: str) -> None:
    params.rope_scaling_type = getattr(xllamacpp.llama_rope_scaling_type, f"LLAMA_ROPE_SCALING_TYPE_{value.upper()}")


def _rope_scale(_: Any, params: Any, value: float) -> None:
    params.rope_freq_scale = 1.0 / value


def _plain(name: str) -> Callable[[Any, Any, Any], None]:
    """For a setting that is the parameter of the same name."""

    def apply(_: Any, params: Any, value: Any) -> None:
        setattr(params, name, value)

    return apply


def _draft_model(xllamacpp: Any, params: Any, value: str) -> None:
    params.speculative.draft.mparams.path = value
    params.speculative.types = [xllamacpp.common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]


def _spec_type(xllamacpp: Any, params: Any, value: str) -> None:
    name = value.upper().replace("-", "_")
    params.speculative.types = [getattr(xllamacpp.common_speculative_type, f"COMMON_SPECULATIVE_TYPE_{name}")]


def _draft(name: str) -> Callable[[Any, Any, Any], None]:
    """For a setting of the draft model."""

    def apply(_: Any, params: Any, value: Any) -> None:
        setattr(params.speculative.draft, name, value)

    return apply


def _mmproj_path(_: Any, params: Any, value: str) -> None:
    params.mmproj.path = value


_SETTINGS: dict[str, Callable[[Any, Any, Any], None]] = {
    "threads": _threads,
    "batch_size": _batch_size,
    "ubatch_size": _ubatch_size,
    "flash_attn": _flash_attn,
    "cache_type_k": _cache_type_k,
    "cache_type_v": _cache_type_v,
    "n_cpu_moe": _n_cpu_moe,
    "chat_template": _chat_template,
    "chat_template_file": _chat_template_file,
    "lora": _lora,
    "reasoning_budget": _reasoning_budget,
    "embeddings": _embeddings,
    "mmproj_path": _mmproj_path,
    "cache_ram_mib": _plain("cache_ram_mib"),
    "split_mode": _split_mode,
    "tensor_split": _tensor_split,
    "main_gpu": _plain("main_gpu"),
    "no_mmap": _no_mmap,
    "mlock": _mlock,
    "numa": _numa,
    "rope_scaling": _rope_scaling,
    "rope_scale": _rope_scale,
    "rope_freq_base": _plain("rope_freq_base"),
    "rope_freq_scale": _plain("rope_freq_scale"),
    "yarn_orig_ctx": _plain("yarn_orig_ctx"),
    "yarn_ext_factor": _plain("yarn_ext_factor"),
    "yarn_attn_factor": _plain("yarn_attn_factor"),
    "yarn_beta_slow": _plain("yarn_beta_slow"),
    "yarn_beta_fast": _plain("yarn_beta_fast"),
    "draft_model": _draft_model,
    "spec_type": _spec_type,
    "spec_draft_n_max": _draft("n_max"),
    "spec_draft_n_min": _draft("n_min"),
    "spec_draft_p_min": _draft("p_min"),
    "spec_draft_n_gpu_layers": _draft("n_gpu_layers"),
    "swa_full": _plain("swa_full"),
    "kv_unified": _plain("kv_unified"),
}


def _apply_extra(params: Any, arguments: list[str]) -> None:
    """`--some-name value` sets xllamacpp's parameter `some_name`, `--some-name` alone switches it on.

    Raises:
        ValueError: there is no such parameter, or its value is invalid.
    """
    words = list(arguments)
    while words:
        flag = words.pop(0)
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name.startswith("_") or not hasattr(params, name):
            raise ValueError(f"{flag} is not a parameter of the embedded engine")
        current = getattr(params, name)
        if isinstance(current, bool):
            has_value = bool(words) and words[0] in ("true", "false", "on", "off", "1", "0")
            setattr(params, name, words.pop(0) in ("true", "on", "1") if has_value else True)
        elif isinstance(current, int | float | str) and words:
            try:
                setattr(params, name, type(current)(words.pop(0)))
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{flag}: {error}") from None
        else:
            raise ValueError(f"{flag} cannot be set this way")
