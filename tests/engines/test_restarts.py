"""Which end of an engine is followed by a start, and after how long."""

from __future__ import annotations

from typing import get_args

import pytest

from sidecar.contract.errors import (
    Cause,
    EngineCrashed,
    EngineNotFound,
    EngineStartFailed,
    EngineUnresponsive,
    InternalError,
    ModelNotFound,
    PortInUse,
    QueueFull,
    SidecarError,
)
from sidecar.engines.lifecycle.restarts import MOST_STARTS, WILL_COME_AGAIN, WINDOW_SECONDS, RestartBudget

LONG = WINDOW_SECONDS + 1


def crash(cause: Cause = "UNKNOWN") -> EngineCrashed:
    return EngineCrashed("gone", cause=cause, exit_code=1, log_tail=[])


def bad_start(cause: Cause) -> EngineStartFailed:
    return EngineStartFailed("no", cause=cause, exit_code=1, log_tail=[])


@pytest.mark.case(22)
@pytest.mark.parametrize(
    ("most", "ready_seconds", "pauses"),
    [
        # The host's start and four more are five.
        (5, [0.1] * 5, [0, 0.5, 1, 2, None]),
        # A first start long ago is none of the five.
        (5, [LONG] + [0.1] * 5, [0, 0.5, 1, 2, 4, None]),
        # Loads that fail, or that take so long that little time is left, are a crash loop, too.
        (5, [0, 0, 0, 0, 0], [0, 0.5, 1, 2, None]),
        (5, [LONG, 0, 0, 0, 0, 0], [0, 0.5, 1, 2, 4, None]),
        (5, [59, 59, 59, 59], [0, 0.5, 1, 2]),
        # One that does its work for minutes is started again for ever.
        (5, [LONG] * 20, [0] * 20),
        (5, [100] * 20, [0] + [0.5] * 19),
        # A row is over once an engine has held out.
        (5, [1, 1, 1, 1, LONG, 1, 1, 1, 1, 1], [0, 0.5, 1, 2, 0, 0.5, 1, 2, 4, None]),
        # Exactly at the end of the window it still counts.
        (5, [WINDOW_SECONDS, 0], [0, 0.5]),
        (1, [1, 1], [0, None]),
        (1, [LONG, 1], [0, None]),
        (1, [LONG, LONG, 1], [0, 0, None]),
        (2, [1, 1, 1], [0, 0.5, None]),
        (0, [LONG], [None]),
        (0, [0], [None]),
    ],
)
def test_restarts_are_bounded_within_three_minutes_of_being_ready(
    most: int, ready_seconds: list[float], pauses: list[float | None]
) -> None:
    restarts = RestartBudget(most)
    assert [restarts.after(crash(), seconds) for seconds in ready_seconds] == pauses
    assert restarts.count == sum(pause is not None for pause in pauses)


@pytest.mark.case(22)
def test_in_no_three_minutes_there_are_more_than_five_starts() -> None:
    for seconds in (0, 1, 20, 44, 45, 46, 60, 89, 90, 91, 179, 180, 181):
        restarts, starts, now = RestartBudget(5), [0.0], 0.0
        for _ in range(50):
            now += seconds
            pause = restarts.after(crash(), seconds)
            if pause is None:
                break
            now += pause
            starts.append(now)
        for first in starts:
            assert sum(first <= start < first + WINDOW_SECONDS for start in starts) <= MOST_STARTS


@pytest.mark.parametrize("cause", get_args(Cause))
def test_what_will_come_again_is_not_tried_again(cause: Cause) -> None:
    tried = {"KILLED", "UNKNOWN", "TIMEOUT", "PORT_IN_USE"}
    assert (cause in tried) != (cause in WILL_COME_AGAIN)
    for error in (crash(cause), bad_start(cause)):
        assert (RestartBudget(5).after(error, 1) is not None) == (cause in tried)


@pytest.mark.parametrize(
    ("error", "is_tried"),
    [
        (EngineUnresponsive("silent"), True),
        (PortInUse("taken", port=1), True),
        (ModelNotFound("gone"), False),
        (EngineNotFound("gone"), False),
        (InternalError("a defect", error_id="1"), False),
    ],
)
def test_a_standstill_and_a_taken_port_may_pass_what_is_missing_does_not(error: SidecarError, is_tried: bool) -> None:
    assert (RestartBudget(5).after(error, 1) is not None) == is_tried


def test_what_found_no_room_was_no_start() -> None:
    restarts = RestartBudget(5)
    assert [restarts.after(QueueFull("all are in use"), 0) for _ in range(MOST_STARTS)] == [None] * MOST_STARTS
    assert restarts.after(crash(), 1) == 0
