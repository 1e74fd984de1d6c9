"""Whether an engine that has answers under way makes any progress with them.

Owns the bounds. An engine answers health checks on other threads than those that work: a template, a schema or a driver
can keep those busy without end, and the engine seems well. Progress is an event of an answer, a change of a slot, or a
read from the disk. Without any, what its threads do decides how long it may take: a batch of a long prompt on a slow
processor keeps several threads busy for minutes, and so nothing else is ended as early as that would need.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread
import msgspec

from sidecar.engines.client.engine_client import EngineClient
from sidecar.host.activity import Activity, activity

INTERVAL_SECONDS = 5.0
"""Between two checks. As long as there are events, one costs nothing but comparing two numbers."""

SLEPT_SECONDS = 20.0
"""A longer pause than this between two checks was a sleep of the machine, or a halt of this process."""

SLOTS_SECONDS = 2.0
"""How long an engine may take to report its slots. It does so between two batches: no answer means a long one."""

PREPARING_SECONDS = 60.0
"""How long a request may take before it has a slot, while all slots are free: its template, its tokens, its schema. The
longest prompts that fit any context take some seconds."""

ALONE_SECONDS = 60.0
"""How long one thread alone may work in an engine that computes on several of the processor, and on nothing else."""

SILENT_SECONDS = 180.0
"""The same if it may be waiting for a GPU: several times as long as the slowest one takes for a batch."""

COMPUTING_SECONDS = 900.0
"""How long one batch may take while it is computed: 2048 tokens at 2.3 a second."""

LEAST_READ_BYTES = 1024 * 1024
"""Reads between two checks that are progress: a model that is larger than the memory is read again for each token."""

SIMILAR = 0.5
"""Threads that compute together have similar times: the second has at least this share of the first's."""

LEAST_THREAD_SECONDS = 0.05
"""Less time of a thread between two checks is the noise of a waiting one."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an engine at one time.

    Attributes:
        events: a counter of the events of answers.
        busy: how many slots are busy; `None` if it did not report that.
        slots: all that it reported of them.
        activity: of its process.
    """

    events: int
    busy: int | None = None
    slots: bytes = b""
    activity: Activity = Activity({}, 0)


class Standstill:
    """Finds out that an engine makes no progress. Pure.

    Args:
        threads: how many threads it computes on; `None` if that is its own choice.
        on_gpu: whether it may be waiting for a GPU.
    """

    def __init__(self, *, threads: int | None, on_gpu: bool) -> None:
        self._threads = threads
        self._alone = SILENT_SECONDS if on_gpu else ALONE_SECONDS
        self._last: Sample | None = None
        self._moved_at = self._computed_at = self._had_slot_at = 0.0

    def rest(self) -> None:
        """No answer is under way."""
        self._last = None

    def has_new_events(self, events: int) -> bool:
        """Whether the last sample is outdated by events alone, so that no other one is needed."""
        return self._last is None or self._last.events != events

    def seconds_without(self, sample: Sample, now: float) -> float | None:
        """For how long there has been no progress, if that is too long; else `None`."""
        last, self._last = self._last, sample
        if last is None or self._is_progress(last, sample):
            self._moved_at = self._computed_at = self._had_slot_at = now
            return None
        if sample.busy != 0:
            self._had_slot_at = now
        if self._threads == 1 or computes_together(last.activity.threads, sample.activity.threads):
            self._computed_at = now
        still = now - self._moved_at
        preparing = now - self._had_slot_at > PREPARING_SECONDS
        alone = now - self._computed_at > self._alone
        return still if preparing or alone or still > COMPUTING_SECONDS else None

    @staticmethod
    def _is_progress(last: Sample, sample: Sample) -> bool:
        if sample.events != last.events:
            return True
        if sample.busy and last.busy and sample.slots != last.slots:
            return True
        before = last.activity.read_bytes
        return bool(before) and sample.activity.read_bytes - before > LEAST_READ_BYTES


def computes_together(before: Mapping[int, float], after: Mapping[int, float]) -> bool:
    """Whether several threads have worked for similar times between two samples; also where nothing is known of them,
    since a slow engine must not be taken for a stuck one."""
    if not after:
        return True
    times = sorted((seconds - before.get(thread, 0.0) for thread, seconds in after.items()), reverse=True)
    return len(times) > 1 and times[1] >= max(times[0] * SIMILAR, LEAST_THREAD_SECONDS)


async def until_stuck(
    client: EngineClient,
    pid: int,
    *,
    threads: int | None,
    on_gpu: bool,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Wait until an engine has made no progress with its answers for too long; returns the seconds.

    Args:
        pid: its process.
        threads, on_gpu: as in `Standstill`.
    """
    standstill = Standstill(threads=threads, on_gpu=on_gpu)
    while True:
        before = clock()
        await anyio.sleep(INTERVAL_SECONDS)
        # Where clocks run on while the machine sleeps, a longer pause says nothing of the engine.
        if not client.answering or clock() - before > SLEPT_SECONDS:
            standstill.rest()
            continue
        sample = Sample(events=client.events)
        if not standstill.has_new_events(sample.events):
            sample = await _sampled(client, pid)
        if (seconds := standstill.seconds_without(sample, clock())) is not None:
            return seconds


async def _sampled(client: EngineClient, pid: int) -> Sample:
    found = None
    with anyio.move_on_after(SLOTS_SECONDS):
        found = await client.slots_text()
    doing = await anyio.to_thread.run_sync(activity, pid)
    busy, slots = found if found is not None else (None, b"")
    return Sample(events=client.events, busy=busy, slots=slots, activity=doing)
