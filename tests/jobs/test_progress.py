"""Speeds, times left, and when a report is due."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from sidecar.jobs.progress import Progress, Rate


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


def test_the_bytes_of_all_parts_are_counted_and_a_total_needs_every_size() -> None:
    progress = Progress([10, None, 5], done=[10, 0, 0])
    progress.part = 2
    progress.add(3)
    progress.check(1)
    assert (progress.done, progress.done_bytes, progress.checked_bytes) == ([10, 0, 3], 13, 1)
    assert (progress.total_bytes, progress.eta_seconds) == (None, None)
    progress.sizes[1] = 4
    assert progress.total_bytes == 19
    assert Progress().total_bytes is None


@pytest.mark.anyio
async def test_a_report_is_due_after_its_time_and_immediately_when_more_than_a_number_changes() -> None:
    slow = Progress([10], report_seconds=3600.0)
    with anyio.fail_after(5):
        slow.correct(10, complete=True)
        await slow.next_report()
        slow.wait_for("no network")
        await slow.next_report()
        await Progress(report_seconds=0.0).next_report()
    slow.add(1)
    slow.correct(5, complete=True)
    slow.wait_for("no network")
    slow.wait_for(None)
    with anyio.move_on_after(0.01) as waited:
        await slow.next_report()
    assert waited.cancelled_caught
