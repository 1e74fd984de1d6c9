"""The bound on the memory of engines: one that grows far beyond its plan is ended before the machine is out of memory.

Owns the bound, and the one sampler for all engines. A model's template and a request's schema are programs that others
wrote, and both can grow without end. There is no bound that the kernel could keep in place of this: RLIMIT_AS counts
mapped models and the address space that CUDA reserves (terabytes), RLIMIT_DATA counts reserved memory of threads and
GPU drivers as well, and both make an allocation fail in the midst of other requests; RLIMIT_RSS has no effect on Linux.
A control group needs a service manager that delegates one.

So memory is sampled. What an engine uses counts only while the machine is short: a plan is an estimate, and a wrong one
must not end an engine that does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import SidecarError
from sidecar.engines.launch import Launch
from sidecar.engines.lifecycle.engine_errors import grew
from sidecar.engines.lifecycle.engine_run import EngineRun
from sidecar.engines.output.memory_lines import HOST
from sidecar.host import memory as host_memory
from sidecar.logs.defects import internal_error
from sidecar.servers.memory.estimates import MemoryEstimates

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25
"""Between two samples, of some 0.1 ms each. A looping template takes 0.5 GB a second: 0.1 GB within this time."""

LOW_SHARE = 0.15
"""The machine is short of memory while less than this share is free. A tenth is to stay free: the rest is what an
engine can take until it has been found and ended."""

FACTOR = 1.25
"""How far above its plan an engine may be; the largest errors of plans that were measured are some 10 percent."""

HEADROOM_BYTES = 512 * 1024 * 1024
"""What it may use beside, whatever its plan: long requests, images, the allocator's own reserves."""

LEAST_BYTES = 1024 * 1024 * 1024
"""The lowest bound, for tiny models, whose plans hold mostly the program itself."""

PLAN_SECONDS = 2.0
"""How long a plan may take to be made again, while memory runs out. Without one, the files' sizes count."""


class Use(msgspec.Struct, frozen=True):
    """What one engine uses, and was planned to use, in bytes of main memory."""

    used: int
    plan: int

    @property
    def excess(self) -> int:
        """Bytes above the bound; negative below it."""
        return self.used - max(int(self.plan * FACTOR) + HEADROOM_BYTES, LEAST_BYTES)


def is_short(free: int, usable: int) -> bool:
    """Whether so little of the usable memory is free that growing engines are ended."""
    return free < usable * LOW_SHARE


def to_end(uses: Iterable[Use]) -> int | None:
    """The index of the engine that is farthest above its bound; `None` if none is. One at a time: its end frees memory,
    and the others may be within their plans."""
    found = list(uses)
    worst = max(range(len(found)), key=lambda i: found[i].excess, default=None)
    return worst if worst is not None and found[worst].excess > 0 else None


class MemoryWatch:
    """Watches the memory of engines.

    Args:
        memory: makes the plans.
        free_bytes, usable_bytes: of the machine, or of our control group; block.
        own_bytes: memory of a process by its id; blocks.
    """

    def __init__(
        self,
        memory: MemoryEstimates,
        *,
        free_bytes: Callable[[], int] = host_memory.free_bytes,
        usable_bytes: Callable[[], int] = host_memory.usable_bytes,
        own_bytes: Callable[[int], int] = host_memory.own_bytes,
    ) -> None:
        self._memory = memory
        self._free_bytes = free_bytes
        self._usable_bytes = usable_bytes
        self._own_bytes = own_bytes
        self._runs: dict[EngineRun, str] = {}
        self._plans: dict[EngineRun, int] = {}
        self._added = anyio.Event()

    def add(self, server_id: str, run: EngineRun) -> None:
        """Watch an engine from now on."""
        self._runs[run] = server_id
        self._added.set()

    def remove(self, run: EngineRun) -> None:
        """Watch it no longer: its process is gone. Safe to call twice."""
        self._runs.pop(run, None)
        self._plans.pop(run, None)

    async def run(self) -> None:
        """Sample as long as there are engines, and wait for one where there are none. Runs until it is cancelled."""
        while True:
            if not self._runs:
                self._added = anyio.Event()
                await self._added.wait()
            try:
                await self.check()
            except Exception as error:  # noqa: BLE001 - a defect of ours must not end the engines
                internal_error(error)
            await anyio.sleep(INTERVAL_SECONDS)

    async def check(self) -> None:
        """Take one sample, and condemn the engine that is farthest above its bound, if the machine is short."""
        if not await anyio.to_thread.run_sync(self._machine_is_short):
            return
        runs = [run for run in self._runs if run.pid is not None]
        if any(run.condemned is not None for run in runs):
            return  # it is being ended; what that frees is not known yet
        uses = [await self._use(run) for run in runs]
        worst = to_end(uses)
        if worst is None or runs[worst] not in self._runs:
            return
        run, use = runs[worst], uses[worst]
        process = run.process
        assert process is not None  # noqa: S101 - it has a pid
        run.condemn(grew(self._runs[run], process, plan=use.plan, used=use.used, ready=run.ready_seconds > 0))

    def _machine_is_short(self) -> bool:
        return is_short(self._free_bytes(), self._usable_bytes())

    async def _use(self, run: EngineRun) -> Use:
        pid = run.pid
        used = await anyio.to_thread.run_sync(self._own_bytes, pid) if pid is not None else 0
        if run not in self._plans:
            self._plans[run] = await self._plan(run.launch)
        return Use(used, self._plans[run])

    async def _plan(self, launch: Launch) -> int:
        """Bytes of main memory that a launch was planned with: at least its files, which may be read into memory."""
        files = await anyio.to_thread.run_sync(_files_bytes, launch)
        with anyio.move_on_after(PLAN_SECONDS):
            try:
                found = await self._memory.estimate(launch, quick=True)
            except SidecarError as problem:
                logger.info("no plan of %s for its bound on memory: %s", launch.model_name, problem.message)
                return files
            return max(files, sum(one.total_bytes for one in found.devices if one.device == HOST))
        return files


def _files_bytes(launch: Launch) -> int:
    settings = launch.settings
    paths = (launch.model_path, settings.mmproj_path, settings.draft_model, *(settings.lora or ()))
    total = 0
    for path in paths:
        try:
            total += Path(path).stat().st_size if path is not None else 0
        except OSError:  # it was deleted while the engine runs
            continue
    return total
