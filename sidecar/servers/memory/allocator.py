"""What an engine's own allocator says that a start would take, without loading the weights.

Owns the trial start: the engine's own command, ended as soon as it has made its plan, before it reads a weight.
llama-fit-params, which exists for this, is not used: it reserves outputs for a whole batch where a server has one for
each slot, leaves out the copy that is rearranged for the CPU, and knows neither projectors nor slots (280 MiB in place
of 200 for the starter model).
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from sidecar.engines.launch import Endpoint, Launch
from sidecar.engines.output.memory_lines import MemoryLines
from sidecar.engines.output.start_output import EngineOutput
from sidecar.processes.child import ChildProcess
from sidecar.processes.errors import ProcessError

TRIAL_SECONDS = 20.0
"""A plan takes 0.3 s, on a cold disk and for a model of hundreds of layers some seconds."""

MAX_OUTPUT_BYTES = 4 * 1024 * 1024
"""An engine has said where its memory goes after 20 KB."""

MAX_LINE_BYTES = 8 * 1024
"""Of a line that is read: one that counts has 200. Patterns take seconds for one of 64 KB."""

PLANS_REMEMBERED = 64
"""Settings of which the plan is kept; looking for what fits tries a dozen."""

ROOMS_SECONDS = 2.0
"""How long a plan with GPUs is kept: what they have free changes with every start. What is planned of main memory alone
stays the same."""

_ASKABLE = frozenset({"llama-server", "embedded"})
_LOADING = (b"loading model tensors", b"listening on")
"""An engine that gets so far without a plan makes none."""


class Allocators:
    """Asks engines for their plans, each for the same settings once, or anew where it tells of GPUs.

    Args:
        clock: seconds, for ROOMS_SECONDS.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: OrderedDict[Any, tuple[float, MemoryLines | None]] = OrderedDict()
        self._clock = clock
        self._one = anyio.Lock()

    async def plan(self, launch: Launch) -> MemoryLines | None:
        """The plan of an engine; `None` where it makes none, or cannot be asked."""
        if launch.engine.name not in _ASKABLE:
            return None
        async with self._one:  # several at once would only hold each other up
            key = await anyio.to_thread.run_sync(_key, launch)
            if not self._holds(key):
                lines = await _ask(launch)
                self._known[key] = (self._clock(), lines)
                if len(self._known) > PLANS_REMEMBERED:
                    self._known.popitem(last=False)
            return self._known[key][1]

    def _holds(self, key: Any) -> bool:
        """Whether a plan is known and still true."""
        if key not in self._known:
            return False
        asked_at, lines = self._known[key]
        return lines is None or not lines.rooms or self._clock() - asked_at < ROOMS_SECONDS


def _key(launch: Launch) -> Any:
    files = []
    for path in (str(launch.model_path), launch.settings.mmproj_path, *(launch.settings.lora or ())):
        if path is None:
            continue
        try:
            info = Path(path).stat()
            files.append((path, info.st_size, info.st_mtime_ns))
        except OSError:  # the engine will say so
            files.append((path, 0, 0))
    command = launch.engine.command(launch, Endpoint())
    program = _stamp(launch.engine.path)
    return tuple(command.argv), tuple(sorted(command.env.items())), tuple(files), program, launch.engine.version


def _stamp(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:  # a module's name
        return 0


async def _ask(launch: Launch) -> MemoryLines | None:
    listener = _Listener()
    command = launch.engine.command(launch, Endpoint()).with_key(secrets.token_hex(32))
    try:
        child = await ChildProcess.start(command)
    except ProcessError:  # a start with these settings will tell why
        return None
    try:
        with anyio.move_on_after(TRIAL_SECONDS):
            while (lines := await child.output.read_lines(longest=MAX_LINE_BYTES)) is not None:
                if listener.take_in(lines):
                    break
    finally:
        await child.stop(grace_seconds=0)
    return listener.lines if listener.lines.fitted and listener.lines.planned else None


class _Listener:
    """Reads a trial's output as far as its plan."""

    def __init__(self) -> None:
        self.lines = MemoryLines()
        self._state = EngineOutput()
        self._bytes = 0

    def take_in(self, lines: bytes) -> bool:
        """Read whole lines, without the last LF; returns whether no more are needed."""
        self._bytes += len(lines)
        for line in lines.split(b"\n"):
            if len(line) > MAX_LINE_BYTES:
                continue
            self.lines.read(line)
            self._state.read_state(line)
            progress = self._state.progress
            loading = self._state.ready or (progress is not None and progress.value > 0)
            if self.lines.fitted or loading or any(mark in line for mark in _LOADING):
                return True
        return self._bytes > MAX_OUTPUT_BYTES
