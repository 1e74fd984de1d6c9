"""The resources of the machine, and what it and the engines use of them.

Owns the readings, and the earlier ones that percentages are computed from. Knows engines only by their process ids,
and the GPUs only as `gpus` reports them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.resources import CpuUse, DiskUse, MemoryUse, Resources, ServerUse
from sidecar.host.gpus import GpuReader, GpuReading

MIN_INTERVAL_SECONDS = 0.1
"""Shortest interval for percentages: the system counts processor time in steps of 10 ms."""


class EngineProcess(msgspec.Struct, frozen=True):
    """An engine's process; its children count as its own."""

    server_id: str
    pid: int


class _ProcessSample(msgspec.Struct, frozen=True):
    memory_bytes: int
    cpu_seconds: dict[tuple[int, float], float]
    """Of each process of the tree, by pid and time of creation."""


class _Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The system's counters, each since some start."""

    taken_at: float
    busy_seconds: float
    all_seconds: float
    engines: dict[EngineProcess, _ProcessSample]
    memory: MemoryUse
    disk: DiskUse


class _Percentages(msgspec.Struct, frozen=True):
    cpu: float
    engines: dict[EngineProcess, float]


class ResourceMonitor:
    """Reads the machine. Percentages are since the previous reading, and 0 at the first.

    Args:
        data_dir: the folder whose disk is reported; it need not exist yet.
        gpus: reads the GPUs.
    """

    def __init__(self, data_dir: Path, *, gpus: GpuReader | None = None) -> None:
        self._data_dir = data_dir
        self._gpus = gpus or GpuReader()
        # A limiter of its own: a dead network disk then blocks the next reading, and no other work.
        self._limiter = anyio.CapacityLimiter(1)
        self._earlier: _Sample | None = None
        self._percentages = _Percentages(0.0, {})
        self._cores: tuple[int, int | None] | None = None

    async def read(self, engines: Sequence[EngineProcess] = ()) -> Resources:
        """The machine now. Engines whose process is gone, or may not be read, are left out."""
        sample, cores = await anyio.to_thread.run_sync(
            self._sample, tuple(engines), limiter=self._limiter, abandon_on_cancel=True
        )
        gpus = await self._gpus.read()
        if self._earlier is None:
            self._earlier = sample
        elif sample.taken_at - self._earlier.taken_at >= MIN_INTERVAL_SECONDS:
            self._percentages = _percentages(self._earlier, sample)
            self._earlier = sample
        logical, physical = cores
        return Resources(
            at=time.time(),
            cpu=CpuUse(percent=self._percentages.cpu, logical_cores=logical, physical_cores=physical),
            memory=sample.memory,
            disk=sample.disk,
            gpus=gpus.gpus,
            gpu_status=gpus.status,
            servers=[
                ServerUse(
                    server_id=engine.server_id,
                    pid=engine.pid,
                    memory_bytes=use.memory_bytes,
                    cpu_percent=self._percentages.engines.get(engine, 0.0),
                    gpu_memory_bytes=_gpu_memory(use, gpus),
                )
                for engine, use in sample.engines.items()
            ],
        )

    def close(self) -> None:
        """Make the GPU thread end, without waiting for it. Safe to call twice; no reading follows."""
        self._gpus.close()

    def _sample(self, engines: tuple[EngineProcess, ...]) -> tuple[_Sample, tuple[int, int | None]]:
        import psutil

        if self._cores is None:
            self._cores = (psutil.cpu_count() or 1, psutil.cpu_count(logical=False))
        times = psutil.cpu_times()
        # On Linux the time of virtual machines is in `user` already, and waiting for a disk is idling.
        everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        memory = psutil.virtual_memory()
        sample = _Sample(
            taken_at=time.monotonic(),
            busy_seconds=everything - times.idle - getattr(times, "iowait", 0.0),
            all_seconds=everything,
            engines={engine: use for engine in engines if (use := _process_tree(engine.pid)) is not None},
            memory=MemoryUse(total_bytes=memory.total, available_bytes=memory.available, used_bytes=memory.used),
            disk=_disk(self._data_dir),
        )
        return sample, self._cores


def _process_tree(pid: int) -> _ProcessSample | None:
    """What a process and its descendants use; `None` where it is gone or may not be read."""
    import psutil

    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    memory_bytes = 0
    cpu_seconds: dict[tuple[int, float], float] = {}
    for process in tree:
        try:
            with process.oneshot():
                times = process.cpu_times()
                memory_bytes += process.memory_info().rss
                cpu_seconds[process.pid, process.create_time()] = times.user + times.system
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            if process is root:
                return None
    return _ProcessSample(memory_bytes, cpu_seconds)


def _disk(folder: Path) -> DiskUse:
    for existing in (folder, *folder.parents):
        try:
            usage = shutil.disk_usage(existing)
        except FileNotFoundError:
            continue
        return DiskUse(path=str(folder), total_bytes=usage.total, free_bytes=usage.free)
    raise FileNotFoundError(f"No folder on the way to {folder} exists.")


def _percentages(earlier: _Sample, now: _Sample) -> _Percentages:
    """The use of processors between two samples."""
    everything = now.all_seconds - earlier.all_seconds
    busy = now.busy_seconds - earlier.busy_seconds
    elapsed = now.taken_at - earlier.taken_at
    engines: dict[EngineProcess, float] = {}
    for engine, use in now.engines.items():
        if before := earlier.engines.get(engine):
            spent = sum(
                max(0.0, seconds - before.cpu_seconds.get(process, 0.0)) for process, seconds in use.cpu_seconds.items()
            )
            engines[engine] = round(100 * spent / elapsed, 1)
    cpu = 100 * busy / everything if everything > 0 else 0.0
    return _Percentages(round(min(100.0, max(0.0, cpu)), 1), engines)


def _gpu_memory(use: _ProcessSample, gpus: GpuReading) -> int | None:
    reported = [gpus.memory_by_pid[pid] for pid, _ in use.cpu_seconds if pid in gpus.memory_by_pid]
    return sum(reported) if reported else None
