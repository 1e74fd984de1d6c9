"""Which end of a process is followed by a start, and after how long."""

from __future__ import annotations

import pytest

from sidecar.processes.restart_policy import MOST_STARTS, WINDOW_SECONDS, RestartPolicy

LONG = WINDOW_SECONDS + 1


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
        # One that does its work for minutes is started again without end.
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
    restarts = RestartPolicy(most)
    assert [restarts.pause_after(seconds, retryable=True) for seconds in ready_seconds] == pauses
    assert restarts.count == sum(pause is not None for pause in pauses)


@pytest.mark.case(22)
def test_in_no_three_minutes_there_are_more_than_five_starts() -> None:
    for seconds in (0, 1, 20, 44, 45, 46, 60, 89, 90, 91, 179, 180, 181):
        restarts, starts, now = RestartPolicy(5), [0.0], 0.0
        for _ in range(50):
            now += seconds
            pause = restarts.pause_after(seconds, retryable=True)
            if pause is None:
                break
            now += pause
            starts.append(now)
        for first in starts:
            assert sum(first <= start < first + WINDOW_SECONDS for start in starts) <= MOST_STARTS


def test_what_is_not_worth_another_start_is_not_started_again() -> None:
    policy = RestartPolicy(5)
    assert policy.pause_after(LONG, retryable=False) is None
    assert policy.count == 0
