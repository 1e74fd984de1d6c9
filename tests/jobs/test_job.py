"""A job changes its state only as the table allows, can be interrupted at any moment, and is idle afterwards."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args

import anyio
import pytest

from sidecar.contract.downloads import DownloadPaused, DownloadQueued
from sidecar.contract.errors import DiskFull, DownloadFailed
from sidecar.events.event_log import EventLog, status_of
from sidecar.jobs.job import ACTIVE, ENDED, TRANSITIONS, Interruption, Job, JobState
from sidecar.jobs.lane import Lane
from sidecar.jobs.store import JobRecord, OnRestart
from sidecar.library.downloads.download import PHASES

pytestmark = pytest.mark.anyio

STATES: tuple[JobState, ...] = get_args(JobState)


def job(state: JobState = "queued") -> Job[JobRecord]:
    made = Job(JobRecord(), kind="download", phases=PHASES)
    made.state = state
    return made


# --- the table ---------------------------------------------------------------------------------------------------


def test_the_table_has_every_state_and_only_these_changes() -> None:
    expected = {
        *product(ACTIVE, ("paused", "failed", "cancelled")),
        *[("queued", "running"), ("running", "done")],
        *product(("paused", "failed"), ("queued", "cancelled")),
    }
    assert {(one, to) for one, to in product(STATES, repeat=2) if job(one).may_become(to)} == expected
    assert set(TRANSITIONS) == set(STATES)
    assert {state for state in STATES if not TRANSITIONS[state]} == ENDED


@pytest.mark.parametrize("state", STATES)
def test_a_change_that_is_not_in_the_table_is_a_defect(state: JobState) -> None:
    changes: list[tuple[Callable[[Job[JobRecord]], None], JobState]] = [
        (Job.queue, "queued"),
        (Job.begin, "running"),
        (Job.finish, "done"),
    ]
    for change, to in changes:
        one = job(state)
        if one.may_become(to):
            change(one)
            assert one.state == to
        else:
            with pytest.raises(ValueError, match="cannot become"):
                change(one)
            assert one.state == state


def test_the_phases_of_a_download_follow_their_table() -> None:
    phases = [phase for phase in PHASES if phase is not None]
    allowed = set()
    for before, phase in product((None, *phases), phases):
        one = job("running")
        one.phase = before
        try:
            one.enter(phase)
        except ValueError:
            assert one.phase == before
        else:
            allowed.add((before, phase))
    assert allowed == {
        (None, "checking"),
        ("checking", "downloading"),
        ("downloading", "verifying"),
        ("verifying", "downloading"),
    }
    with pytest.raises(ValueError, match="cannot become checking"):
        job("queued").enter("checking")


# --- turns and interruptions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "state"), [("pause", "paused"), ("cancel", "cancelled"), ("stop", "paused")])
@pytest.mark.parametrize("limit", [0, 1])
async def test_an_interrupted_job_is_idle_whether_it_runs_or_waits_for_its_turn(
    reason: Interruption, state: JobState, limit: int
) -> None:
    one, lane, steps = job(), Lane(limit), []

    async def run() -> None:
        with one.turn():
            async with lane.turn(one):
                one.enter("checking")
                steps.append(one.state)
                await anyio.sleep_forever()
        steps.append(one.state)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            if limit:
                await anyio.wait_all_tasks_blocked()
            await one.interrupt(reason)
            assert (one.state, one.phase, one.resumes) == (state, None, reason == "stop")
        if reason != "pause":
            await one.wait_until_ended()
    assert steps == ["running"] * limit + [state]
    assert (one.finished_at is None) == (state == "paused")


async def test_what_is_done_stays_done_whoever_interrupts_it() -> None:
    one = job("running")
    with one.turn():
        one.finish()
    for reason in get_args(Interruption):
        await one.interrupt(reason)
        assert one.state == "done"


async def test_a_job_that_has_failed_says_why_and_can_be_queued_again_or_cancelled() -> None:
    one, problem = job("running"), DiskFull("It is full.")
    one.fail(problem)
    await one.wait_until_ended()
    assert (one.state, one.error, one.finished_at) == ("failed", problem, one.updated_at)
    one.queue()
    assert (one.state, one.error, one.finished_at, one.resumes) == ("queued", None, None, False)
    one.fail(problem)
    await one.interrupt("cancel")
    assert one.state == "cancelled"


async def test_an_error_that_leaves_the_turn_fails_the_job() -> None:
    one = job()

    def run() -> None:
        with one.turn():
            one.begin()
            raise DiskFull("It is full.")

    with pytest.raises(DiskFull):
        run()
    assert (one.state, type(one.error)) == ("failed", DiskFull)


async def test_a_pause_is_not_the_end_and_whoever_waits_gets_the_end_of_the_next_turn() -> None:
    one = job()
    with anyio.fail_after(5):
        with one.turn():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one.interrupt, "pause")
                await anyio.sleep_forever()
        assert one.state == "paused"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.wait_until_ended)
            await anyio.wait_all_tasks_blocked()
            one.queue()
            with one.turn():
                one.begin()
                one.finish()


async def test_a_turn_that_is_cancelled_from_outside_is_resumed_at_the_next_start() -> None:
    one = job()
    with anyio.CancelScope() as outside:
        with one.turn():
            outside.cancel()
            await anyio.sleep_forever()
    assert (one.state, one.resumes) == ("paused", True)


@pytest.mark.parametrize(
    ("on_restart", "state", "resumes"),
    [(OnRestart.RESUME, "paused", True), (OnRestart.PAUSE, "paused", False), (OnRestart.FAIL, "failed", False)],
)
def test_a_restored_job_is_idle_as_its_record_says(on_restart: OnRestart, state: JobState, resumes: bool) -> None:
    record = JobRecord(on_restart=on_restart, error=DownloadFailed("no network", http_status=503).to_wire())
    one = Job.restored(record, kind="download")
    assert (one.id, one.state, one.resumes, one.active, one.ended) == (record.job_id, state, resumes, False, False)
    assert isinstance(one.error, DownloadFailed)
    assert one.error.data == {"http_status": 503}


# --- followers ---------------------------------------------------------------------------------------------------


def test_followers_get_the_newest_of_each_kind_and_what_was_read_is_not_kept() -> None:
    one, log, late = job(), EventLog(), EventLog()
    with one.followed_by(log):
        for received in range(100):
            one.publish(DownloadPaused(download_id=one.id, received_bytes=received, total_bytes=None))
        assert [event.received_bytes for _, event in log.read(0)] == [99]  # type: ignore[union-attr]
        with one.followed_by(late):
            one.publish(DownloadQueued(download_id=one.id))
        one.publish(DownloadPaused(download_id=one.id, received_bytes=0, total_bytes=None))
        assert one.followed
    assert [status_of(event) for _, event in log.read(0)] == ["queued", "paused"]
    assert [status_of(event) for _, event in late.read(0)] == ["queued"]
    assert (one.followed, late.last_seq) == (False, 1)
