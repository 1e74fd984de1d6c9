"""Settings as llama-server's flags, in the spelling of the build at hand.

Pure. A setting whose flag the build does not have is reported as ignored, never passed on to fail the start.
"""

from __future__ import annotations

from collections.abc import Iterator

from sidecar.engines.flags import FlagSet
from sidecar.engines.launch import Endpoint, Launch

ALL_LAYERS = 999
"""More layers than any model has: how "all" was said before builds knew the word."""

_VALUES = {
    "threads": ("--threads",),
    "batch_size": ("--batch-size",),
    "ubatch_size": ("--ubatch-size",),
    "cache_type_k": ("--cache-type-k",),
    "cache_type_v": ("--cache-type-v",),
    "n_cpu_moe": ("--n-cpu-moe",),
    "chat_template": ("--chat-template",),
    "chat_template_file": ("--chat-template-file",),
    "reasoning_budget": ("--reasoning-budget",),
    "mmproj_path": ("--mmproj",),
}
"""Settings that are one flag with one value."""

_HOUSE_FLAGS: tuple[tuple[str, ...], ...] = (
    ("--kv-unified",),  # ctx_size is what one message may use, as the contract says; slots share it
    ("--offline",),  # an engine of ours fetches nothing
    ("--no-ui", "--no-webui"),
    ("--jinja",),  # older builds need it for tools and reasoning
    ("--log-prefix",),  # the level of each line
    ("--log-timestamps",),
)
"""Switches for every start, where the build knows them."""


def llama_server_arguments(launch: Launch, endpoint: Endpoint, flags: FlagSet) -> tuple[list[str], list[str]]:
    """Arguments for a llama-server, and the settings that it does not know."""
    arguments = [*_always(launch, endpoint, flags)]
    ignored: list[str] = []
    settings = launch.settings
    for name, spellings in _VALUES.items():
        value = getattr(settings, name)
        if value is None:
            continue
        if found := flags.get(*spellings):
            arguments += [found[0], str(value)]
        else:
            ignored.append(name)
    for name, more in (
        ("flash_attn", _flash_attn(settings.flash_attn, flags)),
        ("lora", _repeated(settings.lora, "--lora", flags)),
        ("embeddings", _switch(settings.embeddings, "--embeddings", flags)),
        ("rpc_servers", _joined(settings.rpc_servers, "--rpc", flags)),
    ):
        if more is None:
            ignored.append(name)
        else:
            arguments += more
    arguments += [found[0] for names in _HOUSE_FLAGS if (found := flags.get(*names))]
    if "--cors-origins" in flags:
        arguments += ["--cors-origins", "localhost"]
    if "--verbosity" in flags:
        arguments += ["--verbosity", "4"]  # where the memory and the layers went
    return arguments + list(settings.extra_args or ()), ignored


def _always(launch: Launch, endpoint: Endpoint, flags: FlagSet) -> Iterator[str]:
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


def _flash_attn(value: str | bool | None, flags: FlagSet) -> list[str] | None:
    if value is None:
        return []
    word = ("on" if value else "off") if isinstance(value, bool) else value
    found = flags.get("--flash-attn")
    if found is None:
        return None
    name, flag = found
    if flag.value is not None:
        return [name, word]
    return [name] if word == "on" else []  # a switch in older builds, off by default


def _switch(value: bool | None, name: str, flags: FlagSet) -> list[str] | None:
    if not value:
        return []
    return [name] if name in flags else None


def _repeated(values: list[str] | None, name: str, flags: FlagSet) -> list[str] | None:
    if not values:
        return []
    return [word for value in values for word in (name, value)] if name in flags else None


def _joined(values: list[str] | None, name: str, flags: FlagSet) -> list[str] | None:
    if not values:
        return []
    return [name, ",".join(values)] if name in flags else None
