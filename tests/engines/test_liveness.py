"""Which silence of a ready engine is taken for a standstill."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import anyio
import anyio.lowlevel
import pytest

from sidecar.engines.client.engine_client import EngineClient
from sidecar.engines.lifecycle import engine_run
from sidecar.engines.lifecycle.engine_run import until_unresponsive
from tests.busy import BUSY_SECONDS
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio

DEADLINE = 0.2


class Peer:
    """An engine's link whose answers a test decides: a status, `None` for a refusal, or no answer at all."""

    def __init__(self, *answers: int | str | None, hears: Callable[[], int] = lambda: 0) -> None:
        self.questions = self.shortages = 0
        self.limits: list[float] = []
        self._answers = list(answers)
        self._hears = hears

    @property
    def received(self) -> int:
        return self._hears()

    async def health(self, timeout_seconds: float) -> tuple[int | None, float]:
        self.questions += 1
        self.limits.append(timeout_seconds)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer == "silence":
            await anyio.sleep_forever()
        if answer == "shortage":
            self.shortages += 1
            answer = None
        await anyio.lowlevel.checkpoint()
        return (None if answer == "silence" else cast("int | None", answer)), 1.0


async def seconds_until_silent(peer: Peer) -> float:
    begun = anyio.current_time()
    with anyio.fail_after(WAIT_SECONDS):
        await until_unresponsive(cast(EngineClient, peer), DEADLINE)
    return anyio.current_time() - begun


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "LIVENESS_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(engine_run, "REFUSED_PAUSE_SECONDS", 0.01)


async def test_an_engine_that_never_answers_is_found_at_the_deadline() -> None:
    peer = Peer("silence")
    assert DEADLINE <= await seconds_until_silent(peer) < DEADLINE + BUSY_SECONDS
    assert (peer.questions, peer.limits) == (2, [DEADLINE / 2] * 2)


async def test_an_answer_to_the_second_question_is_enough() -> None:
    """As after the machine has slept: then the first one's time is over before it was asked."""
    peer = Peer(200, "silence", 200, "silence", 503, "silence")
    await seconds_until_silent(peer)
    assert peer.questions == 7


async def test_whatever_an_engine_answers_it_lives() -> None:
    peer = Peer(503, 404, 500, "silence")
    await seconds_until_silent(peer)
    assert peer.questions == 5


async def test_refusals_are_no_answers_and_no_hurry_either() -> None:
    assert await seconds_until_silent(Peer(None)) >= DEADLINE


async def test_an_engine_that_streams_is_not_asked() -> None:
    peer = Peer("silence", hears=lambda: int(anyio.current_time() * 1e6))
    with anyio.move_on_after(0.2):
        await until_unresponsive(cast(EngineClient, peer), DEADLINE)
        raise AssertionError("it was taken for dead")
    assert peer.questions == 0


async def test_an_engine_that_streams_while_it_does_not_answer_lives() -> None:
    asked_at: list[float] = []

    def hears() -> int:
        return len(asked_at) if peer.questions else 0

    class Busy(Peer):
        async def health(self, timeout_seconds: float) -> tuple[int | None, float]:
            asked_at.append(anyio.current_time())
            return await super().health(timeout_seconds)

    peer = Busy("silence", hears=hears)
    with anyio.move_on_after(DEADLINE * 3):
        await until_unresponsive(cast(EngineClient, peer), DEADLINE)
        raise AssertionError("it was taken for dead")
    assert peer.questions >= 2


async def test_it_is_asked_no_more_often_than_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "LIVENESS_INTERVAL_SECONDS", 0.1)
    peer = Peer(200)
    with anyio.move_on_after(0.35):
        await until_unresponsive(cast(EngineClient, peer), DEADLINE)
    assert 1 <= peer.questions <= 3


@pytest.mark.case(42)
async def test_a_question_that_could_not_be_asked_says_nothing_of_the_engine() -> None:
    peer = Peer("shortage", "shortage", "shortage", "silence")
    await seconds_until_silent(peer)
    assert peer.shortages == 3
