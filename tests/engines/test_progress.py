"""What hosts are told of a load, and what counts as a sign of life."""

from __future__ import annotations

import os
import signal

import anyio
import pytest

from sidecar.contract.servers import StartLoading, StartWarming
from sidecar.engines import progress
from sidecar.engines.output import Output, Progress
from sidecar.engines.process import EngineProcess
from sidecar.engines.progress import LoadStory, SignsOfLife
from sidecar.logs.store import Source
from tests.engines.processes import WAIT_SECONDS, python


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def at(value: float, stage: str = "text_model") -> Output:
    return Output(supervised=True, progress=Progress(stage, value), warming=value >= 1)


def test_a_load_is_told_step_by_step_and_then_the_warming_up(clock: Clock) -> None:
    story = LoadStory(clock)
    told = []
    for seconds, output in (
        (0.0, Output()),
        (0.1, at(0.0)),
        (0.2, at(0.005)),  # less than a step
        (1.0, at(0.1)),
        (2.0, at(0.5, "mmproj_model")),
        (2.0, at(0.5, "mmproj_model")),
        (3.0, at(1.0, "mmproj_model")),
        (3.1, at(1.0, "mmproj_model")),
    ):
        clock.now = 100.0 + seconds
        told.append(story.go_on(output))
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
    story = LoadStory(clock)
    assert story.go_on(at(0.5)) != []
    assert story.go_on(at(0.2)) == []


def test_a_load_that_says_nothing_is_told_without_progress_once(clock: Clock) -> None:
    story = LoadStory(clock)
    silent = [StartLoading(stage="text_model", progress=None)]
    assert story.go_on(Output()) == []
    clock.now += progress.SILENT_SECONDS
    assert [story.go_on(Output()), story.go_on(Output()), story.go_on(Output(), at_end=True)] == [silent, [], []]


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (Output(), [StartLoading(stage="text_model", progress=None)]),
        (Output(warming=True), [StartLoading(stage="text_model", progress=None), StartWarming()]),
        (Output(supervised=True, ready=True), [StartLoading(stage="text_model", progress=None), StartWarming()]),
        (at(1.0), [StartLoading(stage="text_model", progress=1.0), StartWarming()]),
        (
            Output(supervised=True, ready=True, progress=Progress("text_model", 0.4)),
            [StartLoading(stage="text_model", progress=1.0), StartWarming()],
        ),
    ],
)
def test_what_came_too_fast_to_be_seen_is_told_at_the_end(
    clock: Clock, output: Output, told: list[StartLoading | StartWarming]
) -> None:
    story = LoadStory(clock)
    assert story.go_on(output, at_end=True) == told
    assert story.go_on(output, at_end=True) == []


LIVELY = """
def show(*_):
    global block
    {sign}
signal.signal(signal.SIGUSR1, show)
print('on', flush=True)
while True: signal.pause()
"""


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sign", ["print('a line', flush=True)", "block = os.urandom(4096) * 2000"], ids=["a line", "memory"]
)
async def test_lines_and_growing_memory_are_signs_of_life(
    sign: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOOK_INTERVAL_SECONDS", 0.05)
    process = await EngineProcess.start(python(LIVELY.format(sign=sign)), source)
    signs = SignsOfLife(process)
    with anyio.fail_after(WAIT_SECONDS):
        while not process.lines or await signs.seen():  # until it has come to rest
            await process.news(0.1)
        os.kill(process.pid, signal.SIGUSR1)
        while not await signs.seen():
            await process.news(0.1)
    await process.stop(grace_seconds=WAIT_SECONDS)


@pytest.mark.anyio
async def test_a_process_that_is_gone_shows_no_sign(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOK_INTERVAL_SECONDS", 0.0)
    process = await EngineProcess.start(python("os._exit(0)"), source)
    with anyio.fail_after(WAIT_SECONDS):
        await process.ended.wait()
    assert not await SignsOfLife(process).seen()


@pytest.mark.anyio
async def test_the_process_is_looked_at_only_now_and_then(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(pid: int) -> int:
        looks.append(pid)
        return 0

    monkeypatch.setattr(progress, "_bytes_moved", look)
    process = await EngineProcess.start(python("sys.stdin.read()"), source)
    signs = SignsOfLife(process)
    for _ in range(10):
        await signs.seen()
    assert looks == [process.pid]
    await process.stop(grace_seconds=WAIT_SECONDS)
