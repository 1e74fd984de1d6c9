"""Spoiled requests without end to a real sidecar: no crash, each answered exactly once, bounded memory.

    python -m tests.trust.fuzz [--frames N] [--seed S] [--seconds BUDGET]

Frames go in rounds, in pieces cut anywhere, each round followed by a ping; `oracle` says what must come back. What a
round is made of follows from the seed and its number alone, so that one can be repeated with `--first ROUND`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import selectors
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.raw_host import validate
from tests.trust import results
from tests.trust.debts import Debts, NotOwed
from tests.trust.frames import Frames, numbers
from tests.trust.memory import Memory
from tests.trust.oracle import Answer, answers_to_stream
from tests.trust.results import Row

FRAMES = 1_000_000
FRAMES_A_ROUND = 400

ANSWER_SECONDS = 30.0
"""Longest silence while answers are owed; the slowest takes a fraction of a second."""

MAX_GROWTH_BYTES = 64 * 1024 * 1024

VALIDATED = 0.01
"""Share of what comes back that is checked against the schema, which takes longer than anything else here."""

CUTS = (1, 7, 100, 4096, 4096, 20_000, 20_000, 65_536, 65_536)
"""Most bytes of one write."""


class Failed(Exception):
    """What must not be has been."""


@dataclass(slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        frames: sent.
        answers: responses and batches of them, each owed.
        growth_bytes: of the sidecar, at its peak, beyond what it had when it had seen every method once.
        failure: what must not have been; `None` if all went well.
    """

    frames: int = 0
    answers: int = 0
    growth_bytes: int = 0
    failure: str | None = None


class Sidecar:
    """A real sidecar over pipes, in a folder of its own, with nothing to be found on its machine."""

    def __init__(self, folder: Path) -> None:
        env = {name: value for name, value in os.environ.items() if name in ("SYSTEMROOT", "LANG")}
        env |= {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(folder),
            "PATH": str(folder),
            "TMPDIR": str(folder),
            "HF_HUB_OFFLINE": "1",  # the real hub is not asked for nonsense, nor waited for
        }
        self._log = (folder / "stderr").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidecar", "--data-dir", str(folder / "data"), "--log-level", "error"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=folder,
            env=env,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._stdin, self._stdout = self.process.stdin, self.process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        self._pending = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self._stdout.close()
            self._selector.close()
            self._log.close()

    def exchange(self, data: bytes, rng: random.Random, debts: Debts) -> None:
        """Send bytes in pieces and take what comes back, until nothing is owed any more.

        Raises:
            Failed: something is not answered, or the sidecar has ended.
            NotOwed: something came back that must not.
        """
        waiting = memoryview(data)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        while waiting or debts.count:
            ready = self._selector.select(ANSWER_SECONDS)
            if not ready:
                raise Failed(f"not answered within {ANSWER_SECONDS:.0f} s: {debts}")
            for key, _ in ready:
                if key.fileobj is self._stdin:
                    waiting = waiting[self._write(waiting[: rng.choice(CUTS)]) :]
                    if not waiting:
                        self._selector.unregister(self._stdin)
                else:
                    self._take_in(rng, debts)

    def _write(self, piece: memoryview) -> int:
        try:
            return os.write(self._stdin.fileno(), piece)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise Failed(f"the sidecar has ended with {self.process.wait(10)}") from None

    def _take_in(self, rng: random.Random, debts: Debts) -> None:
        chunk = os.read(self._stdout.fileno(), 1 << 20)
        if not chunk:
            raise Failed(f"the sidecar has ended with {self.process.wait(10)}")
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        for line in lines:
            message = json.loads(line)
            looked_at = rng.random() < VALIDATED
            if isinstance(message, dict) and message.get("method") == "channel":
                if looked_at:
                    validate(message, "ChannelNotification")
                continue
            debts.settle(message)
            if looked_at:
                for response in message if isinstance(message, list) else [message]:
                    if "error" in response:
                        validate(response, "ErrorResponse")


def run(*, frames: int, seed: int, seconds: float, first: int = 0) -> Outcome:
    """Send so many frames, or as many as there is time for."""
    makes, outcome, deadline = Frames(), Outcome(), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Sidecar(Path(folder)) as sidecar:
        memory = _warm_up(sidecar, makes)
        number = first
        while outcome.frames < frames and time.monotonic() < deadline:
            round_ = make_round(makes, seed, number, min(FRAMES_A_ROUND, frames - outcome.frames))
            try:
                outcome.answers += play(sidecar, round_, numbers(f"cuts {number}"))
            except (Failed, NotOwed) as problem:
                outcome.failure = f"round {number} of seed {seed}: {problem}\n{_blame(round_)}"
                break
            outcome.frames += len(round_)
            number += 1
            memory.look()
        outcome.growth_bytes = memory.growth_bytes() if sidecar.process.poll() is None else 0
        return outcome


def make_round(makes: Frames, seed: int, number: int, frames: int) -> list[bytes]:
    """The frames of a round."""
    rng = numbers(f"{seed}/{number}")
    return [makes.make(rng, number * FRAMES_A_ROUND + n) for n in range(frames)]


def play(sidecar: Sidecar, frames: list[bytes], rng: random.Random) -> int:
    """Send frames and a ping, and have everything answered; returns how many answers came.

    Raises:
        Failed, NotOwed: as `Sidecar.exchange`.
    """
    debts = Debts()
    data = b"\n".join(frames) + b"\n"
    for answers in answers_to_stream(data):
        debts.owe(answers)
    fence = f"fence {rng.random()}"
    debts.owe(Answer(fence, None))
    count = debts.count
    ping = json.dumps({"jsonrpc": "2.0", "id": fence, "method": "ping"}).encode()
    sidecar.exchange(data + ping + b"\n", rng, debts)
    return count


def _warm_up(sidecar: Sidecar, makes: Frames) -> Memory:
    """Call every method twice, so that only what spoiled frames cost is counted from then on."""
    for again in range(2):
        seeds: list[dict[str, Any]] = [seed | {"id": f"seed {again} {n}"} for n, seed in enumerate(makes.seeds)]
        play(sidecar, [json.dumps(seed).encode() for seed in seeds], numbers(f"warm-up {again}"))
    return Memory(sidecar.process.pid)


def _blame(frames: list[bytes]) -> str:
    """Which frame it was, if it is one alone."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, Sidecar(Path(folder)) as sidecar:
        for frame in frames:
            try:
                play(sidecar, [frame], numbers("blame"))
            except (Failed, NotOwed) as problem:
                return f"the frame {frame!r}: {problem}"
    return "no frame of it alone does that"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long, however many it were")
    parser.add_argument("--first", type=int, default=0, help="round to begin with")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    begun = time.monotonic()
    outcome = run(frames=arguments.frames, seed=arguments.seed, seconds=arguments.seconds, first=arguments.first)
    seconds = time.monotonic() - begun
    if outcome.failure:
        print(outcome.failure)
    wanted = f"{arguments.frames:,}" + (f" or {arguments.seconds:.0f} s" if arguments.seconds < math.inf else "")
    rows = [
        Row(
            what="spoiled frames to a real sidecar",
            target=f"{wanted}, no crash, every request answered exactly once",
            figure=f"{outcome.frames:,} frames, {outcome.answers:,} answers, {outcome.frames / seconds:,.0f} frames/s"
            + (", then a failure" if outcome.failure else ""),
            met=outcome.failure is None and (outcome.frames >= arguments.frames or arguments.seconds < math.inf),
        ),
        Row(
            what="the sidecar's memory meanwhile",
            target="peak at most 64 MiB above the baseline",
            figure=f"+{outcome.growth_bytes / 2**20:.0f} MiB",
            met=outcome.failure is None and outcome.growth_bytes <= MAX_GROWTH_BYTES,
        ),
    ]
    return 0 if results.keep("fuzz", rows, seconds=seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
