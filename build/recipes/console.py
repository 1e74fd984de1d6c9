"""What the person at the keyboard sees: steps with their time, progress, and problems in plain sentences.

Knows nothing of what the steps do. Everything is ASCII, so that every Windows console shows it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Without a terminal a line is printed for each tenth, so that a log stays readable and yet shows life.
TENTHS = 10


class Problem(Exception):
    """Something that stops the command: what happened and why, and what to do next."""

    def __init__(self, what: str, *, next_step: str, exit_code: int = 1) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        self.exit_code = exit_code


def say(line: str) -> None:
    print(line, flush=True)


def report(problem: Problem) -> None:
    # Flushed first so that the two streams come out in the order in which they were written.
    sys.stdout.flush()
    print(f"error: {problem.what}\n  {problem.next_step}", file=sys.stderr, flush=True)


def on_terminal() -> bool:
    return sys.stdout.isatty()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Says what is being done and, when it worked, how long it took."""
    say(f"{title} ...")
    started = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - started:.1f} s")


class Progress:
    """How far something has come: one line drawn over on a terminal, a line each tenth elsewhere."""

    def __init__(self, unit: str, *, terminal: bool | None = None) -> None:
        self._unit = unit
        self._terminal = on_terminal() if terminal is None else terminal
        self._shown = -1
        self._open_line = False

    def show(self, done: float, total: float) -> None:
        if total <= 0:
            return
        done = min(done, total)
        share = int(done * TENTHS / total) if not self._terminal else int(done)
        if share <= self._shown:
            return
        first, self._shown = self._shown < 0, share
        text = f"  {done:.0f} of {total:.0f} {self._unit}"
        if self._terminal:
            print(f"\r{text}", end="", flush=True)
            self._open_line = True
        elif not (first and share == 0):
            say(text)

    def close(self) -> None:
        if self._open_line:
            print(flush=True)
            self._open_line = False
