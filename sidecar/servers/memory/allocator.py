"""The memory that a start would use according to the engine's own allocator, without loading the weights.

Owns the trial start: the engine's own command, ended as soon as it has made its plan, before it reads a weight.
llama-fit-params, which exists for this, is not used: it reserves outputs for a whole batch where a server has one for
each slot, leaves out the copy that is repacked for the CPU, and knows neither projectors nor slots (280 MiB instead of
200 for the starter model).
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
"""A plan takes 0.3 s; on a cold disk, or for a model of hundreds of layers, it takes some seconds."""

MAX_OUTPUT_BYTES = 4 * 1024 * 1024
"""The limit of a trial's output; an engine prints its plan within the first 20 KB."""

MAX_LINE_BYTES = 8 * 1024
"""The longest line that is parsed: a line of the plan has 200 bytes, and the patterns take seconds for 64 KB."""

MAX_CACHED_PLANS = 64
"""Plans in the cache; a search for settings that fit tries a dozen."""

GPU_PLAN_SECONDS = 2.0
"""How long a plan with GPUs stays in the cache: their free memory changes with every start. A plan of main memory alone
does not expire."""

_PLANNING_ENGINES = frozenset({"llama-server", "embedded"})
_LOADING = (b"loading model tensors", b"listening on")
"""Log texts of an engine that loads without having printed a plan: it makes none."""


class Allocators:
    """Runs trial starts for memory plans, and caches the plans.

    Args:
        clock: seconds, for GPU_PLAN_SECONDS.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: OrderedDict[Any, tuple[float, MemoryLines | None]] = OrderedDict()
        self._clock = clock
        self._lock = anyio.Lock()

    async def plan(self, launch: Launch) -> MemoryLines | None:
        """The plan of an engine; `None` if it makes none, or cannot be run."""
        if launch.engine.name not in _PLANNING_ENGINES:
            return None
        async with self._lock:  # concurrent trials would only slow each other down
            key = await anyio.to_thread.run_sync(_key, launch)
            if not self._is_current(key):
                lines = await _run_trial(launch)
                self._known[key] = (self._clock(), lines)
                if len(self._known) > MAX_CACHED_PLANS:
                    self._known.popitem(last=False)
            return self._known[key][1]

    def _is_current(self, key: Any) -> bool:
        """Whether a plan is in the cache and has not expired."""
        if key not in self._known:
            return False
        made_at, lines = self._known[key]
        return lines is None or not lines.gpu_memory or self._clock() - made_at < GPU_PLAN_SECONDS


def _key(launch: Launch) -> Any:
    files = []
    for path in (str(launch.model_path), launch.settings.mmproj_path, *(launch.settings.lora or ())):
        if path is None:
            continue
        try:
            info = Path(path).stat()
            files.append((path, info.st_size, info.st_mtime_ns))
        except OSError:  # the engine reports it
            files.append((path, 0, 0))
    command = launch.engine.command(launch, Endpoint())
    program = _stamp(launch.engine.path)
    return tuple(command.argv), tuple(sorted(command.env.items())), tuple(files), program, launch.engine.version


def _stamp(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:  # a module's name
        return 0


async def _run_trial(launch: Launch) -> MemoryLines | None:
    reader = _PlanReader()
    command = launch.engine.command(launch, Endpoint()).with_key(secrets.token_hex(32))
    try:
        child = await ChildProcess.start(command)
    except ProcessError:  # a start with these settings reports the reason
        return None
    try:
        with anyio.move_on_after(TRIAL_SECONDS):
            while (lines := await child.output.read_lines(longest=MAX_LINE_BYTES)) is not None:
                if reader.feed(lines):
                    break
    finally:
        await child.stop(grace_seconds=0)
    return reader.lines if reader.lines.fitted and reader.lines.planned else None


class _PlanReader:
    """Reads a trial's output up to the end of its plan."""

    def __init__(self) -> None:
        self.lines = MemoryLines()
        self._state = EngineOutput()
        self._bytes = 0

    def feed(self, lines: bytes) -> bool:
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
