"""The memory plan of a start, from the model's shape, the engine's own plan, the free memory and earlier starts.

Owns the order in which these are read, and the result for hosts. `formula`, `fitting` and `experience` compute. Starts
engines only for trials.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import msgspec

from sidecar.contract.memory import DeviceMemory, LowerFirst, MemoryEstimate
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.launch import Launch
from sidecar.engines.output.memory_lines import HOST, MemoryLines
from sidecar.host import memory as host_memory
from sidecar.host.gpus import GpuReader
from sidecar.library.gguf.model_shape import ModelShape
from sidecar.library.header_cache import HeaderCache
from sidecar.servers.memory.allocator import Allocators
from sidecar.servers.memory.experience import Correction, Experience, build_of, usual_program_bytes
from sidecar.servers.memory.fitting import Fitting, Free
from sidecar.servers.memory.formula import LoadSettings, Need, Parts, draft_settings, load_settings, need
from sidecar.servers.memory.shared_devices import is_shared

GPU_PROGRAM_BYTES = 400 * 1024 * 1024
"""Memory that CUDA itself uses on each GPU, as users report it (300 to 500 MiB); not measured here."""

MAX_JSON_INTEGER = 2**53
"""The largest integer that JavaScript reads exactly."""

PROMPT_CACHE_NOTE = "The engine keeps earlier prompts in memory without a limit; cache_ram_mib sets one."


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU that an engine can use."""

    name: str
    free: int | None
    shared: bool = False


class MemoryPlanner:
    """Makes memory plans.

    Args:
        gpus: reads the machine's GPUs.
        free_bytes: reads the free main memory; blocks.
        usable_bytes: reads how much main memory there is in all for engines; blocks.
    """

    def __init__(
        self,
        experience: Experience,
        headers: HeaderCache,
        *,
        gpus: GpuReader,
        free_bytes: Callable[[], int] = host_memory.free_bytes,
        usable_bytes: Callable[[], int] = host_memory.usable_bytes,
    ) -> None:
        self._experience = experience
        self._allocators = Allocators()
        self._headers = headers
        self._machine_gpus = gpus
        self._free_bytes = free_bytes
        self._usable_bytes = usable_bytes

    async def estimate(self, launch: Launch, *, quick: bool = False) -> MemoryEstimate:
        """How much memory a launch would use, and whether it fits.

        Raises:
            ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied: the model's header cannot be read.
        """
        shape = await anyio.to_thread.run_sync(self._headers.shape, launch.model_path)
        projector = await self._projector_bytes(launch)
        reported = None if quick else await self._allocators.plan(launch)
        draft = None
        if launch.settings.draft_model is not None:
            draft = await anyio.to_thread.run_sync(self._headers.shape, Path(launch.settings.draft_model))
        total = await anyio.to_thread.run_sync(self._usable_bytes)
        gpus = await self._gpus(launch, reported, quick=quick)
        free = Free(
            await anyio.to_thread.run_sync(self._free_bytes),
            tuple(gpu.free for gpu in gpus),
            tuple(gpu.shared for gpu in gpus),
            total,
        )
        correction = await self._experience.correction(build_of(launch.engine), shape.architecture)
        settings = load_settings(launch, [gpu.free or 0 for gpu in gpus])
        settings = msgspec.structs.replace(settings, gpu_layers=min(settings.gpu_layers, len(shape.layers) + 1))
        plan = _Plan(launch, shape, correction, gpus, free, reported, projector, draft)
        return plan.answer(plan.resolved(settings))

    async def _projector_bytes(self, launch: Launch) -> int:
        """A projector's file: its weights are nearly all of it."""
        path = launch.settings.mmproj_path
        if path is None:
            return 0
        return await anyio.to_thread.run_sync(_file_bytes, path)

    async def _gpus(self, launch: Launch, reported: MemoryLines | None, *, quick: bool) -> list[Gpu]:
        machine = await anyio.to_thread.run_sync(host_memory.machine_bytes)
        if reported is not None:
            return [
                Gpu(
                    name=name,
                    free=memory.free,
                    shared=name in reported.shared or is_shared(name, memory.about, memory.total, machine),
                )
                for name, memory in reported.gpu_memory.items()
            ]
        if launch.n_gpu_layers == 0 or not isinstance(launch.engine, LlamaServer):
            return []
        nvidia = await self._machine_gpus.read()
        if not nvidia.gpus and quick:
            return []  # llama-server need not be run to find that there is none
        probe = await launch.engine.probe(launch.settings.env)
        chosen = launch.settings.devices
        return [
            Gpu(
                name=device.name,
                free=device.free_bytes,
                shared=device.shares_main_memory
                or is_shared(device.name, device.description, device.total_bytes, machine),
            )
            for device in probe.devices
            if device.free_bytes and (chosen is None or device.name in chosen)
        ]


class _Plan(msgspec.Struct, frozen=True):
    """One estimate."""

    launch: Launch
    shape: ModelShape
    correction: Correction
    gpus: list[Gpu]
    free: Free
    reported: MemoryLines | None
    projector: int
    draft: ModelShape | None = None

    @property
    def margin(self) -> float:
        return self.correction.formula_margin if self.reported is None else self.correction.allocator_margin

    def resolved(self, settings: LoadSettings) -> LoadSettings:
        """The settings with as many layers on the GPUs as fit, if the engine is to choose."""
        if self.launch.n_gpu_layers >= 0 or not settings.gpus:
            return settings
        fitting = Fitting(self.shape, self._by_formula, self.free, self.correction.formula_margin)
        return msgspec.structs.replace(settings, gpu_layers=fitting.most_layers(settings) or 0)

    def answer(self, settings: LoadSettings) -> MemoryEstimate:
        fitting = Fitting(self.shape, self._from(settings), self.free, self.margin)
        found = fitting.estimate(settings)
        short = fitting.short(found)
        names = [HOST, *(gpu.name for gpu in self.gpus)]
        free = [self.free.host, *self.free.gpus]
        devices = [
            _device(name, parts, free_bytes, missing, droppable=found.droppable if name == HOST else 0)
            for name, parts, free_bytes, missing in zip(names, [found.host, *found.gpus], free, short, strict=True)
        ]
        good = not any(short)
        lower = [] if good else list(fitting.changes(settings))
        return MemoryEstimate(
            model=self.launch.model_name,
            model_path=str(self.launch.model_path),
            engine=self.launch.engine.name,
            ctx_size=_clamped(settings.ctx_size or self.shape.trained_for),
            parallel=settings.parallel,
            n_gpu_layers=settings.gpu_layers,
            total_layers=len(self.shape.layers) + 1,
            method="formula" if self.reported is None else "allocator",
            error_margin=self.margin,
            observations=self.correction.count,
            devices=devices,
            total_bytes=_clamped(found.total),
            fits=good,
            message=_message(devices),
            largest_ctx_size=fitting.largest_ctx(settings),
            largest_n_gpu_layers=fitting.most_layers(settings),
            lower_first=[
                LowerFirst(
                    setting=change.setting,
                    value=change.value,
                    frees_bytes=_clamped(change.frees),
                    fits_then=change.fits_then,
                    reason=change.reason,
                )
                for change in lower
            ],
            notes=self._notes(),
        )

    def _by_formula(self, settings: LoadSettings) -> Need:
        """The corrected formula, with the program itself and the projector."""
        found, factors = need(self.shape, settings), self.correction
        if self.draft is not None:
            beside = need(self.draft, draft_settings(settings, self.launch.settings))
            found.gap += beside.gap
            found.droppable += beside.droppable
            for parts, other in zip((found.host, *found.gpus), (beside.host, *beside.gpus), strict=True):
                parts.weights += other.weights
                parts.kv_cache += other.kv_cache
                parts.compute += other.compute
        for parts in (found.host, *found.gpus):
            parts.weights = int(parts.weights * factors.weights)
            parts.kv_cache = int(parts.kv_cache * factors.kv_cache)
            parts.compute = int(parts.compute * factors.compute)
        found.host.projector = self.projector
        usual = usual_program_bytes(self.launch.engine.name, self.shape.vocabulary)
        found.host.program = usual if factors.program_bytes is None else factors.program_bytes
        for parts in found.gpus:
            parts.program = GPU_PROGRAM_BYTES if parts.total else 0
        return found

    def _from(self, settings: LoadSettings) -> Callable[[LoadSettings], Need]:
        """The engine's plan for these settings; for others, the plan plus the difference by the formula."""
        if self.reported is None:
            return self._by_formula
        base = self._by_formula(settings)
        reported = self._as_allocator_says(base)

        def estimate(other: LoadSettings) -> Need:
            found = self._by_formula(other)
            pairs = zip(
                (found.host, *found.gpus), (base.host, *base.gpus), (reported.host, *reported.gpus), strict=True
            )
            for parts, before, reported_parts in pairs:
                parts.weights = max(0, parts.weights - before.weights + reported_parts.weights)
                parts.kv_cache = max(0, parts.kv_cache - before.kv_cache + reported_parts.kv_cache)
                parts.compute = _scaled(parts.compute, before.compute, reported_parts.compute)
                parts.projector = reported_parts.projector
            return found

        return estimate

    def _as_allocator_says(self, base: Need) -> Need:
        """The engine's plan, to which the mapped bytes between the used tensors are added."""
        assert self.reported is not None  # noqa: S101 - asked for only then
        found = Need()
        for name, before in zip([HOST, *(gpu.name for gpu in self.gpus)], [base.host, *base.gpus], strict=True):
            taken = self.reported.planned.get(name)
            parts = Parts() if taken is None else Parts(taken.weights, taken.kv_cache, taken.compute, taken.projector)
            parts.program, parts.prompt_cache = before.program, before.prompt_cache
            if name == HOST:
                parts.weights += base.gap
                found.host = parts
            else:
                found.gpus.append(parts)
        return found

    def _notes(self) -> list[str]:
        notes = []
        if self.launch.cache_ram_mib == -1:
            notes.append(PROMPT_CACHE_NOTE)
        if any(gpu.shared for gpu in self.gpus):
            notes.append("The GPU uses main memory; what it takes counts there, too.")
        if self.reported is None and self.launch.settings.extra_args:
            notes.append("The formula does not consider extra arguments.")
        if self.reported is None and self.launch.settings.lora:
            notes.append("The formula does not consider LoRA adapters.")
        return notes


def _file_bytes(path: str) -> int:
    """The size of a file; 0 if it cannot be read."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def _scaled(other: int, before: int, reported: int) -> int:
    return int(reported * other / before) if before else reported


def _device(name: str, parts: Parts, free: int | None, short: int, *, droppable: int) -> DeviceMemory:
    return DeviceMemory(
        device=name,
        weights_bytes=_clamped(parts.weights),
        kv_cache_bytes=_clamped(parts.kv_cache),
        compute_bytes=_clamped(parts.compute),
        projector_bytes=parts.projector,
        program_bytes=parts.program,
        prompt_cache_bytes=_clamped(parts.prompt_cache),
        reclaimable_bytes=_clamped(droppable),
        total_bytes=_clamped(parts.total),
        free_bytes=free,
        fits=not short,
        short_by_bytes=_clamped(short),
    )


def _clamped(count: int) -> int:
    """A number that every host can read, even for a header with absurd sizes."""
    return min(count, MAX_JSON_INTEGER)


def _message(devices: list[DeviceMemory]) -> str:
    sizes = [
        f"{_size(one.total_bytes - one.reclaimable_bytes)} of {_memory_name(one)}" for one in devices if one.total_bytes
    ]
    short = [f"{_size(one.short_by_bytes)} more than {_memory_name(one)} has free" for one in devices if not one.fits]
    if short:
        return f"It does not fit: {' and '.join(short)} ({', '.join(sizes)}, with margin and reserve)."
    return f"It fits: {', '.join(sizes)}."


def _memory_name(device: DeviceMemory) -> str:
    return "main memory" if device.device == HOST else f"{device.device}'s memory"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
