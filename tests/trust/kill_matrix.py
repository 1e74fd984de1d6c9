"""Kills of hosts, sidecars and engines at every moment, and what is left of them.

A round starts a host of its own, with a sidecar and fake engines below it, gets to the moment, kills, and waits for
the end of every process of the round. These are found by a variable that the round's host was started with and by the
pids that the engines have written down, so not by what the sidecar knows of them.

    python -m tests.trust.kill_matrix --rounds 100
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import os
import select
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from tests import fake_engine
from tests.app.talking import prepare
from tests.program import PROGRAM
from tests.raw_host import TERMINAL, RawHost
from tests.trust import results

ROUNDS = 100

GONE_SECONDS = 2.0
"""Nothing may be left after that."""

ROUND_VARIABLE, SERVER_VARIABLE = "GGML_KILL_MATRIX", "GGML_KILL_MATRIX_SERVER"
"""Passed on to engines: GGML_… is on the list of the allowed ones."""

ROUNDS_A_HOST = 10
"""Where engines are killed the sidecar goes on, and so does its host."""

PR_SET_CHILD_SUBREAPER = 36

HOST = [sys.executable, "-I", "-S", str(Path(__file__).with_name("tiny_host.py")), *PROGRAM]
SIDECAR_STDIN = 9

Victim = Literal["host", "sidecar", "engine"]
Moment = Literal["loading", "idle", "generating"]
Shape = Literal["one server", "two servers", "deaf with family"]

FLAGS: dict[Shape, list[str]] = {
    "one server": [],
    "two servers": [],
    "deaf with family": ["--ignore-term", "--fork-grandchild", "--fork-daemon", "--fork-orphan"],
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What is done to whom, and when."""

    signal: signal.Signals
    victim: Victim
    moment: Moment
    shape: Shape

    def __str__(self) -> str:
        return f"{self.signal.name} {self.victim}, {self.moment}, {self.shape}"

    @property
    def is_ignored(self) -> bool:
        """Whether nobody ends of it. The engine is stopped then, which has to end its family as well."""
        return (self.signal, self.victim, self.shape) == (signal.SIGTERM, "engine", "deaf with family")


CELLS = [
    Cell(*names)
    for names in itertools.product(
        (signal.SIGKILL, signal.SIGTERM), get_args(Victim), get_args(Moment), get_args(Shape)
    )
]


@dataclass(slots=True)
class Outcome:
    """What came of a cell.

    Attributes:
        milliseconds: from the kill, or the wish to stop, to the end of the last process; one a round.
        left: command lines of what was there after GONE_SECONDS.
        wrong: what else was not as it must be.
    """

    cell: Cell
    milliseconds: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.left and not self.wrong and max(self.milliseconds) <= GONE_SECONDS * 1e3


# --- processes -----------------------------------------------------------------------------------------------------


def having(variable: str, value: str) -> dict[int, str]:
    """Pids and command lines of the processes that have this variable; zombies have none."""
    wanted = f"\0{variable}={value}\0".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it is gone, or another user's
                if wanted in b"\0" + (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:200]
    return found


class Watched:
    """Processes whose end is waited for, by descriptors: a pid may be another's by then."""

    def __init__(self, processes: dict[int, str]) -> None:
        self._pids = list(processes)
        self._poll = select.poll()
        self._living: dict[int, tuple[int, str]] = {}
        for pid, line in processes.items():
            with suppress(ProcessLookupError):
                fd = os.pidfd_open(pid)
                self._living[fd] = pid, line
                self._poll.register(fd, select.POLLIN)

    def wait(self, deadline: float) -> None:
        """Wait for the end of all."""
        while self._living and (left := deadline - time.monotonic()) > 0:
            for fd, _ in self._poll.poll(left * 1e3):
                self._forget(fd)

    def kill(self) -> list[str]:
        """End those that are left; returns their command lines."""
        lines = [f"{pid} {line}" for pid, line in self._living.values()]
        for fd in list(self._living):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            self._forget(fd)
        return lines

    def bury(self) -> None:
        """Reap those that have become children of ours, since their parents have ended."""
        for pid in self._pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _forget(self, fd: int) -> None:
        self._poll.unregister(fd)
        os.close(fd)
        del self._living[fd]


def wait_for_the_end(outcome: Outcome, watched: Watched, since: float, tag: str | None = None) -> None:
    """Wait for the end of processes, and of all that have the round's tag by then; note what is left."""
    deadline = since + GONE_SECONDS
    watched.wait(deadline)
    ended = time.monotonic()
    late: list[str] = []
    if tag is not None:
        while found := having(ROUND_VARIABLE, tag):
            watched_too = Watched(found)
            watched_too.wait(deadline)
            ended = time.monotonic()
            late += watched_too.kill()
    outcome.milliseconds.append((ended - since) * 1e3)
    outcome.left += watched.kill() + late


# --- one round -----------------------------------------------------------------------------------------------------


class Server:
    """A server of a round, its engine, and an answer of it."""

    def __init__(self, host: RawHost, folder: Path, name: str, cell: Cell) -> None:
        self._host = host
        self._name = name
        self.tag = f"{folder.name}-{name}"
        self._pid_file = folder / f"{name}.pids"
        flags = [*FLAGS[cell.shape], "--pid-file", str(self._pid_file)]
        if cell.moment == "loading":
            flags.append("--never-ready")
        self.request = host.begin(
            "start_llama_server", server_id=name, extra_args=flags, env={SERVER_VARIABLE: self.tag}, channel=name
        )
        self.channel = name

    def get_to(self, moment: Moment) -> None:
        """Come to the moment of the kill."""
        if moment == "loading":
            # It has written down its pids before it tells how far it is.
            self._host.until(lambda: any("progress" in e["event"] for e in self._host.events.get(self.channel, ())))
            return
        answer = self._host.answer(self.request)
        assert "error" not in answer, answer
        if moment == "generating":
            self.channel = f"{self._name} turn"
            self.request = self._host.begin(
                "send_message", message="tokens=100000 delay=0.01", server_id=self._name, channel=self.channel
            )
            self.go_on_generating()

    def go_on_generating(self) -> None:
        """Wait until more of the answer has come."""
        seen = len(self._host.text(self.channel)) if self.channel in self._host.events else 0
        self._host.until(lambda: self.channel in self._host.events and len(self._host.text(self.channel)) > seen)

    def pids(self) -> list[int]:
        """The engine's pid, and those of all that it has started."""
        found: list[int] = json.loads(self._pid_file.read_text())
        return found

    def family(self) -> dict[int, str]:
        """The engine's process and everything below it."""
        return dict.fromkeys(self.pids(), "written down by the engine") | having(SERVER_VARIABLE, self.tag)

    def stop(self) -> None:
        """Stop it, in whatever state it is."""
        self._host.answer(self._host.begin("stop_llama_server", server_id=self._name))

    def begin_to_stop(self) -> None:
        """Ask for its end."""
        self._host.begin("stop_llama_server", server_id=self._name)

    def what_is_wrong_with_its_end(self) -> str | None:
        """The request must have failed, and its channel must have ended once."""
        answer = self._host.answer(self.request)
        ends = [e["event"]["status"] for e in self._host.events[self.channel] if e["event"]["status"] in TERMINAL]
        if "error" in answer and ends in (["error"], ["cancelled"]):
            return None
        return f"{self.channel} ended with {ends}, the request with {answer}"


@contextmanager
def running_host(data_dir: Path, tag: str) -> Iterator[RawHost]:
    """A tiny host with a sidecar."""
    host = RawHost(data_dir, command=HOST, env={ROUND_VARIABLE: tag}, validate=False)
    try:
        yield host
    finally:
        host.close()


def start_servers(cell: Cell, host: RawHost, folder: Path, number: int) -> list[Server]:
    """The cell's servers, at the cell's moment."""
    names = [f"{letter}{number}" for letter in ("ab" if cell.shape == "two servers" else "a")]
    servers = [Server(host, folder, name, cell) for name in names]
    for server in servers:
        server.get_to(cell.moment)
    return servers


def kill_host_or_sidecar(cell: Cell, outcome: Outcome, folder: Path, number: int) -> None:
    """A round after which nothing at all may be left."""
    tag = f"{folder.name}-{number}"
    with running_host(folder / "data", tag) as host:
        start_servers(cell, host, folder, number)
        victim = host.process.pid if cell.victim == "host" else host.call("initialize")["pid"]
        everything = Watched(having(ROUND_VARIABLE, tag))
        # Every other host leaves the sidecar's stdin open to somebody else, so that its end is not told that way.
        held_open = cell.victim == "host" and number % 2
        stdin = os.open(f"/proc/{victim}/fd/{SIDECAR_STDIN}", os.O_WRONLY) if held_open else None
        since = time.monotonic()
        os.kill(victim, cell.signal)
        wait_for_the_end(outcome, everything, since, tag)
        if stdin is not None:
            os.close(stdin)
    everything.bury()


def kill_engine(cell: Cell, outcome: Outcome, host: RawHost, folder: Path, number: int) -> None:
    """A round after which nothing of the engine may be left; the other one goes on."""
    server, *others = start_servers(cell, host, folder, number)
    family = Watched(server.family())
    since = time.monotonic()
    os.kill(server.pids()[0], cell.signal)
    if cell.is_ignored:
        server.begin_to_stop()
    wait_for_the_end(outcome, family, since)
    family.bury()
    if cell.moment != "idle" and (wrong := server.what_is_wrong_with_its_end()):
        outcome.wrong.append(wrong)
    for other in others:
        if cell.moment == "generating":
            other.go_on_generating()
        if not having(SERVER_VARIABLE, other.tag):
            outcome.wrong.append("the other engine has ended, too")
    for each in (server, *others):
        each.stop()


def play(cell: Cell, rounds: int) -> Outcome:
    """Play the rounds of a cell, one after the other on the same data folder."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    outcome = Outcome(cell)
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as name:
        folder = Path(name)
        llama_cpp = fake_engine.install(folder / "llama.cpp")
        prepare(folder / "data", llama_cpp)
        if cell.victim != "engine":
            for number in range(rounds):
                kill_host_or_sidecar(cell, outcome, folder, number)
            return outcome
        for first in range(0, rounds, ROUNDS_A_HOST):
            tag = f"{folder.name}-{first}"
            with running_host(folder / "data", tag) as host:
                for number in range(first, min(first + ROUNDS_A_HOST, rounds)):
                    kill_engine(cell, outcome, host, folder, number)
                everything = Watched(having(ROUND_VARIABLE, tag))
            everything.wait(time.monotonic() + GONE_SECONDS)
            outcome.left += everything.kill()
            everything.bury()
    return outcome


# --- all of them ---------------------------------------------------------------------------------------------------


def show(outcome: Outcome) -> None:
    """A line of the table, and what was not good."""
    times = sorted(outcome.milliseconds)
    figures = f"{len(times):5} {times[len(times) // 2]:8.0f} {times[-1]:8.0f} {len(outcome.left):5}"
    print(f"{outcome.cell!s:48}{figures}", *outcome.wrong[:3], *outcome.left[:3], sep="\n    ", flush=True)


def rows_of(outcomes: Iterable[Outcome]) -> list[results.Row]:
    """A row for each victim, signal and shape."""
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        cell = outcome.cell
        groups[cell.signal.name, cell.victim, cell.shape].append(outcome)
    rows = []
    for (name, victim, shape), group in groups.items():
        times = [ms for outcome in group for ms in outcome.milliseconds]
        left = sum(len(outcome.left) for outcome in group)
        wrong = sum(len(outcome.wrong) for outcome in group)
        stopped = ", then stopped" if group[0].cell.is_ignored else ""
        moments = ", ".join(outcome.cell.moment for outcome in group)
        rows.append(
            results.Row(
                what=f"{name} of the {victim}{stopped} ({shape}; {moments})",
                target=f"nothing left after {GONE_SECONDS:.0f} s, one end for each turn",
                figure=f"{len(times)} rounds, slowest {max(times):.0f} ms, {left} left, {wrong} wrong ends",
                met=all(outcome.good for outcome in group),
            )
        )
    return rows


def main() -> int:
    """Play the matrix; returns 1 where something was left."""
    parser = argparse.ArgumentParser(description="Kill hosts, sidecars and engines, and look for what is left.")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each cell (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cells at the same time (%(default)s)")
    parser.add_argument("--only", default="", help="cells with this in their names, such as 'SIGKILL sidecar'")
    options = parser.parse_args()
    begun = time.monotonic()
    cells = [cell for cell in CELLS if options.only in str(cell)]
    print(f"{'':48}{'rounds':>5} {'median':>8} {'slowest':>8} {'left':>5}  (ms)")
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as compiled, ProcessPoolExecutor(options.jobs) as pool:
        # Most of a round is the sidecar's start: its modules are compiled once, as where it is installed.
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled}
        for outcome in pool.map(play, cells, itertools.repeat(options.rounds)):
            show(outcome)
            outcomes.append(outcome)
    if options.only:
        return 0 if all(outcome.good for outcome in outcomes) else 1
    return 0 if results.keep("kill_matrix", rows_of(outcomes), seconds=time.monotonic() - begun) else 1


if __name__ == "__main__":
    sys.exit(main())
