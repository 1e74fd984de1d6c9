"""Speeds, times left, bounds, and the ways between states."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from sidecar.contract.downloads import DownloadState
from sidecar.library.downloads.progress import Rate, Throttle
from sidecar.library.downloads.states import AT_REST, OVER, WAYS, may_become


def test_there_is_no_speed_in_the_first_second() -> None:
    rate = Rate(100.0)
    rate.add(1000, 100.5)
    assert (rate.per_second, rate.seconds_for(1000)) == (None, None)


def test_a_steady_transfer_has_its_speed_and_its_time_left() -> None:
    rate = Rate(0.0)
    for tick in range(1, 41):
        rate.add(250, tick / 4)
    assert rate.per_second == pytest.approx(1000)
    assert rate.seconds_for(5000) == pytest.approx(5)
    assert rate.seconds_for(None) is None


def test_a_change_of_speed_shows_smoothly_and_a_stop_ends_in_no_time_left() -> None:
    rate = Rate(0.0)
    for tick in range(1, 41):
        rate.add(250, tick / 4)
    rate.add(0, 11.0)
    first = rate.per_second
    assert first is not None
    assert 800 < first < 1000
    for tick in range(45, 500):
        rate.add(0, tick / 4)
    assert rate.per_second == pytest.approx(0, abs=0.1)


def test_a_clock_that_stands_still_does_no_harm() -> None:
    rate = Rate(5.0)
    rate.add(100, 5.0)
    rate.add(100, 4.0)
    rate.add(100, 7.0)
    assert rate.per_second is not None


def test_a_bound_is_kept_by_all_that_share_it() -> None:
    throttle = Throttle()
    assert throttle.delay(500, 1000, now=10.0) == pytest.approx(0.5)
    assert throttle.delay(500, 1000, now=10.0) == pytest.approx(1.0)
    assert throttle.delay(500, 1000, now=11.0) == pytest.approx(0.5)
    # What was not used is not saved up.
    assert throttle.delay(1000, 1000, now=100.0) == pytest.approx(1.0)


def test_a_bound_that_is_taken_away_holds_nobody_up() -> None:
    throttle = Throttle()
    throttle.delay(1_000_000, 1000, now=0.0)
    assert throttle.delay(1_000_000, None, now=1.0) == 0.0
    assert throttle.delay(1000, 1000, now=1.0) == pytest.approx(1.0)


ACTIVE = set(get_args(DownloadState)) - AT_REST


def test_every_state_has_its_ways_and_only_those() -> None:
    expected = {
        *product(ACTIVE, ("paused", "failed", "cancelled")),
        *[("queued", "checking"), ("checking", "downloading"), ("downloading", "verifying")],
        *[("verifying", "downloading"), ("paused", "queued"), ("failed", "queued")],
        *[("paused", "cancelled"), ("failed", "cancelled")],
        *product(("checking", "downloading", "verifying"), ("done",)),
    }
    assert {(one, to) for one, to in product(get_args(DownloadState), repeat=2) if may_become(one, to)} == expected
    assert set(WAYS) == set(get_args(DownloadState))


def test_from_the_end_there_is_no_way() -> None:
    assert all(not WAYS[state] for state in OVER)
    assert all(WAYS[state] for state in WAYS.keys() - OVER)
