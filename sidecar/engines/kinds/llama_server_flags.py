"""Settings of a start as flags of a llama-server build.

Pure. Flags are added and removed between builds (`--mlock`, `--no-webui`), so none is assumed: a setting whose flag the
build does not support is reported as ignored, and never passed on, where it would fail the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sidecar.contract.server_settings import FLAGS
from sidecar.engines.kinds.llama_server_help import FlagSet
from sidecar.engines.launch import ALL_LAYERS, Endpoint, Launch
from sidecar.engines.setting_checks import is_jinja

TRACE = "4"
"""The verbosity at which a build logs the use of memory and the placement of layers. Older builds number the levels
differently: their 4 would write prompts into the log."""

_UNIFIED = ("--kv-unified",)

_DEFAULT_FLAGS: tuple[tuple[str, ...], ...] = (
    _UNIFIED,  # ctx_size is what one message may use, as the contract says; slots share it
    ("--offline",),  # engines download nothing
    ("--no-ui", "--no-webui"),
    ("--no-cors-credentials",),
    ("--log-prefix",),  # the level of each line
    ("--log-timestamps",),
)
"""Switches of every start, each if the build supports it; of several names, the first supported one is used."""


_LOAD_MODES = ("no_mmap", "mlock")
"""Two settings that newer builds have as one flag."""


def llama_server_arguments(launch: Launch, endpoint: Endpoint, flags: FlagSet) -> tuple[list[str], list[str]]:
    """Arguments for a llama-server, and the settings that it does not support."""
    arguments = [*_always(launch, endpoint, flags)]
    ignored: list[str] = []
    settings = launch.settings
    for name, flag in FLAGS.items():
        if name in _LOAD_MODES:
            continue
        value = launch.cache_ram_mib if name == "cache_ram_mib" else getattr(settings, name)
        if name == "spec_type" and settings.draft_model is not None:
            value = value or "draft-simple"  # newer builds load a draft model only with its kind
        words = _RENDERED.get(name, _value)(value, flag.name, flags)
        if words is None:
            ignored.append(name)
        else:
            arguments += words
    words = _load_mode(settings.no_mmap, settings.mlock, flags)
    if words is None:
        ignored += [name for name in _LOAD_MODES if getattr(settings, name)]
    return arguments + (words or []) + list(settings.extra_args or ()), ignored


def _always(launch: Launch, endpoint: Endpoint, flags: FlagSet) -> Iterator[str]:
    template = launch.settings.chat_template
    # Older builds need Jinja for tools, reasoning and custom templates; the name of a built-in template counts only
    # without, where `--no-jinja` is newer than the need for it.
    jinja = "--jinja" if template is None or is_jinja(template) else "--no-jinja"
    shared = launch.settings.kv_unified is not False
    defaults = [names for names in _DEFAULT_FLAGS if shared or names != _UNIFIED]
    yield from (found[0] for names in ((jinja,), *defaults) if (found := flags.get(*names)))
    if "--cors-origins" in flags:
        yield from ("--cors-origins", "localhost")
    if (found := flags.get("--verbosity")) and f"{TRACE}: trace" in found[1].text:
        yield from ("--verbosity", TRACE)
    yield from ("--model", str(launch.model_path))
    if "--alias" in flags and "," not in launch.model_name:
        yield from ("--alias", launch.model_name)
    if endpoint.socket_path is not None:
        yield from ("--host", str(endpoint.socket_path))
    else:
        yield from ("--host", endpoint.host, "--port", str(endpoint.port))
    yield from ("--ctx-size", str(launch.ctx_size), "--parallel", str(launch.parallel))
    if found := flags.get("--n-gpu-layers", "--gpu-layers"):
        name, flag = found
        layers = str(launch.n_gpu_layers)
        if launch.n_gpu_layers < 0:
            layers = "auto" if "'auto'" in flag.text else str(ALL_LAYERS)
        yield from (name, layers)


def _value(value: object, name: str, flags: FlagSet) -> list[str] | None:
    if value is None:
        return []
    found = flags.get(name, *_OLDER_NAMES.get(name, ()))
    return [found[0], str(value)] if found else None


def _switch(value: bool | None, name: str, flags: FlagSet) -> list[str] | None:
    if not value:
        return []
    return [name] if name in flags else None


def _kv_unified(value: bool | None, name: str, flags: FlagSet) -> list[str] | None:
    if value:
        return [] if name in flags else None  # among the flags of every start
    return ["--no-kv-unified"] if value is False and "--no-kv-unified" in flags else []


def _spec_type(value: str | None, name: str, flags: FlagSet) -> list[str] | None:
    if value is None or (value in ("none", "draft-simple") and name not in flags):
        return []  # before there were kinds, a draft model was draft-simple
    found = flags.get(name)
    if found is None or value not in (found[1].value or "").split(","):
        return None
    return [name, value]


def _load_mode(no_mmap: bool | None, mlock: bool | None, flags: FlagSet) -> list[str] | None:
    """Two flags of older builds, which `--load-mode` has replaced."""
    if not (no_mmap or mlock):
        return []
    if "--load-mode" in flags:
        return ["--load-mode", "none" if not mlock else "mlock" if no_mmap else "mmap+mlock"]
    chosen = [name for name, given in (("--no-mmap", no_mmap), ("--mlock", mlock)) if given]
    return chosen if all(name in flags for name in chosen) else None


def _flash_attn(value: str | bool | None, name: str, flags: FlagSet) -> list[str] | None:
    if value is None:
        return []
    word = ("on" if value else "off") if isinstance(value, bool) else value
    found = flags.get(name)
    if found is None:
        return None
    name, flag = found
    if flag.value is not None:
        return [name, word]
    return [name] if word == "on" else []  # a switch in older builds, off by default


def _lora(paths: list[str] | None, name: str, flags: FlagSet) -> list[str] | None:
    if not paths:
        return []
    found = flags.get(name)
    if found is None:
        return None
    name, flag = found
    if "comma-separated" in flag.text:
        return [name, ",".join(map(_csv, paths))]
    return [word for path in paths for word in (name, path)]


def _csv(text: str) -> str:
    """A field of a comma-separated list, quoted as llama.cpp parses it."""
    if "," in text or text.startswith('"'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _reasoning_budget(value: int | None, name: str, flags: FlagSet) -> list[str] | None:
    found = flags.get(name)
    if value is not None and value > 0 and found is not None and "only one of" in found[1].text:
        return None  # builds of 2025 know 0 and -1
    return _value(value, name, flags)


def _embeddings(value: bool | None, name: str, flags: FlagSet) -> list[str] | None:
    if not value:
        return []
    found = flags.get(name, "--embedding")  # older builds
    return [found[0]] if found else None


def _list(values: list[object] | None, name: str, flags: FlagSet) -> list[str] | None:
    return _value(",".join(map(str, values or ())) or None, name, flags)


_OLDER_NAMES: dict[str, tuple[str, ...]] = {
    "--spec-draft-model": ("--model-draft",),
    "--spec-draft-n-max": ("--draft-max", "--draft"),
    "--spec-draft-n-min": ("--draft-min",),
    "--spec-draft-p-min": ("--draft-p-min",),
    "--spec-draft-ngl": ("--gpu-layers-draft", "--n-gpu-layers-draft"),
}
"""Names of the same flags in builds before 2026."""

_RENDERED: dict[str, Callable[[Any, str, FlagSet], list[str] | None]] = {
    "flash_attn": _flash_attn,
    "lora": _lora,
    "reasoning_budget": _reasoning_budget,
    "embeddings": _embeddings,
    "rpc_servers": _list,
    "devices": _list,
    "tensor_split": _list,
    "spec_type": _spec_type,
    "swa_full": _switch,
    "kv_unified": _kv_unified,
}
"""Settings that are not one flag with one value."""
