"""The settings of a start: which go together, which the chosen engine can honour, and what fills a gap.

Pure, but for paths that are checked on the disk. `start_planner` chooses engine and model.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from sidecar.contract.errors import InvalidParams, NotSupported
from sidecar.contract.remedies import call, change_params
from sidecar.contract.server_settings import FLAGS, ServerSettings
from sidecar.engines.launch import LocalProcess
from sidecar.engines.reserved_options import reserved_flag, reserved_variable
from sidecar.engines.setting_checks import MAX_TEMPLATE_BYTES, check_template_file
from sidecar.host import path_policy

GIB = 1024**3

CACHE_RAM_FREE_BYTES = 4 * GIB
"""Main memory that no prompt cache is taken from by default: a system, an app and a small model fill it."""

CACHE_RAM_SHARE = 8
"""The part of the memory beyond that which one engine's prompt cache may use: several engines can run."""

MAX_CACHE_RAM_MIB = 8192
"""llama-server's own default, whatever the machine has (--cache-ram)."""

CACHE_RAM_FLAGS = frozenset({"--cache-ram", "-cram"})


def check_request(settings: ServerSettings) -> None:
    """Refuse parameters that no engine could start with.

    Raises:
        InvalidParams: a flag or variable is reserved for the sidecar, or two settings exclude each other.
    """
    if settings.extra_args and (found := reserved_flag(settings.extra_args)):
        flag, hint = found
        raise InvalidParams(f"{flag} is not accepted in extra_args.", path="$.extra_args", hint=hint)
    if settings.env and (name := reserved_variable(settings.env)):
        raise InvalidParams(
            f"{name} is not accepted in env: it would override the key or the settings of the engine.",
            path="$.env",
            hint="Use the parameter for the setting, or extra_args.",
        )
    if settings.projector == "none" and settings.mmproj_path is not None:
        raise InvalidParams(
            "`mmproj_path` names a projector, and `projector` is none.",
            path="$.projector",
            hint="Leave out one of them.",
            remedies=(change_params("projector", "mmproj_path"),),
        )
    low, high = settings.spec_draft_n_min, settings.spec_draft_n_max
    if low is not None and high is not None and low > high:
        raise InvalidParams(
            f"spec_draft_n_min is {low}, more than spec_draft_n_max, {high}.",
            path="$.spec_draft_n_min",
            hint="Give the smaller number as spec_draft_n_min.",
            remedies=(change_params("spec_draft_n_min", "spec_draft_n_max"),),
        )
    if settings.tensor_split and not any(settings.tensor_split):
        raise InvalidParams(
            "tensor_split gives every GPU nothing.",
            path="$.tensor_split",
            hint="Give at least one proportion above 0, or leave it out.",
            remedies=(change_params("tensor_split"),),
        )


def check_engine(engine: LocalProcess, ignored: list[str]) -> None:
    """Refuse settings that the chosen engine would not honour.

    Args:
        ignored: the settings that the engine leaves out of its command.

    Raises:
        NotSupported: the engine, or this build of it, lacks a setting that was given.
    """
    for name in ignored:
        if name in FLAGS and FLAGS[name].required:
            flag, version = FLAGS[name].name, f" {engine.version}" if engine.version else ""
            where = f"{engine.path}{version}" if engine.name == "llama-server" else f"The engine {engine.name}{version}"
            raise NotSupported(
                f"{where} has no {name} ({flag} of llama-server), or not this value of it.",
                path=f"$.{name}",
                hint=f"Leave {name} out, or use a newer llama.cpp build.",
                remedies=(change_params(name), call("install_engine"), call("probe_engine")),
            )


def cache_ram_mib(settings: ServerSettings, configured: int | None, memory_bytes: int) -> int | None:
    """Main memory for earlier prompts, MiB: as requested, else the config's, else by the machine's memory.

    Args:
        memory_bytes: all the memory that our processes may use.

    Returns:
        `None` where the extra arguments have it, or no messages are answered.
    """
    words = {word.partition("=")[0] for word in settings.extra_args or ()}
    if words & CACHE_RAM_FLAGS or (settings.embeddings and settings.cache_ram_mib is None):
        return None
    if settings.cache_ram_mib is not None:
        return settings.cache_ram_mib
    if configured is not None:
        return configured
    share = max(0, memory_bytes - CACHE_RAM_FREE_BYTES) // CACHE_RAM_SHARE // (1024 * 1024)
    return min(share, MAX_CACHE_RAM_MIB)


def with_model(settings: ServerSettings, model: str) -> ServerSettings:
    """The settings for another model, without what belongs to the one before: files, template, scaling."""
    return msgspec.structs.replace(
        settings,
        model=model,
        model_path=None,
        mmproj_path=None,
        projector=None,
        lora=None,
        chat_template=None,
        chat_template_file=None,
        draft_model=None,
        **{name: None for name in FLAGS if name.startswith(("rope_", "yarn_", "spec_"))},
    )


def with_resolved_paths(settings: ServerSettings) -> ServerSettings:
    """The settings with every path absolute. Blocks on the disk.

    Raises:
        ModelNotFound, PathNotAllowed, PermissionDenied: one of the files cannot be used.
        InvalidParams: the file with the chat template has none.
    """

    def resolved(path: str | None) -> str | None:
        return None if path is None else str(path_policy.file(path))

    template_file = resolved(settings.chat_template_file)
    if template_file is not None:
        with Path(template_file).open(encoding="utf-8", errors="replace") as file:
            check_template_file(file.read(MAX_TEMPLATE_BYTES))
    return msgspec.structs.replace(
        settings,
        mmproj_path=resolved(settings.mmproj_path),
        chat_template_file=template_file,
        draft_model=resolved(settings.draft_model),
        lora=settings.lora and [str(path_policy.file(path)) for path in settings.lora],
    )
