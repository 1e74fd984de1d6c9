"""Internal errors: the details go to the log under an id, and the host gets the id."""

from __future__ import annotations

import logging
import os

from sidecar.contract.errors import InternalError

logger = logging.getLogger(__name__)


def internal_error(error: BaseException) -> InternalError:
    """Log an unexpected exception; returns the error with its id."""
    error_id = os.urandom(6).hex()
    logger.error("internal error %s", error_id, exc_info=error)
    return InternalError(f"Something went wrong inside the sidecar (error {error_id}).", error_id=error_id)
