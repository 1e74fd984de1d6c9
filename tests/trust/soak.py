"""An hour of 64 conversations at once: memory, open files and threads stay flat, and no end of an answer is lost.

    python -m tests.trust.soak                      an hour
    python -m tests.trust.soak --seconds 300

Most talk to two fake engines, one of which crashes now and then; two talk to a real one, with the starter model. What
is bounded is filled at first: log lines in memory, SQLite's cache. After a tenth of the time and at the end all are
quiet for a moment, and what is open then is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests import fake_engine
from tests.app.talking import prepare
from tests.conftest import MODEL_VARIABLE
from tests.trust.async_host import ANSWER_SECONDS, AsyncHost, Refused
from tests.trust.results import Row, keep
from tests.trust.vitals import MIB, Vitals, growth, percentile, vitals
from tests.trust.voices import Stage, Voice

VOICES = 64
RATE = 30.0
"""Words a second of each stream: two thousand a second together, on processors that the engines and we share."""

MOST_WORDS = 200
"""Of one answer."""

CRASH_SECONDS = 60.0
"""How often the fragile engine crashes."""

SAMPLE_SECONDS = 1.0
PROGRESS_SECONDS = 30.0
PING_SECONDS = 0.1
SETTLE_SECONDS = 12.0
"""After the last answer: connections are closed, and worker threads idle for so long that the next use ends them."""

WARM_UP = 0.1
"""The part of the time after which nothing may grow any more."""

MOST_GROWTH = 0.05
"""The last tenth's memory against the second tenth's."""

LONG_ANSWERS = 200
"""Said at first: SQLite keeps 8 MB in memory, and then no more."""

LONG_WORDS = 7_000
"""Of each of them: 50 KB. After longer ones the sidecar would hold free memory, in which a leak could hide."""

LONG_AT_ONCE = 8

NOISE = 6_000
"""Lines of log at first: more than are kept in memory."""

LATE_FILES = 1
"""SQLite opens a file for what a large statement may have to undo, sooner or later, and keeps it open."""

STEADY, FRAGILE, REAL = "steady", "fragile", "real"


@dataclass
class Soaked:
    """What came out.

    Attributes:
        samples: measurements under load.
        at_rest: those when everybody was quiet: after the warm-up, and at the end.
        pings: how long each took, in ms.
        engines: memory of all engines together, in bytes, under load.
        crashes: how often an engine was made to crash.
        answers: requests that were answered; `tokens`: pieces of text that streamed.
        outcomes, acts: how many of which.
        owed: requests without an answer at the end.
        left: processes that were left.
        exit_code: the sidecar's.
        faults: what should not have been.
    """

    samples: list[Vitals] = field(default_factory=list)
    at_rest: list[Vitals] = field(default_factory=list)
    pings: list[float] = field(default_factory=list)
    engines: list[int] = field(default_factory=list)
    crashes: int = 0
    answers: int = 0
    messages: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)
    crashed: int = 0
    owed: int = 0
    left: int = 0
    exit_code: int | None = None
    faults: list[str] = field(default_factory=list)


async def soak(
    folder: Path,
    seconds: float,
    *,
    voices: int = VOICES,
    rate: float = RATE,
    model: Path | None = None,
    crash_seconds: float = CRASH_SECONDS,
    settle_seconds: float = SETTLE_SECONDS,
    long_answers: int = LONG_ANSWERS,
) -> Soaked:
    """Let all talk for so long; with a model, a real engine is among those they talk to."""
    found = Soaked()
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    async with AsyncHost.started(folder / "data") as host:
        stage = Stage(host)
        for server_id in (STEADY, FRAGILE):
            await _start(stage, server_id)
        if model is not None:
            await host.ask(
                "start_llama_server", server_id=REAL, engine="embedded", model_path=str(model), threads=1, parallel=2
            )
        await _fill(stage, found, long_answers)
        process = psutil.Process(host.process.pid)
        below = process.children(recursive=True)
        talking = [asyncio.create_task(voice.go_on()) for voice in _voices(stage, voices, rate)]
        if model is not None:
            talking += [asyncio.create_task(_talk_to_a_model(stage, number)) for number in range(2)]
        others = [
            asyncio.create_task(_crash_again_and_again(stage, found, crash_seconds)),
            asyncio.create_task(_ping_again_and_again(stage, found)),
            asyncio.create_task(_tell_progress(stage, found)),
        ]
        for part in (seconds * WARM_UP, seconds * (1 - WARM_UP)):
            stage.may_go_on.set()
            began = time.monotonic()
            while time.monotonic() - began < part and not any(task.done() for task in (*talking, *others)):
                await asyncio.sleep(min(SAMPLE_SECONDS, seconds / 30))
                found.samples.append(vitals(process))
                found.engines.append(_memory_below(process))
            stage.may_go_on.clear()
            await _quiet(stage)
            found.at_rest.append(await _settled(host, process, settle_seconds))
        stage.over = True
        stage.may_go_on.set()
        for event in stage.up.values():
            event.set()
        await asyncio.gather(*talking)
        for task in others:
            task.cancel()
        for problem in await asyncio.gather(*others, return_exceptions=True):
            if isinstance(problem, Exception):
                host.ledger.fault(f"{type(problem).__name__}: {problem}")
        below += [child for child in process.children(recursive=True) if child not in below]
    found.owed = len(host.ledger.owed)
    found.exit_code = host.process.returncode
    found.left = len(psutil.wait_procs(below, timeout=2)[1])
    found.answers, found.messages = sum(host.ledger.outcomes.values()), host.ledger.messages
    found.outcomes, found.acts, found.crashed = dict(host.ledger.outcomes), dict(stage.done), stage.crashed
    found.faults = host.ledger.faults
    found.faults += [f"{name} was never ended" for name in host.ledger.channels]
    return found


# --- what goes on ------------------------------------------------------------------------------------------------


async def _fill(stage: Stage, found: Soaked, long_answers: int) -> None:
    """Do once what costs something only once."""
    await _crash(stage, found)
    noise = f"tokens=50 rate=100 noise={2 * NOISE}"
    await asyncio.gather(*(stage.host.ask("send_message", message=noise, server_id=s) for s in (STEADY, FRAGILE)))
    for _ in range(0, long_answers, LONG_AT_ONCE):
        await asyncio.gather(*(_say_much(stage.host) for _ in range(LONG_AT_ONCE)))


async def _say_much(host: AsyncHost) -> None:
    message = f"tokens={LONG_WORDS} rate={100 * LONG_WORDS}"
    answer = await host.ask("send_message", message=message, server_id=STEADY)
    await host.ask("delete_session", session_id=answer["session_id"])


async def _start(stage: Stage, server_id: str) -> None:
    """Start a fake engine, or see that somebody else has."""
    up = stage.up.setdefault(server_id, asyncio.Event())
    try:
        await stage.host.ask("start_llama_server", server_id=server_id, parallel=VOICES, ctx_size=65_536)
    except Refused as refused:
        if refused.name != "SERVER_ALREADY_RUNNING":
            raise
    while not await stage.host.ask("is_llama_running", server_id=server_id):  # noqa: ASYNC110 - it is asked for
        await asyncio.sleep(0.05)
    up.set()


def _voices(stage: Stage, count: int, rate: float) -> Iterator[Voice]:
    for seed in range(count):
        server_id = (STEADY, FRAGILE)[seed % 2]
        yield Voice(
            stage, server_id, seed=seed, rate=rate, most_words=MOST_WORDS, fragile=server_id == FRAGILE
        )  # fmt: skip


async def _talk_to_a_model(stage: Stage, seed: int) -> None:
    """Short questions to a real model, with pauses: it takes all the processor that it can get."""
    number = 0
    while not stage.over:
        await stage.may_go_on.wait()
        stage.busy += 1
        number += 1
        channel = f"model {seed}.{number}"
        told = stage.host.ledger.open(channel)
        _, answer = stage.host.begin(
            "send_message", message="Tell me about whales.", server_id=REAL, channel=channel, max_tokens=16
        )
        try:
            result = await stage.host.result_of(answer)
            if result["content"] != "".join(told.text) or not told.text:
                stage.host.ledger.fault(f"{channel}: what streamed is not the answer")
            await stage.host.ask("delete_session", session_id=result["session_id"])
        except (Refused, TimeoutError) as problem:
            stage.host.ledger.fault(f"{channel}: {problem!r}")
        stage.host.ledger.close(channel)
        stage.busy -= 1
        await asyncio.sleep(3)


async def _crash_again_and_again(stage: Stage, found: Soaked, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        await stage.may_go_on.wait()
        stage.busy += 1
        await _crash(stage, found)
        stage.busy -= 1


async def _crash(stage: Stage, found: Soaked) -> None:
    """Have the fragile engine crash, and start it again."""
    stage.up[FRAGILE].clear()
    found.crashes += 1
    try:
        await stage.host.ask("send_message", message="tokens=9 die-after=3", server_id=FRAGILE)
    except Refused as refused:
        if refused.name != "ENGINE_CRASHED":
            stage.host.ledger.fault(f"{refused.name} where an engine has crashed")
    else:
        stage.host.ledger.fault("an engine that was to crash has answered")
    await _start(stage, FRAGILE)


async def _ping_again_and_again(stage: Stage, found: Soaked) -> None:
    while True:
        began = time.perf_counter()
        await stage.host.ask("ping")
        found.pings.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(PING_SECONDS)


async def _tell_progress(stage: Stage, found: Soaked) -> None:
    began, before = time.monotonic(), 0
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        now, messages, pings = found.samples[-1], stage.host.ledger.messages, found.pings[-300:]
        print(
            f"{time.monotonic() - began:5.0f} s  {now.memory / MIB:.1f} MiB  {now.files} files  {now.threads} threads  "
            f"{len(stage.host.ledger.owed)} under way  {(messages - before) / PROGRESS_SECONDS:.0f} messages/s  "
            f"ping {statistics.median(pings):.1f} ms, p99 {percentile(pings, 0.99):.1f} ms  "
            f"{sum(stage.done.values())} acts, {len(stage.host.ledger.faults)} faults",
            flush=True,
        )
        before = messages


# --- measuring ---------------------------------------------------------------------------------------------------


async def _quiet(stage: Stage) -> None:
    """Wait until nobody is in the middle of anything."""
    deadline = time.monotonic() + 2 * ANSWER_SECONDS
    while stage.busy and time.monotonic() < deadline:  # noqa: ASYNC110 - twice in an hour
        await asyncio.sleep(0.05)
    if stage.busy:
        stage.host.ledger.fault(f"{stage.busy} are still in the middle of something")


async def _settled(host: AsyncHost, process: psutil.Process, seconds: float) -> Vitals:
    """What is open after a while of doing nothing."""
    await asyncio.sleep(seconds)
    await host.ask("list_models")  # in a worker thread: it ends those that have had nothing to do
    await asyncio.sleep(SAMPLE_SECONDS / 4)
    return vitals(process)


def _memory_below(process: psutil.Process) -> int:
    """Memory of a process's children together."""
    total = 0
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def rows_of(found: Soaked, seconds: float, voices: int) -> list[Row]:
    """What came out, against what must."""
    memory, engines = ([float(m) for m in series] for series in ([s.memory for s in found.samples], found.engines))
    first, last = found.at_rest
    rise = growth(memory)
    outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(found.outcomes.items(), key=lambda i: -i[1]))
    what = f"{voices} conversations at once for {seconds:.0f} s"
    faults = "".join(f"; {fault}" for fault in found.faults[:5])
    return [
        Row(
            what,
            f"memory grows by at most {MOST_GROWTH:.0%} (median of the last tenth against that of the second)",
            f"{rise:+.1%}, to {statistics.median(memory[-len(memory) // 10 :]) / MIB:.1f} MiB; "
            f"engines {growth(engines):+.1%}",
            rise <= MOST_GROWTH,
        ),
        Row(
            "everybody quiet, after the warm-up and at the end",
            f"no more open files, but for {LATE_FILES} of SQLite's",
            f"{first.files}, then {last.files}",
            last.files <= first.files + LATE_FILES,
        ),
        Row(
            "the same",
            "no more threads",
            f"{first.threads}, then {last.threads}",
            last.threads <= first.threads,
        ),
        Row(
            f"{sum(found.acts.values()):,} acts, {found.messages:,} messages, {found.crashes} crashes on purpose",
            "each request one answer, each channel one end before it, every text as the engine sent it",
            f"{found.answers:,} answers, {found.owed} owed, {len(found.faults)} faults{faults}",
            not found.owed and not found.faults,
        ),
        Row("their outcomes", "no INTERNAL_ERROR", outcomes, "INTERNAL_ERROR" not in found.outcomes),
        Row(
            "ping meanwhile, host and engines on the same processors",
            "every one is answered",
            f"p50 {statistics.median(found.pings):.1f} ms, p99 {percentile(found.pings, 0.99):.1f} ms, "
            f"at most {max(found.pings):.0f} ms",
            True,
        ),
        Row(
            "the end of stdin",
            "exit 0, nothing left running",
            f"exit {found.exit_code}, {found.left} left",
            found.exit_code == 0 and not found.left,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3600.0, help="how long; default an hour")
    parser.add_argument("--voices", type=int, default=VOICES, help=f"conversations at once; default {VOICES}")
    parser.add_argument("--rate", type=float, default=RATE, help=f"words a second of each; default {RATE:.0f}")
    parser.add_argument("--crash-seconds", type=float, default=CRASH_SECONDS, help="between two crashes; default 60")
    options = parser.parse_args()
    path = os.environ.get(MODEL_VARIABLE)
    if path is None:
        parser.error(f"{MODEL_VARIABLE} is not set: run this with make soak")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            soak(
                Path(folder),
                options.seconds,
                voices=options.voices,
                rate=options.rate,
                model=Path(path),
                crash_seconds=options.crash_seconds,
            )
        )
    rows = rows_of(found, options.seconds, options.voices)
    return 0 if keep("soak", rows, seconds=time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
