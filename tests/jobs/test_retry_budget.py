"""Waits after failures grow, end when the budget is spent, and are shown while they last."""

from __future__ import annotations

import random
import time

import anyio
import pytest

from sidecar.contract.errors import DownloadFailed
from sidecar.jobs.progress import Progress
from sidecar.jobs.retry_budget import MAX_REQUESTED_SECONDS, MAX_RETRY_AFTER_SECONDS, RetryBudget, TryAgain


class Shown(Progress):
    """Keeps each reason that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str | None] = []

    def wait_for(self, reason: str | None) -> None:
        super().wait_for(reason)
        self.reasons.append(reason)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits, on a clock that only they move."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: sum(waits))
    monkeypatch.setattr(random, "uniform", lambda _a, _b: 1.0)
    return waits


@pytest.mark.anyio
async def test_waits_grow_to_a_bound_and_end_when_the_time_is_over(slept: list[float]) -> None:
    shown = Shown()
    budget = RetryBudget(shown)

    async def fail_again_and_again() -> None:
        while True:
            await budget.wait(TryAgain("no network", status=503), within=100.0)

    with pytest.raises(DownloadFailed) as failed:
        await fail_again_and_again()
    assert slept[:5] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert max(slept) == 30.0
    assert 70 < sum(slept) <= 100
    assert failed.value.data == {"http_status": 503}
    assert set(shown.reasons) == {"no network"}


@pytest.mark.anyio
async def test_what_arrives_renews_the_budget(slept: list[float]) -> None:
    shown = Shown()
    budget = RetryBudget(shown)
    for _ in range(20):
        await budget.wait(TryAgain("x"), within=1.0)
        await budget.wait(TryAgain("x"), within=1.0)
        budget.renew()
        budget.renew()
    assert slept == [0.1, 0.2] * 20
    assert shown.reasons == ["x", "x", None] * 20


@pytest.mark.anyio
async def test_a_wait_that_the_server_asks_for_does_not_use_up_the_budget(slept: list[float]) -> None:
    budget = RetryBudget()
    await budget.wait(TryAgain("busy", after_seconds=300.0), within=5.0)
    await budget.wait(TryAgain("busy", after_seconds=10**9), within=5.0)
    await budget.wait(TryAgain("busy"), within=5.0)
    assert slept == [300.0, MAX_RETRY_AFTER_SECONDS, 0.4]


@pytest.mark.anyio
async def test_a_server_that_postpones_again_and_again_is_given_up(slept: list[float]) -> None:
    budget = RetryBudget()

    async def postponed() -> None:
        while True:
            await budget.wait(TryAgain("busy", after_seconds=60.0, error=DownloadFailed("limited")), within=5.0)

    with pytest.raises(DownloadFailed, match="limited"):
        await postponed()
    assert sum(slept) == MAX_REQUESTED_SECONDS
