"""NVIDIA GPUs, through NVML.

Owns the only thread that ever calls the driver. A driver can hang inside a call, permanently and beyond any signal
(NVIDIA/go-nvml#152): readings then report that immediately, without waiting for it, and the thread, a daemon, does not
keep the process alive. Knows nothing of engines, only of process ids.
"""

# ruff: noqa: N802 - the names are NVML's

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal, Protocol, TypeVar, cast

import anyio
import msgspec

from sidecar.contract.resources import GpuStatus, GpuUse

NVML_TIMEOUT_SECONDS = 2.0
"""Longest reading. Reading eight GPUs takes 20 ms; a laptop GPU that wakes up takes up to a second."""

_NO_VALUE = frozenset({2, 3, 4, 13})
"""INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND: this device has no such value or does not report
it, as with MIG, virtual GPUs, memory shared with the processor, or old drivers."""

_NO_DRIVER = frozenset({9, 12})
"""DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND."""

_SENSOR_OF_THE_CHIP = 0

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Nvml(Protocol):
    """The parts of the `pynvml` module that are used."""

    NVMLError: type[Exception]
    """Has the error's number as `value`."""

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlSystemGetDriverVersion(self) -> str: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...
    def nvmlDeviceGetName(self, handle: Any) -> str: ...
    def nvmlDeviceGetUUID(self, handle: Any) -> str: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...
    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int: ...
    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Sequence[Any]: ...
    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> Sequence[Any]: ...


def load_nvml() -> Nvml:
    """The real NVML.

    Raises:
        ImportError: nvidia-ml-py is not installed.
    """
    import pynvml

    return cast("Nvml", pynvml)


class GpuReading(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of the GPUs.

    Attributes:
        memory_by_pid: bytes over all GPUs of each process that the driver lists. One that it does not list, or whose
            memory it does not report, is missing.
    """

    status: GpuStatus
    gpus: list[GpuUse] = msgspec.field(default_factory=list)
    memory_by_pid: dict[int, int] = msgspec.field(default_factory=dict)


class GpuReader:
    """Reads the GPUs, one reading at a time for all callers.

    Args:
        load: returns the NVML module; called on the reader's own thread, again after each failure.
        timeout_seconds: how long a reading may take before the driver counts as hanging.
    """

    def __init__(self, load: Callable[[], Nvml] = load_nvml, *, timeout_seconds: float = NVML_TIMEOUT_SECONDS) -> None:
        self._driver = _Driver(load)
        self._timeout = timeout_seconds
        self._requests: queue.SimpleQueue[Future[GpuReading] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._current: Future[GpuReading] | None = None
        self._requested_at = 0.0

    async def read(self) -> GpuReading:
        """The GPUs now. Takes `timeout_seconds` at most, and no time at all while the driver hangs. Never raises."""
        if self._current is None or self._current.done():
            self._current = self._request()
        left = self._requested_at + self._timeout - time.monotonic()
        if left > 0:
            with anyio.move_on_after(left):
                return await _outcome(self._current)
        if self._current.done():
            return self._current.result()
        seconds = time.monotonic() - self._requested_at
        message = f"The NVIDIA driver has not answered for {seconds:.0f} s. GPU values are missing until it does."
        return _no_gpus("hanging", message)

    def close(self) -> None:
        """Make the thread end once the driver returns. Does not wait; safe to call twice; no reading follows."""
        self._requests.put(None)

    def _request(self) -> Future[GpuReading]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="nvml", daemon=True)
            self._thread.start()
        future: Future[GpuReading] = Future()
        # From now on it cannot be cancelled: several callers may be waiting for it.
        future.set_running_or_notify_cancel()
        self._requested_at = time.monotonic()
        self._requests.put(future)
        return future

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            request.set_result(self._driver.read())
        self._driver.shut_down()


async def _outcome(future: Future[T]) -> T:
    """Wait for a result of another thread: by asyncio, since only anyio's own threads can wake anyio."""
    return await asyncio.wrap_future(future)


class _Driver:
    """The blocking side: used by the reader's thread alone."""

    def __init__(self, load: Callable[[], Nvml]) -> None:
        self._load = load
        self._nvml: Nvml | None = None

    def read(self) -> GpuReading:
        try:
            nvml = self._opened()
        except Exception as error:  # noqa: BLE001 - whatever a driver does is reported and not raised
            if isinstance(error, ImportError):
                return _no_gpus("absent", "nvidia-ml-py is not installed, so NVIDIA GPUs cannot be read.")
            if getattr(error, "value", None) in _NO_DRIVER:
                return _no_gpus("absent", "No NVIDIA driver is loaded.")
            return _no_gpus("failing", f"The NVIDIA driver cannot be used: {error}.")
        try:
            return self._read(nvml)
        except Exception as error:  # noqa: BLE001 - as above
            self.shut_down()
            return _no_gpus("failing", f"The NVIDIA driver failed: {error}.")

    def shut_down(self) -> None:
        """Close the driver; the next reading opens it again, which is what a reset GPU or a new driver needs."""
        nvml, self._nvml = self._nvml, None
        if nvml is None:
            return
        try:
            nvml.nvmlShutdown()
        except Exception as error:  # noqa: BLE001 - nothing is lost: it was being closed
            _log.debug("NVML did not shut down: %s", error)

    def _opened(self) -> Nvml:
        if self._nvml is None:
            nvml = self._load()
            nvml.nvmlInit()
            self._nvml = nvml
        return self._nvml

    def _read(self, nvml: Nvml) -> GpuReading:
        gpus: list[GpuUse] = []
        memory: dict[int, int] = {}
        problems: list[str] = []
        failed = False
        version = _value(nvml, nvml.nvmlSystemGetDriverVersion)
        count = nvml.nvmlDeviceGetCount()
        for index in range(count):
            try:
                gpus.append(_read_gpu(nvml, index, version, memory))
            except nvml.NVMLError as error:
                # One GPU that fell off the bus must not hide the others.
                failed = failed or getattr(error, "value", None) not in _NO_VALUE
                problems.append(f"GPU {index} cannot be read: {error}.")
        if failed:
            self.shut_down()
        message = " ".join(problems) or (
            f"{count} GPU{'s' if count > 1 else ''}." if count else "The driver has no GPU."
        )
        status = GpuStatus(state="failing" if failed else "ok", message=message)
        return GpuReading(status=status, gpus=gpus, memory_by_pid=memory)


def _read_gpu(nvml: Nvml, index: int, driver_version: str | None, memory_by_pid: dict[int, int]) -> GpuUse:
    """One GPU; the memory of its processes is added to `memory_by_pid`."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _value(nvml, partial(nvml.nvmlDeviceGetMemoryInfo, handle))
    rates = _value(nvml, partial(nvml.nvmlDeviceGetUtilizationRates, handle))
    milliwatts = _value(nvml, partial(nvml.nvmlDeviceGetPowerUsage, handle))
    celsius = _value(nvml, partial(nvml.nvmlDeviceGetTemperature, handle, _SENSOR_OF_THE_CHIP))
    gpu = GpuUse(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        total_bytes=None if memory is None else memory.total,
        used_bytes=None if memory is None else memory.used,
        free_bytes=None if memory is None else memory.free,
        utilization_percent=None if rates is None else float(rates.gpu),
        temperature_celsius=None if celsius is None else float(celsius),
        power_watts=None if milliwatts is None else milliwatts / 1000,
        driver_version=driver_version,
    )
    for pid, used in _memory_by_pid(nvml, handle).items():
        memory_by_pid[pid] = memory_by_pid.get(pid, 0) + used
    return gpu


def _memory_by_pid(nvml: Nvml, handle: Any) -> dict[int, int]:
    """Bytes of one GPU by process. A process can be in both lists, with the same memory."""
    by_pid: dict[int, int] = {}
    for list_processes in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        for process in _value(nvml, partial(list_processes, handle)) or ():
            if process.usedGpuMemory is not None:  # not reported by Windows' driver model and in containers
                by_pid[process.pid] = max(by_pid.get(process.pid, 0), process.usedGpuMemory)
    return by_pid


def _value(nvml: Nvml, read: Callable[[], T]) -> T | None:
    """A value of the driver; `None` where this device or driver does not have it."""
    try:
        return read()
    except nvml.NVMLError as error:
        if getattr(error, "value", None) in _NO_VALUE:
            return None
        raise


def _no_gpus(state: Literal["absent", "failing", "hanging"], message: str) -> GpuReading:
    return GpuReading(status=GpuStatus(state=state, message=message))
