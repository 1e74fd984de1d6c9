"""One child process: its start, its output, its end, and the end of its orphans.

Owns the operating-system process and the pipes. Does not know the meaning of the output, and calls none of its readers.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from sidecar.host import limits, process_tree
from sidecar.host.environment import child_environment
from sidecar.processes import tags
from sidecar.processes.command import Command
from sidecar.processes.errors import ProcessError, ProgramNotFound, SpawnRefused
from sidecar.processes.output import ChildOutput
from sidecar.processes.owner import owner

logger = logging.getLogger(__name__)

LAST_OUTPUT_SECONDS = 0.5
"""How long to wait for the end of the output once the process has ended: a process below it that has left its group
may hold the pipe open."""

KILLED_SECONDS = 10.0
"""How long a killed process may take to be gone. One that hangs in the kernel, on a GPU or a dead network disk, is not
waited for."""

STDIN, STDOUT = 0, 1


class ChildProcess(asyncio.SubprocessProtocol):
    """A started process.

    Attributes:
        output: its stdout and stderr together.
        exit_code: negative for a signal; `None` while it runs.
        ended: it has ended, and all of its output is in `output`.
    """

    def __init__(self) -> None:
        self.output = ChildOutput()
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self.started_at = 0.0
        self.started_clock = 0.0
        self._exited = asyncio.Event()
        self._tag: str
        self._clean: asyncio.Task[None]
        self._transport: asyncio.SubprocessTransport

    @classmethod
    async def start(cls, command: Command) -> ChildProcess:
        """Start a process; callers have to `stop` it. Cancellable until the process exists, not after.

        Raises:
            ProgramNotFound: the program is not there.
            SpawnRefused: the system refuses to run it.
        """
        child = cls()
        program = command.argv[0]
        await anyio.lowlevel.checkpoint_if_cancelled()
        try:
            with anyio.CancelScope(shield=True):
                await child._start(command)
        except OSError as error:
            raise _refused(program, error) from None
        except ValueError as error:  # a NUL in an argument, an = in a variable's name
            message = f"{program} cannot be run with these arguments: {error}."
            raise SpawnRefused(program, message, reason="bad_arguments") from None
        return child

    async def _start(self, command: Command) -> None:
        self._tag = await anyio.to_thread.run_sync(owner.prepare)
        self.started_at, self.started_clock = time.time(), time.monotonic()
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *command.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=child_environment({**command.env, tags.VARIABLE: self._tag}),
                cwd=command.cwd,
                **process_tree.spawn_options(),
            )
        except BaseException:
            await anyio.to_thread.run_sync(owner.ended, self._tag)
            raise
        await anyio.to_thread.run_sync(owner.started, self.pid, self._tag)
        self._clean = asyncio.create_task(self._clean_up())

    @property
    def pid(self) -> int:
        """Process id; its process group has the same."""
        return self._transport.get_pid()

    def close_stdin(self) -> None:
        """Close its stdin."""
        self._close_pipe(STDIN)

    async def stop(self, *, grace_seconds: float) -> None:
        """End the process and everything it has started: by closing stdin and SIGTERM, later by SIGKILL.

        Safe to call twice, and when it has ended by itself. Callers must not cancel it.
        """
        with anyio.CancelScope(shield=True):
            if self.exit_code is None:
                below = await anyio.to_thread.run_sync(process_tree.descendants, self.pid)
                await self._end(grace_seconds)
                await anyio.to_thread.run_sync(process_tree.kill, below)
            with anyio.move_on_after(KILLED_SECONDS):
                await self.ended.wait()
            if not self.ended.is_set():
                logger.error("process %d cannot be killed: it hangs in the system", self.pid)
                return
            await self._clean

    async def _end(self, grace_seconds: float) -> None:
        if self.exit_code is not None:
            return
        self.close_stdin()
        process_tree.terminate(self.pid)
        with anyio.move_on_after(grace_seconds):
            await self.ended.wait()
        if self.exit_code is None:
            await anyio.to_thread.run_sync(process_tree.kill_tree, self.pid)

    async def _clean_up(self) -> None:
        """Once it has ended, by itself or not, end its orphans."""
        await self._exited.wait()
        await anyio.to_thread.run_sync(owner.ended, self._tag)

    # --- asyncio.SubprocessProtocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - asyncio's promise
        self._transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.output.put(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == STDOUT:
            self._finish_if_over()

    def process_exited(self) -> None:
        self.exit_code = self._transport.get_returncode()
        process_tree.kill_group(self.pid)
        self._exited.set()
        asyncio.get_running_loop().call_later(LAST_OUTPUT_SECONDS, self._close_pipe, STDOUT)
        self._finish_if_over()

    def _finish_if_over(self) -> None:
        pipe = self._transport.get_pipe_transport(STDOUT)
        if self.exit_code is None or not (pipe is None or pipe.is_closing()) or self.ended.is_set():
            return
        self._transport.close()
        self.output.end()
        self.ended.set()

    def _close_pipe(self, fd: int) -> None:
        if pipe := self._transport.get_pipe_transport(fd):
            pipe.close()


_WRONG_FORMAT = {errno.ENOEXEC, 86}
"""No program for this system or processor; macOS has EBADARCH."""

_WRONG_FORMAT_ON_WINDOWS = {193, 216}
"""ERROR_BAD_EXE_FORMAT and ERROR_EXE_MACHINE_TYPE_MISMATCH; untested."""


def _refused(program: str, error: OSError) -> ProcessError:
    """Why the system does not run a program."""
    if isinstance(error, FileNotFoundError):
        if not Path(program).exists():
            return ProgramNotFound(program, f"There is no program {program}.")
        # Also reported if the program's loader is missing: a build for another Linux, a script without its shell.
        message = f"{program} cannot be run: the loader or interpreter that it names is not on this machine."
        return SpawnRefused(program, message, reason="missing_loader")
    message = f"{program} cannot be run: {error.strerror}."
    if error.errno == errno.E2BIG:
        return SpawnRefused(program, message, reason="arguments_too_long")
    if limits.shortage(error) is not None:
        return SpawnRefused(program, message, reason="short_of_descriptors")
    if error.errno in _WRONG_FORMAT or getattr(error, "winerror", None) in _WRONG_FORMAT_ON_WINDOWS:
        return SpawnRefused(program, message, reason="wrong_format")
    denied = error.errno in (errno.EACCES, errno.EPERM)
    return SpawnRefused(program, message, reason="permission_denied" if denied else "other")
