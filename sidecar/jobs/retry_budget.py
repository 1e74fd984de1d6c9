"""How long to keep trying over a network, and how long to wait in between.

Owns the waits after failures. Every byte that arrives renews the budget.
"""

from __future__ import annotations

import random
import time
from typing import Any

import anyio

from sidecar.contract.errors import DownloadFailed
from sidecar.jobs.progress import Progress

FIRST_DELAY_SECONDS = 0.1
"""A connection that broke is tried again soon: the network is there, as the bytes before it show."""

MAX_DELAY_SECONDS = 30.0
"""A network that has come back is found within that."""

MAX_ASKED_SECONDS = 600.0
"""How long a server may make us wait (Retry-After); it is asked again then, whatever it said."""


class TryAgain(Exception):
    """It did not work now and may work later.

    Attributes:
        reason: for people.
        after_seconds: when the server is ready to be asked again.
        status: the HTTP status, where there was an answer.
    """

    def __init__(self, reason: str, *, after_seconds: float | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_seconds = after_seconds
        self.status = status


class Expired(TryAgain):
    """The address does not work any more: the one that it came from has to be asked for another."""


class RetryBudget:
    """Counts failures without a byte in between.

    Args:
        progress: where the reason for waiting is shown.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress or Progress()
        self._failures = 0
        self._since: float | None = None

    def renew(self) -> None:
        """Something arrived."""
        if self._failures:
            self._failures, self._since = 0, None
            self._progress.wait_for(None)

    async def wait(self, problem: TryAgain, *, within: float) -> None:
        """Wait as long as is right after a failure.

        Args:
            problem: the failure.
            within: seconds from the first failure in a row until the budget is spent.

        Raises:
            DownloadFailed: the budget is spent.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = now
        delay = min(FIRST_DELAY_SECONDS * 2 ** min(self._failures, 10), MAX_DELAY_SECONDS)
        delay *= random.uniform(0.8, 1.2)  # noqa: S311 - connections that broke together need not come back together
        self._failures += 1
        if problem.after_seconds is not None:
            asked = min(problem.after_seconds, MAX_ASKED_SECONDS)
            delay = max(delay, asked)
            self._since += asked  # a wait that the server asks for does not use up the budget
        if now + delay > self._since + within:
            data: dict[str, Any] = {} if problem.status is None else {"http_status": problem.status}
            raise DownloadFailed(problem.reason, **data) from None
        self._progress.wait_for(problem.reason)
        await anyio.sleep(delay)
