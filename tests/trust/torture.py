"""Kills of the sidecar in the middle of conversations, over and over on the same data folder.

In each round a host talks on several sessions at once, the sidecar is killed at a random moment, and the files it
leaves are compared with all that was ever acknowledged (`promises`). The next round goes on with what is there.

    python -m tests.trust.torture --rounds 1000 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.storage import migrations
from tests import fake_engine
from tests.app.talking import prepare
from tests.raw_host import RawHost
from tests.trust import results
from tests.trust.promises import Promises
from tests.trust.talker import Talker

ROUNDS = 1000

MOST_ROUNDS = 100
"""On one data folder, all of which is looked at after each kill."""

TALKERS = 4
"""Conversations at once: as many as the engine has slots."""

EARLY_KILLS, START_SECONDS = 0.15, 0.5
"""How many of the kills come while the sidecar starts, and how long that takes at the most."""

MOST_LINES, MOST_DELAY_SECONDS = 250, 0.4
"""The other kills come after so many lines from where the engine is ready, and then so much later."""

HANG_SECONDS = 30.0
"""Longest time without a line from a sidecar that has not been killed."""

Take = Callable[[dict[str, Any]], None]


class Victim(RawHost):
    """A sidecar that is going to be killed, and who waits for which of its lines."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir, validate=False)
        self._waiting: dict[int, Take] = {}
        self._listening: dict[str, Take] = {}
        self.is_alive = True

    def ask(self, method: str, params: dict[str, Any], take: Take, listen: Take | None) -> int:
        """Send a request; `take` gets the response, `listen` the events of its channel."""
        if listen is not None:
            params = {**params, "channel": f"c{self._next_id + 1}"}
            self._listening[params["channel"]] = listen
        id_ = self.begin(method, **params)
        self._waiting[id_] = take
        return id_

    def take_lines(self, *, until: float, most: int = sys.maxsize) -> int:
        """Take in lines up to a time or a number; returns how many came."""
        for number in range(most):
            try:
                line = self._lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return number
            if line is None:
                raise AssertionError(f"the sidecar has ended by itself: {self.stderr.decode(errors='replace')[-2000:]}")
            self._take(line)
        return most

    def kill(self) -> None:
        """Kill it, and take in what it has written up to then: that was said, too."""
        self.is_alive = False
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        while (line := self._lines.get()) is not None:
            self._take(line)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:  # what was on its way to it
                continue

    def _take(self, line: bytes) -> None:
        message = json.loads(line)
        if message.get("method") == "channel":
            self._listening[message["params"]["channel"]](message["params"]["event"])
        else:
            self._waiting.pop(message["id"])(message)


@dataclass(slots=True)
class Outcome:
    """What came of some rounds on one data folder.

    Attributes:
        kills: rounds played.
        acknowledged: messages whose keeping was acknowledged.
        broken_off: answers of which something was seen before a kill broke them off.
        broken: promises that were not kept, in words; the first to be found ends the rounds.
        starts: seconds from each start to its first answer.
    """

    kills: int = 0
    acknowledged: int = 0
    broken_off: int = 0
    broken: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)


def play(folder: Path, rounds: int, seed: str) -> Outcome:
    """Kill a sidecar so many times on one data folder, in `folder`."""
    chance = random.Random(seed)  # noqa: S311
    outcome, promises = Outcome(), Promises()
    data_dir = folder / "data"
    prepare(data_dir, fake_engine.install(folder / "llama.cpp"))
    talkers = [Talker(f"{number}", promises, chance) for number in range(TALKERS)]
    while outcome.kills < rounds and not outcome.broken:
        outcome.kills += 1
        before = {turn for turn in promises.turns if turn.state is None and not turn.is_tidied}
        outcome.broken += _one_life(data_dir, talkers, chance, outcome)
        if any(talker.was_answered for talker in talkers):  # what a start has to do is done before it answers
            for turn in before:
                turn.is_tidied = True
        outcome.broken_off += sum(bool(t.seen) for t in promises.turns if t.state is None and not t.is_tidied)
        outcome.broken += _compare(data_dir, folder / "copy", promises)
    outcome.acknowledged = promises.acknowledged
    return outcome


def _one_life(data_dir: Path, talkers: list[Talker], chance: random.Random, outcome: Outcome) -> list[str]:
    """Start, talk, kill; returns what the sidecar should not have said."""
    begun = time.monotonic()
    victim = Victim(data_dir)
    wrong: list[str] = []
    is_ready = False

    def initialized(answer: dict[str, Any]) -> None:
        outcome.starts.append(time.monotonic() - begun)
        if notices := answer["result"]["notices"]:
            wrong.append(f"start: {notices}")

    def started(answer: dict[str, Any]) -> None:
        nonlocal is_ready
        is_ready = True
        if "error" in answer:
            wrong.append(f"start: {answer['error']}")
        for talker in talkers:
            talker.has_engine = True

    try:
        victim.ask("initialize", {}, initialized, None)
        victim.ask("start_llama_server", {}, started, None)
        for talker in talkers:
            talker.begin(victim)
        if chance.random() < EARLY_KILLS:
            victim.take_lines(until=begun + chance.random() * START_SECONDS)
        else:
            lines = chance.randrange(1, MOST_LINES)
            while lines and not any(talker.wrong for talker in talkers):
                assert victim.take_lines(until=time.monotonic() + HANG_SECONDS, most=1), "it hangs"
                lines -= is_ready
            victim.take_lines(until=time.monotonic() + MOST_DELAY_SECONDS * chance.random() ** 2)
    except AssertionError as problem:
        wrong.append(f"start: {problem}")
    finally:
        victim.kill()
    return [*wrong, *(f"answer: {word}" for talker in talkers for word in talker.wrong)]


def _compare(data_dir: Path, copy: Path, promises: Promises) -> list[str]:
    """Compare what a kill has left with what was promised; the files themselves are not touched."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in data_dir.glob("history.db*"):
        shutil.copy(path, copy)
    with closing(sqlite3.connect(copy / "history.db", isolation_level=None)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema").fetchone():  # killed before there was anything
            migrations.take_steps(db, to=0)
        broken = promises.broken_in(db)
        promises.settle(db)
    seed = json.loads((data_dir / "config.json").read_text()).get("chat", {}).get("seed")
    if seed not in promises.seeds:
        broken.append(f"lost: a change of the config, {seed} is none of {promises.seeds}")
    promises.seeds = {seed}
    return broken


def rows_of(outcomes: list[Outcome]) -> list[results.Row]:
    """The figures of all data folders together."""

    def count(*kinds: str) -> int:
        return sum(word.startswith(kinds) for outcome in outcomes for word in outcome.broken)

    kills = sum(outcome.kills for outcome in outcomes)
    acknowledged = sum(outcome.acknowledged for outcome in outcomes)
    broken_off = sum(outcome.broken_off for outcome in outcomes)
    starts = sorted(seconds for outcome in outcomes for seconds in outcome.starts)
    lost, damaged, cut, unstarted = (
        count("lost"),
        count("integrity_check"),
        count("broken off"),
        count("start", "answer"),
    )
    middle, slowest = (starts[len(starts) // 2], starts[-1]) if starts else (0.0, 0.0)
    return [
        results.Row(
            what="kill -9 of the sidecar at random moments of conversations",
            target="no acknowledged message, session or setting lost",
            figure=f"{kills:,} kills, {acknowledged:,} acknowledged messages, {lost} lost",
            met=lost == 0,
        ),
        results.Row(
            what="the history after each kill",
            target="integrity_check ok each time",
            figure=f"{kills:,} checks, {damaged} not ok",
            met=damaged == 0,
        ),
        results.Row(
            what="answers that a kill breaks off",
            target="after the next start kept as far as the host saw them, and marked",
            figure=f"{broken_off:,} broken off, {cut} not so",
            met=cut == 0,
        ),
        results.Row(
            what="the start after a kill",
            target="works, without a notice or a wrong answer",
            figure=f"{len(starts):,} first answers, median {middle:.2f} s, slowest {slowest:.2f} s, {unstarted} wrong",
            met=unstarted == 0,
        ),
    ]


def main() -> int:
    """Kill as often as asked; returns 1 where a promise was not kept."""
    parser = argparse.ArgumentParser(description="Kill sidecars in the middle of conversations, and look what is kept.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="kills (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="data folders at the same time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with (%(default)s)")
    options = parser.parse_args()
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    # Most of a round is the sidecar's start: its modules are compiled once, as where it is installed.
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    shares = list(_shares(folder, options.rounds, options.jobs, options.seed))
    with ProcessPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(play, *zip(*shares, strict=True)))
    if broken := [word for outcome in outcomes for word in outcome.broken]:
        print(*broken, f"The data folders are left in {folder}.", sep="\n")
    else:
        shutil.rmtree(folder)
    return 0 if results.keep("torture", rows_of(outcomes), seconds=time.monotonic() - begun) else 1


def _shares(folder: Path, rounds: int, jobs: int, seed: int) -> Iterator[tuple[Path, int, str]]:
    size = min(MOST_ROUNDS, -(-rounds // jobs))
    for number, first in enumerate(range(0, rounds, size)):
        yield folder / str(number), min(size, rounds - first), f"{seed} {number}"


if __name__ == "__main__":
    sys.exit(main())
