"""The one place where exceptions become wire errors.

Owns the mapping, and that nothing unforeseen reaches a host: an exception that is not ours goes to the log under an
`error_id`, and the host gets that id.
"""

from __future__ import annotations

import asyncio
import errno
import re

import msgspec

from sidecar.contract.errors import Cancelled, DiskFull, InvalidParams, PermissionDenied, SidecarError, legible
from sidecar.host import limits
from sidecar.logs.defects import internal_error

MAX_PATH_CHARACTERS = 500
"""Of the path to a parameter. Ours are far shorter, but a host may name one of its own."""

_PATH = re.compile(r" - at `(?P<path>[^`]*)`$")
_FIELD = re.compile(r"(?:unknown|missing required) field `(?P<field>[^`]*)`")


def as_sidecar_error(error: BaseException) -> SidecarError:
    """The error that a host gets for an exception."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:  # of one task that failed in a group
        error = error.exceptions[0]
    if isinstance(error, SidecarError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("The request was cancelled.")
    if isinstance(error, msgspec.ValidationError):
        return invalid_params(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full; nothing was changed.")
    if (short := limits.shortage(error)) is not None:
        return short
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return PermissionDenied(f"The system refused access to {error.filename or 'a file'}.")
    return internal_error(error)


def invalid_params(error: msgspec.ValidationError) -> InvalidParams:
    """msgspec's sentence and path as ours: `path` names the member itself where it is unknown or missing."""
    text = str(error)
    path = "$"
    if found := _PATH.search(text):
        path = found["path"]
        text = text[: found.start()]
    if field := _FIELD.search(text):
        path = f"{path}.{field['field']}"
    path = legible(path, max_characters=MAX_PATH_CHARACTERS)
    return InvalidParams(f"{text} at {path}.", path=path)
