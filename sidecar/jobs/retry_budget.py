"""How long to retry over a network, and how long to wait in between.

Owns the delays after failures. Every byte that arrives renews the budget.
"""

from __future__ import annotations

import random
import time
from typing import Any

import anyio

from sidecar.contract.errors import DownloadFailed, SidecarError
from sidecar.jobs.progress import Progress

FIRST_DELAY_SECONDS = 0.1
"""The first delay is short: bytes have just arrived, so the network works."""

MAX_DELAY_SECONDS = 30.0
"""The longest delay, after which a restored network is detected."""

MAX_RETRY_AFTER_SECONDS = 600.0
"""The longest wait that a server may request (Retry-After, RateLimit)."""

MAX_REQUESTED_SECONDS = 3600.0
"""The longest time of such waits in a row: a server that postpones again and again uses up the budget after that."""


class TryAgain(Exception):
    """A failure that may be temporary.

    Attributes:
        reason: a message for users.
        after_seconds: after how long the server allows a retry.
        status: the HTTP status, if there was a response.
        error: the error once the budget is spent; default: a DownloadFailed with the reason.
    """

    def __init__(
        self,
        reason: str,
        *,
        after_seconds: float | None = None,
        status: int | None = None,
        error: SidecarError | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_seconds = after_seconds
        self.status = status
        self.error = error


class Expired(TryAgain):
    """The address has expired: a new one must be requested from its source."""


class RetryBudget:
    """Counts failures without a byte in between.

    Args:
        progress: shows the reason for waiting.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress or Progress()
        self._failures = 0
        self._since: float | None = None
        self._requested = 0.0

    def renew(self) -> None:
        """Renew the budget, since bytes have arrived."""
        if self._failures:
            self._failures, self._since, self._requested = 0, None, 0.0
            self._progress.wait_for(None)

    async def wait(self, problem: TryAgain, *, within: float) -> None:
        """Wait after a failure, with exponential backoff.

        Args:
            problem: the failure.
            within: seconds from the first failure in a row until the budget is spent.

        Raises:
            SidecarError: the budget is spent.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        delay = min(FIRST_DELAY_SECONDS * 2 ** min(self._failures, 10), MAX_DELAY_SECONDS)
        delay *= random.uniform(0.8, 1.2)  # noqa: S311 - so that connections that broke together retry apart
        self._failures += 1
        if problem.after_seconds is not None:
            requested = min(problem.after_seconds, MAX_RETRY_AFTER_SECONDS)
            delay = max(delay, requested)
            self._requested += requested
            if self._requested <= MAX_REQUESTED_SECONDS:
                self._since += requested  # a wait that the server requests does not use up the budget
        if now + delay > self._since + within:
            if problem.error is not None:
                raise problem.error from None
            data: dict[str, Any] = {} if problem.status is None else {"http_status": problem.status}
            raise DownloadFailed(problem.reason, **data) from None
        self._progress.wait_for(problem.reason)
        await anyio.sleep(delay)
