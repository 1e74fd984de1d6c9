"""The one place where exceptions become wire errors.

Owns the mapping, and that nothing unforeseen reaches a host: an exception that is not ours goes to the log under an
`error_id`, and the host gets that id.
"""

from __future__ import annotations

import asyncio
import errno

import msgspec

from sidecar.contract.errors import Cancelled, DiskFull, PermissionDenied, SidecarError
from sidecar.host import limits
from sidecar.logs.defects import internal_error


def as_sidecar_error(error: BaseException) -> SidecarError:
    """The error that a host gets for an exception."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:  # of one task that failed in a group
        error = error.exceptions[0]
    if isinstance(error, SidecarError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("The request was cancelled.")
    if isinstance(error, msgspec.ValidationError):
        from sidecar.contract.invalid import invalid_params  # not at each start

        return invalid_params(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full; nothing was changed.")
    if (short := limits.shortage(error)) is not None:
        return short
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return PermissionDenied(f"The system refused access to {error.filename or 'a file'}.")
    return internal_error(error)
