"""One job: its state, the requests that wait for it, and its followers.

Owns the table of allowed state changes, the interruption of a running job, and the event logs of its followers. The
kind of the job (a download, an installation) does the work: it enters `turn`, then that of its lane, then phases, and
publishes its events. Knows nothing of what a job does, nor when it is a job's turn (`lane`).

    queued ──► running ──► done
      ▲  │      │ │ └────► failed ──► queued, cancelled
      │  └──┐   │ └──────► cancelled
      └── paused ◄─┘
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

import anyio

from sidecar.contract.errors import SidecarError, from_wire
from sidecar.contract.method import Event
from sidecar.events.event_log import EventLog
from sidecar.jobs.progress import Progress
from sidecar.jobs.store import JobRecord, OnRestart

JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]

TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    "queued": frozenset({"running", "paused", "failed", "cancelled"}),
    "running": frozenset({"paused", "done", "failed", "cancelled"}),
    "paused": frozenset({"queued", "cancelled"}),
    "failed": frozenset({"queued", "cancelled"}),
    "done": frozenset(),
    "cancelled": frozenset(),
}
"""The states that each state may change to."""

ACTIVE = frozenset[JobState]({"queued", "running"})
"""The job is running, or waits for its turn."""

ENDED = frozenset[JobState]({"done", "cancelled"})
"""Final states."""

Phases = Mapping[str | None, Collection[str]]
"""The steps of a kind's running state, and the steps that may follow each; those of `None` are first."""

Interruption = Literal["pause", "cancel", "stop"]
"""Why a job is interrupted; "stop" is the end of the sidecar."""

R = TypeVar("R", bound=JobRecord)


class _Turn:
    """One period of activity, from queued to idle."""

    def __init__(self) -> None:
        self.scope: anyio.CancelScope | None = None
        self.left = anyio.Event()


class Job(Generic[R]):
    """A job, queued from the beginning.

    Args:
        record: its stored record.
        kind: the noun for messages, such as "download".
        phases: the steps of its running state.
        priority: jobs with a higher one have their turn first.

    Attributes:
        phase: its present step; `None` unless it is running.
        error: why it failed.
        updated_at: when its state last changed, in seconds since the epoch.
        finished_at: when it was done, failed or was cancelled; `None` before.
        resumes: whether it was paused by the end of the sidecar, not by a user.
        progress: its progress.
    """

    def __init__(self, record: R, *, kind: str, phases: Phases | None = None, priority: int = 0) -> None:
        self.record = record
        self.kind = kind
        self.priority = priority
        self.state: JobState = "queued"
        self.phase: str | None = None
        self.error: SidecarError | None = None
        self.updated_at = record.created_at
        self.finished_at: float | None = None
        self.resumes = False
        self.progress = Progress()
        self._phases = phases or {}
        self._interruption: Interruption | None = None
        self._turn = _Turn()
        self._ended = anyio.Event()
        self._followers: list[EventLog] = []

    @classmethod
    def restored(cls, record: R, *, kind: str, phases: Phases | None = None, priority: int = 0) -> Job[R]:
        """An idle job from the record of an earlier sidecar."""
        job = cls(record, kind=kind, phases=phases, priority=priority)
        job.state = "failed" if record.on_restart is OnRestart.FAIL else "paused"
        job.resumes = record.on_restart is OnRestart.RESUME
        job.error = None if record.error is None else from_wire(record.error)
        return job

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.job_id

    @property
    def active(self) -> bool:
        """Whether it is running or waits for its turn."""
        return self.state in ACTIVE

    @property
    def ended(self) -> bool:
        """Whether its state is final."""
        return self.state in ENDED

    def may_become(self, state: JobState) -> bool:
        """Whether the table allows this change."""
        return state in TRANSITIONS[self.state]

    # --- changes of state --------------------------------------------------------------------------------------

    def queue(self) -> None:
        """Queue it again. One task must enter `turn` afterwards."""
        self._become("queued")
        self.error = self.finished_at = self._interruption = None
        self.resumes = False
        self._turn = _Turn()
        if self._ended.is_set():
            self._ended = anyio.Event()

    def begin(self) -> None:
        """Change to running; `lane` calls this."""
        self._become("running")

    def enter(self, phase: str) -> None:
        """Begin a step of a running job.

        Raises:
            ValueError: it is not running, or the step may not follow the one before.
        """
        if self.state != "running" or phase not in self._phases.get(self.phase, ()):
            raise ValueError(f"a {self.kind} that is {self.phase or self.state} cannot become {phase}")
        self.phase = phase

    def finish(self) -> None:
        """Change to done."""
        self._end("done")

    def fail(self, error: SidecarError) -> None:
        """Change to failed. The job can be queued again."""
        self.error = error
        self._end("failed")

    async def interrupt(self, reason: Interruption) -> None:
        """Pause, cancel or stop it; returns when it is idle. Work that is done is kept."""
        if reason == "pause":
            self.resumes = False
        if self.active:
            self._interruption = reason
            if self._turn.scope is not None:
                self._turn.scope.cancel()
            await self._turn.left.wait()
        elif reason == "cancel" and not self.ended:
            self._end("cancelled")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The context for waiting and working: `interrupt` cancels it. Afterwards the job is idle; a SidecarError
        fails it."""
        turn = self._turn
        try:
            with anyio.CancelScope() as turn.scope:
                if self._interruption is not None:
                    turn.scope.cancel()
                yield
        except anyio.get_cancelled_exc_class():
            self._interruption = self._interruption or "stop"
            raise
        except SidecarError as error:
            self.fail(error)
            raise
        finally:
            if self.active and self._interruption is not None:
                self._apply(self._interruption)
            turn.left.set()

    async def wait_until_ended(self) -> None:
        """Wait until it is done, failed, cancelled, or stopped by the end of the sidecar; a pause does not count."""
        while not self._ended.is_set():
            await self._ended.wait()

    def _apply(self, interruption: Interruption) -> None:
        self.progress.waiting = None
        if interruption == "cancel":
            self._end("cancelled")
            return
        self.resumes = interruption == "stop"
        self._become("paused")
        if self.resumes:
            self._ended.set()

    def _end(self, state: JobState) -> None:
        self.progress.waiting = None
        self._become(state)
        self.finished_at = self.updated_at
        self._ended.set()

    def _become(self, state: JobState) -> None:
        if not self.may_become(state):
            raise ValueError(f"a {self.kind} cannot become {state} when it is {self.state}")
        self.state, self.phase = state, None
        self.updated_at = time.time()

    # --- followers ---------------------------------------------------------------------------------------------

    @property
    def followed(self) -> bool:
        """Whether a request follows it."""
        return bool(self._followers)

    @contextmanager
    def followed_by(self, log: EventLog) -> Iterator[None]:
        """Append the events from now on to a log, for a request that waits for the job's end.

        A slow reader gets the newest event of each kind; events that were read are not kept.
        """
        self._followers.append(log)
        try:
            yield
        finally:
            self._followers.remove(log)

    def publish(self, event: Event) -> None:
        """Append an event to the log of each follower."""
        for log in self._followers:
            if not log.closed:
                log.append(event)
                log.forget()
