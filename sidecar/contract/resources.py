"""Resources of the machine, and their use."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from sidecar.contract.method import Method, Params, Result


class CpuUse(Result, kw_only=True):
    """The processors."""

    percent: Annotated[float, Meta(description="0 to 100 over all cores, since the previous reading.")]
    logical_cores: int
    physical_cores: int | None


class MemoryUse(Result, kw_only=True):
    """Main memory."""

    total_bytes: int
    available_bytes: Annotated[int, Meta(description="Memory that programs can allocate without swapping.")]
    used_bytes: int


class DiskUse(Result, kw_only=True):
    """The disk of the data folder."""

    path: str
    total_bytes: int
    free_bytes: int


class GpuUse(Result, kw_only=True):
    """A GPU. Values that its driver does not report are null."""

    index: int
    name: str
    uuid: str
    total_bytes: Annotated[int | None, Meta(description="Its own memory; null if it shares main memory.")]
    used_bytes: int | None
    free_bytes: int | None
    utilization_percent: float | None
    temperature_celsius: float | None
    power_watts: float | None
    driver_version: str | None


class GpuStatus(Result, kw_only=True):
    """Whether GPUs can be read. A driver that fails or hangs is reported here, never as an error."""

    state: Annotated[
        Literal["ok", "absent", "failing", "hanging"],
        Meta(description="`absent`: no NVIDIA driver. `hanging`: the driver has not answered in time."),
    ]
    message: str


class ServerUse(Result, kw_only=True):
    """What one engine uses."""

    server_id: str
    pid: int
    memory_bytes: Annotated[int, Meta(description="Resident memory, shared pages such as a mapped model included.")]
    cpu_percent: Annotated[float, Meta(description="100 is one core, since the previous reading.")]
    gpu_memory_bytes: Annotated[int | None, Meta(description="Over all GPUs; null if the driver does not report it.")]


class GetResourcesParams(Params):
    """Read the machine's resources now."""


class Resources(Result, kw_only=True):
    """The machine and its use."""

    at: float
    cpu: CpuUse
    memory: MemoryUse
    disk: DiskUse
    gpus: list[GpuUse]
    gpu_status: GpuStatus
    servers: list[ServerUse]


METHODS = (Method(name="get_resources", params=GetResourcesParams, result=Resources),)
