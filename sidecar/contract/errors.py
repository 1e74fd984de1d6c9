"""Every error a host can see, one class a name.

Owns the names, the codes and whether a retry can help. Knows nothing of JSON-RPC framing: `dispatch`
turns these into wire errors, and is the only place that does.

    SidecarError
    ├── ParseError, InvalidRequest, MethodNotFound, InvalidParams, InternalError   (JSON-RPC's own)
    ├── Cancelled, Overloaded, ResultTooLong
    ├── ServerNotRunning, ServerAlreadyRunning
    ├── EngineNotFound, EngineStartFailed, EngineCrashed, EngineUnresponsive, EngineInUse
    ├── ContextTooLong, QueueFull
    ├── ModelNotFound, ModelInvalid, ModelInUse, DeleteNotAllowed
    ├── DownloadFailed, ChecksumMismatch, DownloadNotFound, HubAccessDenied, AddressNotAllowed, ArchiveInvalid
    ├── DiskFull, PermissionDenied, PathNotAllowed, PortInUse
    ├── SessionNotFound
    └── DataDirLocked, StorageError, NotSupported
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self, get_args

import msgspec

from sidecar.contract.remedies import Remedy, default_remedies

MAX_MESSAGE_CHARACTERS = 2000
"""Longest message of an error: it may quote a name, which a host or a file can make as long as a whole line."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")

Cause = Literal[
    "OUT_OF_MEMORY",
    "MODEL_CORRUPT",
    "MODEL_NOT_SUPPORTED",
    "BAD_FLAG",
    "MISSING_LIBRARY",
    "PORT_IN_USE",
    "PERMISSION_DENIED",
    "KILLED",
    "TIMEOUT",
    "GPU_NOT_USED",
    "WRONG_PROCESSOR",
    "LIBRARY_MISMATCH",
    "TEMPLATE_INVALID",
    "PROJECTOR_INVALID",
    "LORA_INVALID",
    "DRAFT_INVALID",
    "DEVICE_NOT_FOUND",
    "CONTEXT_FAILED",
    "FILE_FAULT",
    "MEMORY_LIMIT",
    "UNKNOWN",
]
"""Why an engine did not start or did not stay, decided from its exit code and the end of its log."""

CAUSES: tuple[Cause, ...] = get_args(Cause)

NetworkCause = Literal["proxy", "certificate", "address", "rate_limit"]
"""What a request over the network failed at, before or in place of an answer: the proxy of this machine's settings, the
certificate of the server or those that this machine trusts, the address of the setting, a limit of the server."""


class SidecarError(Exception):
    """A failure that is returned to a host.

    Attributes:
        code: the JSON-RPC error code, fixed for each name.
        name: the stable name a host switches on.
        retryable: whether the same request may succeed later without a change.
        hint: what to do next, one sentence for people.
        data: further members of the wire error's `data`; never a traceback, a secret or a prompt.
    """

    code: ClassVar[int]
    name: ClassVar[str]
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""
    extra: ClassVar[tuple[str, ...]] = ()
    """Names of the further `data` members that this error may carry."""
    turn_extra: ClassVar[tuple[str, ...]] = ("session_id",)
    """Names of the `data` members that it carries where it is the end of a turn."""

    def __init__(
        self, message: str, *, hint: str | None = None, remedies: Sequence[Remedy] | None = None, **data: Any
    ) -> None:
        message = legible(message)
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.data = data
        self._remedies = remedies

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What a host can do or offer, in the order of preference."""
        return default_remedies(self.name, self.data) if self._remedies is None else tuple(self._remedies)

    @classmethod
    def members(cls) -> tuple[str, ...]:
        """Names of all further `data` members that it may carry."""
        return (*cls.extra, *cls.turn_extra)

    def with_data(self, **data: Any) -> Self:
        """A copy with further `data` members; the error itself may be that of other requests, too."""
        copy = type(self)(self.message, hint=self.hint, remedies=self.remedies)
        copy.data.update(self.data, **data)
        return copy

    def to_wire(self) -> dict[str, Any]:
        """The `error` member of a JSON-RPC response."""
        remedies = [msgspec.to_builtins(remedy) for remedy in self.remedies]
        data = {"name": self.name, "retryable": self.retryable, "hint": self.hint, "remedies": remedies, **self.data}
        return {"code": self.code, "message": self.message, "data": data}


def legible(text: str, *, max_characters: int = MAX_MESSAGE_CHARACTERS) -> str:
    """A text for people and their terminals: cut in its middle where it is too long, control characters escaped."""
    if len(text) > max_characters:
        half = max_characters // 2
        text = f"{text[:half]} … {text[-half:]}"
    return text if text.isprintable() else _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class ParseError(SidecarError):
    """The line was not one JSON value in UTF-8."""

    code = -32700
    name = "PARSE_ERROR"
    turn_extra = ()
    default_hint = "Send one JSON value per line, in UTF-8 without a byte order mark."


class InvalidRequest(SidecarError):
    """The JSON was not a JSON-RPC 2.0 request."""

    code = -32600
    name = "INVALID_REQUEST"
    turn_extra = ()
    default_hint = 'Send {"jsonrpc": "2.0", "id": 1, "method": "…", "params": {…}}.'


class MethodNotFound(SidecarError):
    """No method has this name."""

    code = -32601
    name = "METHOD_NOT_FOUND"
    turn_extra = ()
    default_hint = "Check the method's name, or update this program."


class InvalidParams(SidecarError):
    """A parameter is missing, unknown, of the wrong type or out of its range."""

    code = -32602
    name = "INVALID_PARAMS"
    default_hint = "Compare the parameters with the method's schema in rpc.discover."
    extra = ("path",)


class InternalError(SidecarError):
    """A defect of the sidecar; the log has the details under `error_id`."""

    code = -32603
    name = "INTERNAL_ERROR"
    default_hint = "Find error_id in the log of source 'sidecar' and report it."
    extra = ("error_id",)


class Cancelled(SidecarError):
    """The request was cancelled by the host; `partial` is the text so far."""

    code = -32800
    name = "CANCELLED"
    extra = ("partial",)


class Overloaded(SidecarError):
    """More requests are running than the sidecar accepts concurrently."""

    code = -32001
    name = "OVERLOADED"
    retryable = True
    default_hint = "Wait for answers before sending more requests."
    extra = ("queue_size",)


class ResultTooLong(SidecarError):
    """The result is longer than a line that the host reads, so it was not sent. What was asked for is done."""

    code = -32002
    name = "RESULT_TOO_LONG"
    default_hint = "Ask for less, or have initialize or --max-line-bytes allow longer lines."
    extra = ("line_bytes", "max_line_bytes")


class ServerNotRunning(SidecarError):
    """No server of this id is ready."""

    code = -32010
    name = "SERVER_NOT_RUNNING"
    default_hint = "Start a server first."


class ServerAlreadyRunning(SidecarError):
    """A server of this id is starting or running."""

    code = -32011
    name = "SERVER_ALREADY_RUNNING"
    default_hint = "Stop or restart that server, or start another one beside it under another name."


class EngineNotFound(SidecarError):
    """The requested engine is not on this machine."""

    code = -32012
    name = "ENGINE_NOT_FOUND"
    default_hint = "Give the folder of a llama.cpp build, or install the embedded engine, the Python package xllamacpp."


class EngineStartFailed(SidecarError):
    """The engine did not become ready; `cause` and `log_tail` say why."""

    code = -32013
    name = "ENGINE_START_FAILED"
    extra = ("cause", "exit_code", "log_tail")


class EngineCrashed(SidecarError):
    """The engine crashed while it was in use; partial text is kept."""

    code = -32014
    name = "ENGINE_CRASHED"
    retryable = True
    default_hint = "Send it again when the server is ready; restart a server that has failed."
    extra = ("cause", "exit_code", "log_tail", "partial")


class EngineUnresponsive(SidecarError):
    """The engine is alive but did not answer in time."""

    code = -32015
    name = "ENGINE_UNRESPONSIVE"
    retryable = True
    default_hint = "Try again, or restart the server."
    extra = ("partial",)


class ContextTooLong(SidecarError):
    """The prompt does not fit the model's context; nothing was cut and nothing was sent."""

    code = -32016
    name = "CONTEXT_TOO_LONG"
    default_hint = "Shorten the message or the conversation, or use a larger context."
    extra = ("max_context", "input_length")


class ModelNotFound(SidecarError):
    """No model has this name, or no model file is at this path."""

    code = -32017
    name = "MODEL_NOT_FOUND"
    default_hint = "Choose a model from the library, or give the path of a GGUF file."


class ModelInvalid(SidecarError):
    """The file is not a usable GGUF model; `reason` says whether it is damaged or something else."""

    code = -32018
    name = "MODEL_INVALID"
    default_hint = "Download the file again; it is damaged or not a GGUF model."
    extra = ("reason",)


class ModelInUse(SidecarError):
    """A running server uses the model."""

    code = -32019
    name = "MODEL_IN_USE"
    default_hint = "Stop the server that uses it first."
    extra = ("server_id",)


class DeleteNotAllowed(SidecarError):
    """The file does not belong to the sidecar, so it is not deleted."""

    code = -32020
    name = "DELETE_NOT_ALLOWED"


class DownloadFailed(SidecarError):
    """A transfer ended early, or the hub did not answer; received data is kept."""

    code = -32021
    name = "DOWNLOAD_FAILED"
    retryable = True
    default_hint = "Check the connection and try again: the download resumes where it stopped."
    extra = ("http_status", "network_cause", "retry_after_seconds")


class ChecksumMismatch(SidecarError):
    """The file's hash is not the expected one; the file was not kept."""

    code = -32022
    name = "CHECKSUM_MISMATCH"
    retryable = True
    default_hint = "Download it again. If that does not help, the file on the server is damaged or was replaced."


class DiskFull(SidecarError):
    """The disk is full; existing data is intact."""

    code = -32023
    name = "DISK_FULL"
    retryable = True
    default_hint = "Free some space and try again."


class PermissionDenied(SidecarError):
    """The operating system refused access."""

    code = -32024
    name = "PERMISSION_DENIED"
    default_hint = "Check the owner and permissions of the file or folder."


class PathNotAllowed(SidecarError):
    """The path is not one that this method accepts."""

    code = -32025
    name = "PATH_NOT_ALLOWED"
    default_hint = "Give an absolute path to an ordinary file."


class PortInUse(SidecarError):
    """Another program listens on the requested port."""

    code = -32026
    name = "PORT_IN_USE"
    default_hint = "Let the system choose a port, or choose another one."
    extra = ("port",)


class SessionNotFound(SidecarError):
    """No session or message has this id."""

    code = -32027
    name = "SESSION_NOT_FOUND"
    default_hint = "Choose one of the sessions that exist."


class QueueFull(SidecarError):
    """Too many messages are queued for this server."""

    code = -32028
    name = "QUEUE_FULL"
    retryable = True
    default_hint = "Wait for a running message to end, or start the server with more parallel slots."
    extra = ("queue_size",)


class DataDirLocked(SidecarError):
    """Another sidecar uses the data folder; `address` is where it serves pages, if it does."""

    code = -32029
    name = "DATA_DIR_LOCKED"
    default_hint = "End that one and start this one again, or start this one with another --data-dir."
    extra = ("data_dir", "pid", "address")


class StorageError(SidecarError):
    """The database or a file of ours could not be read or written."""

    code = -32030
    name = "STORAGE_ERROR"


class NotSupported(SidecarError):
    """This engine, model or build does not support the request; `path` names the parameter, where there is one."""

    code = -32031
    name = "NOT_SUPPORTED"
    extra = ("path",)


class DownloadNotFound(SidecarError):
    """No download has this id."""

    code = -32040
    name = "DOWNLOAD_NOT_FOUND"
    default_hint = "Choose one of the downloads that exist."


class HubAccessDenied(SidecarError):
    """The repository is private or gated, and the hub denies this user access."""

    code = -32041
    name = "HUB_ACCESS_DENIED"
    extra = ("repo", "gated")


class AddressNotAllowed(SidecarError):
    """Downloads from this address are not allowed: it is not https, or is inside this machine or network."""

    code = -32042
    name = "ADDRESS_NOT_ALLOWED"
    default_hint = "Give the https address of a public server, or allow private addresses in the settings."


class EngineInUse(SidecarError):
    """A running server uses the build."""

    code = -32043
    name = "ENGINE_IN_USE"
    default_hint = "Stop the server that uses it first."
    extra = ("server_id",)


class ArchiveInvalid(SidecarError):
    """The archive is damaged, has no llama.cpp build for this machine, or has unexpected entries; nothing is kept."""

    code = -32044
    name = "ARCHIVE_INVALID"
    default_hint = "Use an unmodified release archive of llama.cpp for this system."


def all_errors() -> list[type[SidecarError]]:
    """Every error class, JSON-RPC's own first, then by code downwards."""
    own = sorted(SidecarError.__subclasses__(), key=lambda error: -error.code)
    return [e for e in own if e.code <= -32600] + [e for e in own if e.code > -32600]


def from_wire(error: Mapping[str, Any]) -> SidecarError:
    """The error that `to_wire` wrote; an unknown name becomes an InternalError."""
    data = dict(error.get("data") or {})
    name = data.pop("name", "")
    kind = next((one for one in SidecarError.__subclasses__() if one.name == name), InternalError)
    data.pop("retryable", None)
    hint = str(data.pop("hint", ""))
    remedies = [Remedy(str(one["action"]), dict(one["params"])) for one in data.pop("remedies", ())]
    known = kind(str(error.get("message", "")), hint=hint, remedies=remedies)
    known.data.update(data)
    return known
