"""An engine's process, and what its output says.

Owns where each line of the output goes: state lines to `output`, all others to the log.
Does not know when it is to start or stop.
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

LONGEST_LINE = 64 * 1024
"""Bytes without an LF that are held back to see whether they are a state line."""


class EngineProcess:
    """A started engine.

    Attributes:
        output: what its output has made known.
        ended: it has ended, and all of its output has been taken in.
    """

    def __init__(self, source: Source) -> None:
        self.output = EngineOutput()
        self.ended = asyncio.Event()
        self._source = source
        self._lines_before = source.taken_in
        self._news = anyio.Event()
        self._child: ChildProcess
        self._reading: asyncio.Task[None]

    @classmethod
    async def start(cls, command: Command, source: Source) -> EngineProcess:
        """Start an engine; whoever calls has to `stop` it. Its output goes to a log source.

        Raises:
            ProcessError: the program is not there, or the system refuses to run it.
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

    async def news(self, seconds: float) -> bool:
        """Wait until its output changes what is known, or it ends; False where nothing happens for so long."""
        with anyio.move_on_after(seconds):
            await self._news.wait()
        happened, self._news = self._news.is_set(), anyio.Event()
        return happened

    def tail(self, count: int = LOG_TAIL_LINES) -> list[str]:
        """The end of its log; lines of an earlier start of the same server do not count."""
        return self._source.tail(min(count, self.lines))

    async def listening_port(self, requested: int) -> int | None:
        """The TCP port that it really listens on; `None` where it does not yet.

        A line of the log is no proof: a model's texts stand in the log as well, and whoever believes them sends its
        prompts to a stranger. Nor is an open port, which may be another program's.

        Args:
            requested: the port that it was asked to listen on; 0 for any.
        """
        ports = await anyio.to_thread.run_sync(process_tree.listening_ports, self.pid)
        named = requested or self.output.port
        if ports is None or named in ports:
            return named
        return ports.pop() if len(ports) == 1 and not requested else None

    async def stop(self, *, grace_seconds: float) -> None:
        """End it and everything it has started. Safe to call twice; not to be cancelled half-way."""
        await self._child.stop(grace_seconds=grace_seconds)
        if self._child.ended.is_set():
            await self._reading

    async def _read(self) -> None:
        try:
            while (head := await self._child.output.read_lines(longest=LONGEST_LINE)) is not None:
                self.take_in(head)
        finally:
            self.ended.set()
            self._news.set()

    def take_in(self, head: bytes) -> None:
        """Take in whole lines of its output, without the last LF."""
        news = False
        if STATE_PREFIX in head:
            ordinary = []
            for line in head.split(b"\n"):
                # Its logger may have written the time of its next line already: the marker need not come first.
                log, marker, state = line.partition(STATE_PREFIX)
                news |= bool(marker) and self.output.read_state(marker + state)
                if log:
                    ordinary.append(log)
            head = b"\n".join(ordinary)
        if head:
            news |= self.output.read_log(head)
            self._source.feed(head + b"\n")
        if news:
            self._news.set()
