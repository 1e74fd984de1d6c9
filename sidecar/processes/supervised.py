"""A program that is kept running: a helper, a script, a server of tools.

Owns its starts and restarts, and sends its output to a log source. Does not know the program's purpose or health;
engines have further states between a start and readiness, and are not supervised here.

    waiting ──► running ──► waiting    by itself, as long as the restart policy allows another start
                    └─────► ended      permanently: it was stopped, or no start follows
"""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

import anyio
import msgspec

from sidecar.events.changes import Changes
from sidecar.logs.store import Source
from sidecar.processes.child import ChildProcess
from sidecar.processes.command import Command
from sidecar.processes.restart_policy import RestartPolicy

GRACE_SECONDS = 2.0
"""Default time in which a program has to end when it is asked to."""


State: TypeAlias = Literal["waiting", "running", "ended"]


class ProcessState(msgspec.Struct, frozen=True):
    """The state of a supervised program.

    Attributes:
        pid: while it runs.
        exit_code: of its last end; negative for a signal, `None` before the first.
        restarts: how many there have been.
    """

    state: State
    pid: int | None = None
    exit_code: int | None = None
    restarts: int = 0


class SupervisedProcess:
    """One program.

    Args:
        command: how it is started, each time.
        source: receives the lines of its output, and a line of ours for each end.
        restarts: whether and when it is restarted after it has ended by itself; `None`: never.
        grace_seconds: how long it may take to end when it is asked to.

    Attributes:
        state: its current state; written in here only.
        changes: each new state, for subscribers.
    """

    def __init__(
        self,
        command: Command,
        source: Source,
        *,
        restarts: RestartPolicy | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.state = ProcessState("waiting")
        self.changes: Changes[ProcessState] = Changes()
        self._command = command
        self._source = source
        self._restarts = restarts
        self._grace_seconds = grace_seconds

    async def run(self) -> None:
        """Start it, and restart it as the policy decides; returns when no start follows. Cancelling ends the program.

        Raises:
            ProcessError: it cannot be started.
        """
        try:
            while (pause := await self._run_once()) is not None:
                self._source.write("warning", f"It is restarted in {pause:g} s.")
                await anyio.sleep(pause)
        finally:
            self._enter("ended", exit_code=self.state.exit_code)

    async def _run_once(self) -> float | None:
        """Run from a start to the end; returns the seconds until the next start, `None` if none follows."""
        child = await ChildProcess.start(self._command)
        started = time.monotonic()
        self._enter("running", pid=child.pid, exit_code=self.state.exit_code)
        try:
            while data := await child.output.read():
                self._source.feed(data)
        finally:
            await child.stop(grace_seconds=self._grace_seconds)
            while child.ended.is_set() and (data := await child.output.read()):  # nothing to wait for any more
                self._source.feed(data)
            self._source.flush()
            self._enter("waiting", exit_code=child.exit_code)
        self._source.write("info" if child.exit_code == 0 else "warning", f"It ended with exit code {child.exit_code}.")
        if self._restarts is None:
            return None
        return self._restarts.pause_after(time.monotonic() - started, retryable=child.exit_code != 0)

    def _enter(self, state: State, *, exit_code: int | None, pid: int | None = None) -> None:
        restarts = self._restarts.count if self._restarts is not None else 0
        self.state = ProcessState(state, pid=pid, exit_code=exit_code, restarts=restarts)
        self.changes.publish(self.state)
