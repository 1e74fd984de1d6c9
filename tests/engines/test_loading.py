"""What hosts are told of a load, and what counts as a sign of life."""

from __future__ import annotations

import os
import signal
from typing import cast

import anyio
import pytest

from sidecar.contract.servers import StartLoading, StartWarming
from sidecar.engines.lifecycle import loading as loading_module
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.loading import LoadProgress, SignsOfLife
from sidecar.engines.output.start_output import EngineOutput, Progress
from sidecar.logs.store import Source
from tests.processes.programs import WAIT_SECONDS, python

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def at(value: float, stage: str = "text_model") -> EngineOutput:
    return EngineOutput(supervised=True, progress=Progress(stage, value), warming=value >= 1)


def test_a_load_is_told_step_by_step_and_then_the_warming_up(clock: Clock) -> None:
    progress = LoadProgress(clock)
    told = []
    for seconds, output in (
        (0.0, EngineOutput()),
        (0.1, at(0.0)),
        (0.2, at(0.005)),  # less than a step
        (1.0, at(0.1)),
        (2.0, at(0.5, "mmproj_model")),
        (2.0, at(0.5, "mmproj_model")),
        (3.0, at(1.0, "mmproj_model")),
        (3.1, at(1.0, "mmproj_model")),
    ):
        clock.now = 100.0 + seconds
        told.append(progress.steps(output))
    assert told == [
        [],
        [StartLoading(stage="text_model", progress=0.0)],
        [],
        [StartLoading(stage="text_model", progress=0.1, eta_ms=9000)],
        [StartLoading(stage="mmproj_model", progress=0.5, eta_ms=2000)],
        [],
        [StartLoading(stage="mmproj_model", progress=1.0), StartWarming()],
        [],
    ]


def test_progress_never_goes_back(clock: Clock) -> None:
    progress = LoadProgress(clock)
    assert progress.steps(at(0.5)) != []
    assert progress.steps(at(0.2)) == []


def test_a_load_that_says_nothing_is_told_without_progress_once(clock: Clock) -> None:
    progress = LoadProgress(clock)
    silent = [StartLoading(stage="text_model", progress=None)]
    assert progress.steps(EngineOutput()) == []
    clock.now += loading_module.SILENT_SECONDS
    assert [progress.steps(EngineOutput()) for _ in range(2)] == [silent, []]
    assert progress.steps(EngineOutput(), at_end=True) == []


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (EngineOutput(), [StartLoading(stage="text_model", progress=None)]),
        (EngineOutput(warming=True), [StartLoading(stage="text_model", progress=None), StartWarming()]),
        (EngineOutput(supervised=True, ready=True), [StartLoading(stage="text_model", progress=None), StartWarming()]),
        (at(1.0), [StartLoading(stage="text_model", progress=1.0), StartWarming()]),
        (
            EngineOutput(supervised=True, ready=True, progress=Progress("text_model", 0.4)),
            [StartLoading(stage="text_model", progress=1.0), StartWarming()],
        ),
    ],
)
def test_what_came_too_fast_to_be_seen_is_told_at_the_end(
    clock: Clock, output: EngineOutput, told: list[StartLoading | StartWarming]
) -> None:
    progress = LoadProgress(clock)
    assert progress.steps(output, at_end=True) == told
    assert progress.steps(output, at_end=True) == []


LIVELY = """
def grow(*_):
    global block
    block = os.urandom(4096) * 2000
signal.signal(signal.SIGUSR1, grow)
print('on', flush=True)
while True: signal.pause()
"""


async def test_growing_memory_is_getting_on(source: Source, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(loading_module, "SAMPLE_INTERVAL_SECONDS", 0.0)
    process = await EngineProcess.start(python(LIVELY), source)
    signs = SignsOfLife(process, clock)
    with anyio.fail_after(WAIT_SECONDS):
        while not process.lines:  # until it has come to rest
            await process.wait_for_change(0.05)
        await signs.missing(10)
        clock.now += 11
        assert await signs.missing(10)
        os.kill(process.pid, signal.SIGUSR1)
        while await signs.missing(10):
            await process.wait_for_change(0.05)
    await process.stop(grace_seconds=WAIT_SECONDS)


async def test_a_process_that_is_gone_shows_no_sign(
    source: Source, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(loading_module, "SAMPLE_INTERVAL_SECONDS", 0.0)
    process = await EngineProcess.start(python("os._exit(0)"), source)
    with anyio.fail_after(WAIT_SECONDS):
        await process.ended.wait()
    signs = SignsOfLife(process, clock)
    clock.now += 11
    assert await signs.missing(10)


class Loading:
    """As much of a process as is looked at, as a test wants it to look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
        self.pid = 4711
        self.lines = 0
        self.output = EngineOutput()
        self.bytes = 0
        self.looks = 0
        self.signs = SignsOfLife(cast(EngineProcess, self), clock)
        self._clock = clock
        monkeypatch.setattr(loading_module, "_bytes_moved", self._look)

    async def missing_after(self, seconds: float) -> bool:
        """Whether a load that may be silent for 10 s is given up after so long."""
        self._clock.now += seconds
        return await self.signs.missing(10)

    def _look(self, pid: int) -> int:
        assert pid == self.pid
        self.looks += 1
        return self.bytes


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Loading:
    return Loading(monkeypatch, clock)


async def test_silence_is_borne_for_as_long_as_was_said(loading: Loading) -> None:
    assert [await loading.missing_after(9), await loading.missing_after(2)] == [False, True]


async def test_progress_memory_and_reads_keep_a_load_alive_for_ever(loading: Loading) -> None:
    for i in range(100):
        if i % 2:
            loading.output.progress = Progress("text_model", i / 100)
        else:
            loading.bytes += 2 * loading_module.MIN_GROWTH_BYTES
        assert not await loading.missing_after(9)
    loading.output.warming = True
    assert not await loading.missing_after(9)
    loading.output.ready = True
    assert not await loading.missing_after(9)
    assert await loading.missing_after(11)


async def test_lines_of_log_keep_a_load_alive_only_so_long(loading: Loading) -> None:
    given_up = []
    for _ in range(12):
        loading.lines += 3
        given_up.append(await loading.missing_after(5))
    assert given_up == [False] * 10 + [True] * 2  # five times 10 s


async def test_a_line_now_and_then_counts_for_nothing_once_there_is_none(loading: Loading) -> None:
    loading.lines += 1
    assert not await loading.missing_after(9)
    assert await loading.missing_after(11)


async def test_progress_that_goes_round_in_circles_is_none(loading: Loading) -> None:
    given_up = []
    for i in range(12):
        loading.output.progress = Progress("text_model", (0.2, 0.4, 0.3)[i % 3])
        given_up.append(await loading.missing_after(9))
    assert given_up == [False, False, False, True, *[True] * 8]


async def test_a_little_growth_is_the_noise_of_a_process_that_waits(loading: Loading) -> None:
    await loading.missing_after(3)
    loading.bytes += loading_module.MIN_GROWTH_BYTES // 2
    assert await loading.missing_after(11)


async def test_the_process_is_looked_at_only_now_and_then(loading: Loading) -> None:
    for _ in range(10):
        await loading.missing_after(loading_module.SAMPLE_INTERVAL_SECONDS / 4)
    assert loading.looks == 3
