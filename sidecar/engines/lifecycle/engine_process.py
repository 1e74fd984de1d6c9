"""An engine's process and its output.

Owns where each line of the output goes: state lines to `output`, all others to the log. Does not decide when the
process starts or stops.
"""

from __future__ import annotations

import asyncio

import anyio
import anyio.to_thread

from sidecar.engines.lifecycle.exit_diagnosis import LOG_TAIL_LINES
from sidecar.engines.output.start_output import STATE_PREFIX, EngineOutput
from sidecar.host import process_tree
from sidecar.logs.store import Source
from sidecar.processes.child import ChildProcess
from sidecar.processes.command import Command

MAX_LINE_BYTES = 64 * 1024
"""Bytes without an LF that are buffered, since they may become a state line."""


class EngineProcess:
    """A started engine.

    Attributes:
        output: the facts read from its output so far.
        ended: it has ended, and all of its output has been read.
    """

    def __init__(self, source: Source) -> None:
        self.output = EngineOutput()
        self.ended = asyncio.Event()
        self._source = source
        self._lines_before = source.taken_in
        self._changed = anyio.Event()
        self._child: ChildProcess
        self._reading: asyncio.Task[None]

    @classmethod
    async def start(cls, command: Command, source: Source) -> EngineProcess:
        """Start an engine; the caller must `stop` it. Its output goes to a log source.

        Raises:
            ProcessError: the program does not exist, or the system refuses to run it.
        """
        engine = cls(source)
        engine._child = await ChildProcess.start(command)
        engine._reading = asyncio.create_task(engine._read())
        return engine

    @property
    def pid(self) -> int:
        """Process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """Negative for a signal; `None` while it runs."""
        return self._child.exit_code

    @property
    def started_at(self) -> float:
        """Unix seconds."""
        return self._child.started_at

    @property
    def started_clock(self) -> float:
        """The same on the monotonic clock."""
        return self._child.started_clock

    @property
    def lines(self) -> int:
        """Lines that it has logged so far."""
        return self._source.taken_in - self._lines_before

    async def wait_for_change(self, seconds: float) -> bool:
        """Wait until `output` changes, or the engine ends; False if neither happens in time."""
        with anyio.move_on_after(seconds):
            await self._changed.wait()
        happened, self._changed = self._changed.is_set(), anyio.Event()
        return happened

    def tail(self, count: int = LOG_TAIL_LINES) -> list[str]:
        """The end of its log, without lines of an earlier start of the same server."""
        return self._source.tail(min(count, self.lines))

    async def listening_port(self, requested: int) -> int | None:
        """The TCP port that it really listens on; `None` if it does not listen yet.

        A line of the log is no proof: a model's texts are in the log as well, and prompts must not be sent to a port
        that such a text names. An open port is no proof either, since it may belong to another program.

        Args:
            requested: the port that it should listen on; 0 for any.
        """
        ports = await anyio.to_thread.run_sync(process_tree.listening_ports, self.pid)
        named = requested or self.output.port
        if ports is None or named in ports:
            return named
        return ports.pop() if len(ports) == 1 and not requested else None

    async def stop(self, *, grace_seconds: float) -> None:
        """End it and its child processes. Safe to call twice; must not be cancelled half-way."""
        await self._child.stop(grace_seconds=grace_seconds)
        if self._child.ended.is_set():
            await self._reading

    async def _read(self) -> None:
        try:
            while (lines := await self._child.output.read_lines(longest=MAX_LINE_BYTES)) is not None:
                self.feed(lines)
        finally:
            self.ended.set()
            self._changed.set()

    def feed(self, lines: bytes) -> None:
        """Read whole lines of its output, without the last LF."""
        changed = False
        if STATE_PREFIX in lines:
            ordinary = []
            for line in lines.split(b"\n"):
                # The logger may already have written the time of its next line, so the marker need not come first.
                log, marker, state = line.partition(STATE_PREFIX)
                changed |= bool(marker) and self.output.read_state(marker + state)
                if log:
                    ordinary.append(log)
            lines = b"\n".join(ordinary)
        if lines:
            changed |= self.output.read_log(lines)
            self._source.feed(lines + b"\n")
        if changed:
            self._changed.set()
