"""Remedies: what a host can do, or offer to a person, about an error or a warning.

Owns the form of a remedy and the remedies that go with each error, cause and warning; where more is known
of a case, more specific ones are given there. Knows nothing of the errors' classes, and imports nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

RemedyWord = Literal["retry", "change_params", "open_settings", "install_extra", "restart_sidecar", "open_page"]
"""Actions that are not methods. `retry`: the same request again. `change_params`: the same request with other
values of the parameters in `names`. `open_settings`: another value of the setting `key`, such as models.default.
`install_extra`: the optional part `extra` of the llama-sidecar package. `restart_sidecar`: end this sidecar and start
one again, where `options` names command-line options to change. `open_page`: the page at `address` in a browser."""


class Remedy(msgspec.Struct, frozen=True):
    """An action that may resolve the problem. Its sentence for people is the error's `hint`."""

    action: Annotated[str, Meta(description="A method of this contract, or a RemedyWord.")]
    params: Annotated[
        dict[str, Any],
        Meta(description="Known parameters of the action; a person or the host chooses the others."),
    ]


def call(method: str, **params: Any) -> Remedy:
    """To call a method; the host chooses the parameters that are left out."""
    return Remedy(method, params)


def change_params(*names: str) -> Remedy:
    """To send the same request with other values of these parameters."""
    return Remedy("change_params", {"names": list(names)})


def open_settings(key: str) -> Remedy:
    """To change a setting of the config, by its dotted key."""
    return Remedy("open_settings", {"key": key})


RETRY = Remedy("retry", {})

BY_ERROR: dict[str, tuple[Remedy, ...]] = {
    "METHOD_NOT_FOUND": (call("rpc.discover"),),
    "INTERNAL_ERROR": (call("get_logs", source="sidecar"),),
    "OVERLOADED": (RETRY,),
    "RESULT_TOO_LONG": (
        change_params("limit"),
        call("initialize"),
        Remedy("restart_sidecar", {"options": ["--max-line-bytes"]}),
    ),
    "SERVER_NOT_RUNNING": (call("start_llama_server"),),
    "SERVER_ALREADY_RUNNING": (
        change_params("server_id"),
        call("stop_llama_server"),
        call("restart_server"),
        call("switch_model"),
    ),
    "ENGINE_NOT_FOUND": (
        change_params("llama_cpp_path"),
        call("install_engine"),
        open_settings("engines.llama_cpp_path"),
        Remedy("install_extra", {"extra": "embedded"}),
    ),
    "ENGINE_CRASHED": (RETRY, call("restart_server")),
    "ENGINE_UNRESPONSIVE": (RETRY, call("restart_server")),
    "CONTEXT_TOO_LONG": (
        change_params("message", "context_policy"),
        call("create_session"),
        call("start_llama_server"),
    ),
    "QUEUE_FULL": (RETRY,),
    "MODEL_NOT_FOUND": (call("list_models"), change_params("model", "model_path")),
    "MODEL_INVALID": (call("download_model"),),
    "MODEL_IN_USE": (call("stop_llama_server"),),
    "DOWNLOAD_FAILED": (RETRY,),
    "CHECKSUM_MISMATCH": (RETRY,),
    "DISK_FULL": (RETRY,),
    "PORT_IN_USE": (change_params("port"),),
    "DATA_DIR_LOCKED": (Remedy("restart_sidecar", {"options": ["--data-dir"]}),),
    "SESSION_NOT_FOUND": (call("list_sessions"),),
    "DOWNLOAD_NOT_FOUND": (call("list_downloads"),),
    "ADDRESS_NOT_ALLOWED": (change_params("url"), open_settings("downloads.allow_private_addresses")),
    "ENGINE_IN_USE": (call("stop_llama_server"),),
}
"""By the error's name; none where a host can do nothing."""

BY_REASON: dict[str, tuple[Remedy, ...]] = {
    "damaged": (call("download_model"),),
    "incomplete": (call("download_model"), change_params("model", "model_path")),
    "wrong_form": (call("search_hub"), change_params("model", "model_path")),
    "not_a_model": (call("list_models"), change_params("model", "model_path")),
    "unreadable": (RETRY, change_params("model", "model_path")),
}
"""By the reason why a model is invalid: only damage goes away with another download of the same file."""

BY_CAUSE: dict[str, tuple[Remedy, ...]] = {
    "OUT_OF_MEMORY": (change_params("ctx_size", "parallel", "n_gpu_layers", "model"), call("estimate_memory")),
    "MODEL_CORRUPT": (call("download_model"),),
    "MODEL_NOT_SUPPORTED": (call("install_engine"), change_params("model")),
    "BAD_FLAG": (change_params("extra_args"), call("probe_engine")),
    "MISSING_LIBRARY": (call("install_engine"),),
    "PORT_IN_USE": (change_params("port"),),
    "PERMISSION_DENIED": (),
    "KILLED": (change_params("ctx_size", "model"), RETRY),
    "TIMEOUT": (RETRY, open_settings("engines.start_timeout_seconds")),
    "GPU_NOT_USED": (change_params("require_gpu"),),
    "WRONG_PROCESSOR": (
        call("install_engine"),
        Remedy("install_extra", {"extra": "embedded"}),
        change_params("engine"),
    ),
    "LIBRARY_MISMATCH": (change_params("env"), call("install_engine")),
    "TEMPLATE_INVALID": (change_params("chat_template", "chat_template_file"),),
    "PROJECTOR_INVALID": (change_params("mmproj_path", "projector"),),
    "LORA_INVALID": (change_params("lora"),),
    "DRAFT_INVALID": (change_params("draft_model"),),
    "DEVICE_NOT_FOUND": (change_params("devices", "main_gpu"), call("probe_engine")),
    "CONTEXT_FAILED": (change_params("cache_type_k", "cache_type_v", "flash_attn", "ctx_size", "batch_size"),),
    "FILE_FAULT": (RETRY, call("get_logs")),
    "MEMORY_LIMIT": (RETRY, change_params("chat_template", "ctx_size", "cache_ram_mib", "model")),
    "UNKNOWN": (call("get_logs"),),
}
"""By the cause of a failed start."""

BY_GPU_CAUSE: dict[str, tuple[Remedy, ...]] = {
    "NO_GPU_BACKEND": (call("install_engine"), change_params("llama_cpp_path")),
    "NO_DRIVER": (change_params("n_gpu_layers"),),
    "DRIVER_TOO_OLD": (call("install_engine"),),
    "DRIVER_FAILING": (call("get_logs"),),
    "DEVICE_NOT_VISIBLE": (),
    "NO_GPU": (change_params("n_gpu_layers"),),
    "TOO_LITTLE_MEMORY": (
        change_params("ctx_size", "parallel", "cache_type_k", "cache_type_v", "model"),
        call("estimate_memory"),
    ),
    "NOT_WANTED": (change_params("n_gpu_layers", "require_gpu"),),
    "UNKNOWN": (call("get_logs"),),
}
"""By the cause of a warning that the GPU is not used as requested."""


def default_remedies(name: str, data: dict[str, Any]) -> tuple[Remedy, ...]:
    """The remedies of an error with this name and `data`, where no more is known of the case."""
    if name == "ENGINE_START_FAILED":
        return BY_CAUSE.get(data.get("cause", "UNKNOWN"), ())
    if name == "MODEL_INVALID" and "reason" in data:
        return BY_REASON.get(data["reason"], ())
    return BY_ERROR.get(name, ())
