"""What the machine has and uses; above all, what becomes of a reading when the GPU driver does not play along."""

# ruff: noqa: N802 - the names are NVML's

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from sidecar.contract.resources import DiskUse, GpuStatus, GpuUse, MemoryUse, Resources
from sidecar.host import hardware
from sidecar.host.gpus import GpuReader, GpuReading, Nvml
from sidecar.host.hardware import EngineProcess, ResourceMonitor

pytestmark = pytest.mark.anyio

LONG_SECONDS = 30.0
"""More than any machine needs: what takes longer hangs."""

SHORT_SECONDS = 0.05
"""For drivers that hang on purpose."""

NOT_SUPPORTED, NO_PERMISSION, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, UNKNOWN = 3, 4, 9, 12, 15, 999


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FakeError(Exception):
    """As pynvml's: a number and a text."""

    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


@dataclass
class FakeNvml:
    """A driver with one GPU, or more.

    Attributes:
        errors: the error that a function answers with, by its name.
        lost: the GPUs that answer with GPU_IS_LOST.
        stuck: while set, every reading hangs in the driver.
        entered: set when a reading got to the driver.
    """

    NVMLError: type[Exception] = FakeError
    count: int = 1
    errors: dict[str, int] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    compute: list[tuple[int, int | None]] = field(default_factory=list)
    graphics: list[tuple[int, int | None]] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    threads: set[threading.Thread] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.free.set()

    def _answer(self, name: str, value: Any) -> Any:
        self.calls.append(name)
        self.threads.add(threading.current_thread())
        if name in self.errors:
            raise FakeError(self.errors[name])
        return value

    def nvmlInit(self) -> None:
        self._answer("init", None)

    def nvmlShutdown(self) -> None:
        self._answer("shutdown", None)

    def nvmlSystemGetDriverVersion(self) -> str:
        return str(self._answer("version", "595.10"))

    def nvmlDeviceGetCount(self) -> int:
        self.entered.set()
        assert self.free.wait(LONG_SECONDS)
        return int(self._answer("count", self.count))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        if index in self.lost:
            raise FakeError(GPU_IS_LOST)
        return self._answer("handle", index)

    def nvmlDeviceGetName(self, handle: Any) -> str:
        return str(self._answer("name", f"Fake {handle}"))

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return str(self._answer("uuid", f"GPU-{handle}"))

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        return self._answer("memory", SimpleNamespace(total=100, used=40, free=60))

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        return self._answer("utilization", SimpleNamespace(gpu=55, memory=1))

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int:
        assert sensor == 0
        return int(self._answer("temperature", 61))

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        return int(self._answer("power", 71_500))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> Any:
        return self._answer("compute", [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in self.compute])

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Any) -> Any:
        return self._answer("graphics", [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in self.graphics])


def gpu(index: int = 0, **changes: Any) -> GpuUse:
    values: dict[str, Any] = {
        "index": index,
        "name": f"Fake {index}",
        "uuid": f"GPU-{index}",
        "total_bytes": 100,
        "used_bytes": 40,
        "free_bytes": 60,
        "utilization_percent": 55.0,
        "temperature_celsius": 61.0,
        "power_watts": 71.5,
        "driver_version": "595.10",
    }
    return GpuUse(**values | changes)


@pytest.fixture
def nvml() -> Iterator[FakeNvml]:
    fake = FakeNvml()
    yield fake
    fake.free.set()


MakeReader = Callable[..., GpuReader]


@pytest.fixture
def make_reader(nvml: FakeNvml) -> Iterator[MakeReader]:
    """Makes readers of the fake driver, whose threads end with the test."""
    made: list[GpuReader] = []

    def make(load: Callable[[], Nvml] = lambda: nvml, *, timeout_seconds: float = LONG_SECONDS) -> GpuReader:
        made.append(GpuReader(load, timeout_seconds=timeout_seconds))
        return made[-1]

    yield make
    nvml.free.set()
    for reader in made:
        reader.close()
        reader.close()
    for thread in nvml.threads:
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()


# --- a driver that works ---


async def test_a_gpu_is_told_with_all_its_values(make_reader: MakeReader, nvml: FakeNvml) -> None:
    nvml.compute = [(1, 30)]
    assert await make_reader().read() == GpuReading(
        status=GpuStatus(state="ok", message="1 GPU."), gpus=[gpu()], memory_by_pid={1: 30}
    )


async def test_memory_of_a_process_is_summed_over_gpus_and_counted_once_on_each(
    make_reader: MakeReader, nvml: FakeNvml
) -> None:
    nvml.count = 2
    nvml.compute = [(1, 30), (2, 5)]
    nvml.graphics = [(1, 30), (3, 7)]
    reading = await make_reader().read()
    assert (reading.status.message, reading.memory_by_pid) == ("2 GPUs.", {1: 60, 2: 10, 3: 14})


async def test_a_driver_without_gpus_is_fine(make_reader: MakeReader, nvml: FakeNvml) -> None:
    nvml.count = 0
    assert await make_reader().read() == GpuReading(status=GpuStatus(state="ok", message="The driver has no GPU."))


async def test_the_driver_is_only_ever_called_on_one_daemon_thread(make_reader: MakeReader, nvml: FakeNvml) -> None:
    reader = make_reader()
    for _ in range(3):
        await reader.read()
    (thread,) = nvml.threads
    assert thread.daemon
    assert thread is not threading.current_thread()
    assert nvml.calls.count("init") == 1


async def test_all_who_ask_at_once_share_a_reading(make_reader: MakeReader, nvml: FakeNvml) -> None:
    reader = make_reader()
    nvml.free.clear()
    readings: list[GpuReading] = []

    async def ask() -> None:
        readings.append(await reader.read())

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(ask)
        await anyio.to_thread.run_sync(nvml.entered.wait, LONG_SECONDS)
        nvml.free.set()
    assert [reading.status.state for reading in readings] == ["ok"] * 5
    assert nvml.calls.count("count") == 1


async def test_one_who_stops_waiting_does_not_disturb_the_others(make_reader: MakeReader, nvml: FakeNvml) -> None:
    reader = make_reader()
    nvml.free.clear()
    with anyio.CancelScope() as given_up:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader.read)
            await anyio.to_thread.run_sync(nvml.entered.wait, LONG_SECONDS)
            given_up.cancel()
    nvml.free.set()
    assert (await reader.read()).status.state == "ok"
    assert nvml.calls.count("count") == 1


# --- values that a driver does not tell ---


@pytest.mark.parametrize(
    ("function", "changes"),
    [
        ("utilization", {"utilization_percent": None}),
        ("temperature", {"temperature_celsius": None}),
        ("power", {"power_watts": None}),
        ("version", {"driver_version": None}),
        ("compute", {}),
        ("graphics", {}),
    ],
)
@pytest.mark.parametrize("error", [NOT_SUPPORTED, NO_PERMISSION])
async def test_a_value_that_the_driver_does_not_tell_is_null(
    make_reader: MakeReader, nvml: FakeNvml, function: str, changes: dict[str, Any], error: int
) -> None:
    nvml.errors[function] = error
    assert await make_reader().read() == GpuReading(
        status=GpuStatus(state="ok", message="1 GPU."), gpus=[gpu(**changes)]
    )


async def test_process_memory_that_the_driver_keeps_to_itself_is_left_out(
    make_reader: MakeReader, nvml: FakeNvml
) -> None:
    nvml.compute = [(1, None), (2, 8)]
    assert (await make_reader().read()).memory_by_pid == {2: 8}


async def test_a_gpu_that_shares_the_machines_memory_tells_none_of_its_own(
    make_reader: MakeReader, nvml: FakeNvml
) -> None:
    nvml.errors["memory"] = NOT_SUPPORTED
    assert await make_reader().read() == GpuReading(
        status=GpuStatus(state="ok", message="1 GPU."),
        gpus=[gpu(total_bytes=None, used_bytes=None, free_bytes=None)],
    )


# --- a driver that is not there, or fails ---


@pytest.mark.parametrize("error", [DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND])
async def test_no_driver_is_absent(make_reader: MakeReader, nvml: FakeNvml, error: int) -> None:
    nvml.errors["init"] = error
    assert await make_reader().read() == GpuReading(
        status=GpuStatus(state="absent", message="No NVIDIA driver is loaded.")
    )


async def test_no_library_is_absent(make_reader: MakeReader) -> None:
    def load() -> Nvml:
        raise ImportError("No module named 'pynvml'")

    assert (await make_reader(load).read()).status.state == "absent"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("init", "The NVIDIA driver cannot be used: error 999."),
        ("version", "The NVIDIA driver failed: error 999."),
        ("count", "The NVIDIA driver failed: error 999."),
        ("handle", "GPU 0 cannot be read: error 999."),
        ("utilization", "GPU 0 cannot be read: error 999."),
        ("compute", "GPU 0 cannot be read: error 999."),
    ],
)
async def test_a_driver_that_fails_says_so_and_is_used_again_once_it_works(
    make_reader: MakeReader, nvml: FakeNvml, function: str, message: str
) -> None:
    nvml.errors = {function: UNKNOWN, "shutdown": UNKNOWN}
    reader = make_reader()
    failing = GpuReading(status=GpuStatus(state="failing", message=message))
    assert [await reader.read() for _ in range(2)] == [failing] * 2
    nvml.errors = {}
    assert (await reader.read()).gpus == [gpu()]


async def test_a_lost_gpu_does_not_hide_the_others(make_reader: MakeReader, nvml: FakeNvml) -> None:
    nvml.count, nvml.lost = 3, {1}
    assert await make_reader().read() == GpuReading(
        status=GpuStatus(state="failing", message="GPU 1 cannot be read: error 15."), gpus=[gpu(0), gpu(2)]
    )


async def test_a_library_that_raises_anything_is_failing(make_reader: MakeReader) -> None:
    def load() -> Nvml:
        raise AttributeError("no such symbol")

    reading = await make_reader(load).read()
    assert reading.status == GpuStatus(state="failing", message="The NVIDIA driver cannot be used: no such symbol.")


# --- a driver that hangs ---


async def test_a_driver_that_hangs_is_told_at_once_from_then_on_and_recovers(
    make_reader: MakeReader, nvml: FakeNvml
) -> None:
    reader = make_reader(timeout_seconds=SHORT_SECONDS)
    nvml.free.clear()
    assert (await reader.read()).status.state == "hanging"
    for _ in range(3):
        with pytest.raises(StopIteration) as returned:  # it does not even let others run
            reader.read().send(None)
        assert returned.value.value.status.state == "hanging"
    nvml.free.set()
    with anyio.fail_after(LONG_SECONDS):
        while (reading := await reader.read()).status.state == "hanging":
            await anyio.lowlevel.checkpoint()
    assert reading.gpus == [gpu()]
    assert len(nvml.threads) == 1


async def test_a_driver_that_hangs_leaves_all_other_values_in_the_reading(
    make_reader: MakeReader, nvml: FakeNvml, tmp_path: Path
) -> None:
    nvml.free.clear()
    reading = await ResourceMonitor(tmp_path, gpus=make_reader(timeout_seconds=SHORT_SECONDS)).read()
    assert (reading.gpu_status.state, reading.gpus) == ("hanging", [])
    assert reading.memory.total_bytes > 0


HANGING_DRIVER = """
import anyio, threading
from sidecar.host.gpus import GpuReader

class Stuck:
    NVMLError = Exception
    def nvmlInit(self): threading.Event().wait()

print(anyio.run(GpuReader(Stuck, timeout_seconds=0.05).read).status.state)
"""


def test_a_driver_that_hangs_does_not_keep_the_process_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING_DRIVER], capture_output=True, text=True, timeout=LONG_SECONDS, check=True
    )
    assert (done.stdout, done.stderr) == ("hanging\n", "")


def test_nothing_heavy_is_imported_before_the_first_reading() -> None:
    code = "import sys, sidecar.host.hardware; print({'psutil', 'pynvml'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG_SECONDS, check=True
    )
    assert done.stdout == "set()\n"


# --- the machine and the engines ---

ENGINE = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('ready', flush=True); input()"], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
input()
child.wait()
"""


@pytest.fixture
def engine() -> Iterator[tuple[int, int]]:
    """A process and its child, both waiting: their pids."""
    with subprocess.Popen([sys.executable, "-c", ENGINE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield process.pid, int(process.stdout.readline())
        process.communicate(b"\n\n", timeout=LONG_SECONDS)


@pytest.fixture
def ended() -> int:
    """The pid of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(LONG_SECONDS)
    return process.pid


async def test_an_engine_is_told_with_what_its_whole_tree_uses(
    make_reader: MakeReader, nvml: FakeNvml, tmp_path: Path, engine: tuple[int, int]
) -> None:
    parent, child = engine
    nvml.compute = [(parent, 1000), (child, 200), (1, 9)]
    monitor = ResourceMonitor(tmp_path, gpus=make_reader())
    (of_both,) = (await monitor.read([EngineProcess("a", parent)])).servers
    (of_child,) = (await monitor.read([EngineProcess("b", child)])).servers
    assert (of_both.server_id, of_both.pid, of_both.gpu_memory_bytes) == ("a", parent, 1200)
    assert (of_child.server_id, of_child.pid, of_child.gpu_memory_bytes) == ("b", child, 200)
    assert of_both.memory_bytes > of_child.memory_bytes > 1_000_000


async def test_an_engine_that_the_driver_does_not_list_has_unknown_gpu_memory(
    make_reader: MakeReader, tmp_path: Path, engine: tuple[int, int]
) -> None:
    reading = await ResourceMonitor(tmp_path, gpus=make_reader()).read([EngineProcess("a", engine[0])])
    assert [server.gpu_memory_bytes for server in reading.servers] == [None]


async def test_an_engine_that_is_gone_is_left_out(
    make_reader: MakeReader, tmp_path: Path, engine: tuple[int, int], ended: int
) -> None:
    engines = [EngineProcess("gone", ended), EngineProcess("here", engine[0])]
    reading = await ResourceMonitor(tmp_path, gpus=make_reader()).read(engines)
    assert [server.server_id for server in reading.servers] == ["here"]


async def test_a_reading_fits_the_contract_whatever_this_machine_has(tmp_path: Path) -> None:
    monitor = ResourceMonitor(tmp_path / "not" / "there" / "yet")
    reading = await monitor.read()
    monitor.close()
    assert msgspec.convert(msgspec.to_builtins(reading), Resources) == reading
    assert reading.cpu.percent == 0.0
    assert reading.cpu.logical_cores >= 1
    assert 0 < reading.memory.available_bytes <= reading.memory.total_bytes
    assert 0 < reading.disk.free_bytes <= reading.disk.total_bytes
    assert reading.disk.path == str(tmp_path / "not" / "there" / "yet")


# --- percentages, from samples written by hand ---

PARENT, CHILD, NEW = (10, 1.0), (11, 2.0), (12, 99.0)
ENGINE_A = EngineProcess("a", 10)


def sample(
    at: float, *, busy: float = 0.0, everything: float = 0.0, engine: dict[tuple[int, float], float] | None = None
) -> hardware._Sample:
    return hardware._Sample(
        taken_at=at,
        busy_seconds=busy,
        all_seconds=everything,
        engines={} if engine is None else {ENGINE_A: hardware._ProcessSample(1, engine)},
        memory=MemoryUse(total_bytes=3, available_bytes=2, used_bytes=1),
        disk=DiskUse(path="/", total_bytes=2, free_bytes=1),
    )


@pytest.mark.parametrize(
    ("busy", "everything", "percent"),
    [(1.0, 4.0, 25.0), (0.0, 4.0, 0.0), (4.0, 4.0, 100.0), (4.1, 4.0, 100.0), (-0.01, 4.0, 0.0), (0.0, 0.0, 0.0)],
)
def test_use_of_processors_is_the_busy_part_of_all_time_between_readings(
    busy: float, everything: float, percent: float
) -> None:
    result = hardware._percentages(
        sample(100, busy=50, everything=900), sample(102, busy=50 + busy, everything=900 + everything)
    )
    assert result.cpu == percent


@pytest.mark.parametrize(
    ("before", "after", "percent"),
    [
        ({PARENT: 5.0}, {PARENT: 6.0}, {ENGINE_A: 50.0}),
        ({PARENT: 5.0, CHILD: 1.0}, {PARENT: 6.0, CHILD: 4.0}, {ENGINE_A: 200.0}),
        ({PARENT: 5.0}, {PARENT: 5.0, NEW: 0.5}, {ENGINE_A: 25.0}),
        ({PARENT: 5.0, CHILD: 7.0}, {PARENT: 5.5}, {ENGINE_A: 25.0}),
        (None, {PARENT: 5.0}, {}),
        ({PARENT: 5.0}, None, {}),
    ],
)
def test_use_of_an_engine_is_the_time_of_its_tree_between_readings(
    before: dict[tuple[int, float], float] | None,
    after: dict[tuple[int, float], float] | None,
    percent: dict[EngineProcess, float],
) -> None:
    assert hardware._percentages(sample(100, engine=before), sample(102, engine=after)).engines == percent


async def test_readings_too_close_to_each_other_tell_the_percentages_of_before(
    make_reader: MakeReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [sample(at, busy=busy, everything=at) for at, busy in ((100, 0), (102, 1), (102.05, 1.05), (104, 2))]
    monitor = ResourceMonitor(tmp_path, gpus=make_reader())
    monkeypatch.setattr(monitor, "_sample", lambda engines: (samples.pop(0), (1, 1)))
    assert [(await monitor.read()).cpu.percent for _ in range(4)] == [0.0, 50.0, 50.0, 50.0]
