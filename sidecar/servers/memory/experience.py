"""How much memory earlier starts on this machine used, and how far off their plans were.

Owns the record of starts and the corrections computed from it: factors for the formula, the size of the program itself,
and the margin of error. Starts of the same build and model family count first; if there are none, all starts of the
engine do.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import SidecarError
from sidecar.engines.launch import Engine, Launch
from sidecar.engines.output.memory_lines import HOST, MemoryLines, Taken
from sidecar.host.memory import process_bytes
from sidecar.library.header_cache import HeaderCache
from sidecar.servers.memory.formula import load_settings, need
from sidecar.storage.database import KeyValueStore

logger = logging.getLogger(__name__)

STARTS = "memory_of_starts"
"""The key under which the record is stored."""

MAX_STARTS = 200
"""Starts in the record; the oldest are dropped."""

RECENT_STARTS = 16
"""Starts of a build and family that are used, the newest: a changed driver or llama.cpp takes effect soon."""

ENOUGH_STARTS = 3
"""From so many starts of a family on, its own margin may fall below the default."""

FACTOR_BOUNDS = (0.5, 2.0)
"""Bounds of a correction, so that no single start or misleading log distorts the plan."""

DEFAULT_MARGINS = {"allocator": 0.05, "formula": 0.10}
"""Margins before any start was measured: twice the errors in the trials of tests/memory."""

MIN_MARGIN = 0.03
"""The least margin, however exact the plans were: a process grows by some per cent with its first conversations."""

MAX_MARGIN = 0.5

PROGRAM_BYTES = 24 * 1024 * 1024
"""llama-server with its libraries and threads, measured."""

EMBEDDED_BYTES = 64 * 1024 * 1024
"""The same in a Python process, measured."""

TOKEN_BYTES = 400
"""Memory for each token of a vocabulary: its text, its merges and the tables over them, measured at 49,000 tokens."""

REQUESTS_BYTES = 4 * 1024 * 1024
"""Growth of a program that has just become ready by its first prompts: parsed JSON, templates, the prompt itself."""

MAX_PROGRAM_BYTES = 4 * 1024 * 1024 * 1024


class ObservedStart(msgspec.Struct, kw_only=True):
    """One start. All figures are in bytes.

    Attributes:
        build: engine and version.
        family: the model's architecture.
        planned_…, taken_…: by the formula, and by the engine's log; over all devices.
        allocator_total: the plan of its allocator; 0 if the log shows none.
        process_bytes: resident memory once it was ready.
        host_buffers: of that, weights and cache according to its log.
    """

    build: str
    family: str
    planned_weights: int
    planned_kv_cache: int
    planned_compute: int
    taken_weights: int
    taken_kv_cache: int
    taken_compute: int
    allocator_total: int = 0
    process_bytes: int = 0
    host_buffers: int = 0


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """The correction of a plan.

    Attributes:
        weights, kv_cache, compute: factors for the formula's parts.
        program_bytes: memory of the engine itself; `None` if it is not known yet.
        formula_margin, allocator_margin: how far off the corrected plan may be, as a fraction.
        count: how many starts it was computed from.
    """

    weights: float = 1.0
    kv_cache: float = 1.0
    compute: float = 1.0
    program_bytes: int | None = None
    formula_margin: float = DEFAULT_MARGINS["formula"]
    allocator_margin: float = DEFAULT_MARGINS["allocator"]
    count: int = 0


def build_of(engine: Engine) -> str:
    """An engine's build: its name and version."""
    return f"{engine.name} {engine.version or 'unknown'}"


class Experience:
    """The memory use of starts on this machine."""

    def __init__(self, store: KeyValueStore, headers: HeaderCache) -> None:
        self._store = store
        self._starts: list[ObservedStart] | None = None
        self._headers = headers
        self._lock = anyio.Lock()

    async def correction(self, build: str, family: str) -> Correction:
        """The correction for the next start of this build and family."""
        async with self._lock:
            return correction(await self._load(), build, family)

    async def observe(self, launch: Launch, lines: MemoryLines, pid: int) -> None:
        """Record a start that has just become ready. A failure to do so is logged and does not affect the start.

        Args:
            lines: what the engine's log says of memory.
            pid: its process.
        """
        try:
            start = await self._measure(launch, lines, pid)
            if start is None:
                return
            async with self._lock:
                self._starts = remembered(await self._load(), start)
                await self._store.set(STARTS, msgspec.to_builtins(self._starts))
        except SidecarError as problem:
            logger.warning("the memory use of the start cannot be recorded: %s", problem.message)

    async def _load(self) -> list[ObservedStart]:
        if self._starts is None:
            try:
                self._starts = _read(await self._store.get(STARTS))
            except SidecarError as problem:
                logger.warning("the memory use of earlier starts cannot be read: %s", problem.message)
                return []
        return self._starts

    async def _measure(self, launch: Launch, lines: MemoryLines, pid: int) -> ObservedStart | None:
        if not lines.taken or launch.settings.extra_args or launch.settings.lora or launch.settings.embeddings:
            return None  # the log has no figures, or they depend on settings that the formula does not know
        resident = await anyio.to_thread.run_sync(process_bytes, pid) or 0
        shape = await anyio.to_thread.run_sync(self._headers.shape, launch.model_path)
        gpus = [gpu.free for gpu in lines.gpu_memory.values()]
        planned, taken = need(shape, load_settings(launch, gpus)), _sum(lines.taken)
        everywhere = [planned.host, *planned.gpus]
        host = lines.taken.get(HOST, Taken())
        allocated = _sum(lines.planned).total + (planned.gap if lines.planned else 0)
        return ObservedStart(
            build=build_of(launch.engine),
            family=shape.architecture,
            planned_weights=sum(parts.weights for parts in everywhere),
            planned_kv_cache=sum(parts.kv_cache for parts in everywhere),
            planned_compute=sum(parts.compute for parts in everywhere),
            taken_weights=taken.weights,
            taken_kv_cache=taken.kv_cache,
            taken_compute=taken.compute,
            allocator_total=allocated - _sum(lines.planned).projector,
            process_bytes=resident,
            host_buffers=host.weights + host.kv_cache + host.projector,
        )


def _sum(table: dict[str, Taken]) -> Taken:
    found = Taken()
    for taken in table.values():
        found.weights += taken.weights
        found.kv_cache += taken.kv_cache
        found.compute += taken.compute
        found.projector += taken.projector
    return found


def _read(value: Any) -> list[ObservedStart]:
    """The stored record; empty if another version stored it in another form."""
    try:
        return msgspec.convert(value or [], list[ObservedStart])
    except msgspec.ValidationError:
        return []


def correction(starts: Sequence[ObservedStart], build: str, family: str) -> Correction:
    """The correction for a start of this build and family, from earlier starts. Pure."""
    of_build = [one for one in starts if one.build == build][-RECENT_STARTS:]
    own = [one for one in starts if one.build == build and one.family == family][-RECENT_STARTS:]
    weights = _factor((one.taken_weights, one.planned_weights) for one in own)
    kv_cache = _factor((one.taken_kv_cache, one.planned_kv_cache) for one in own)
    compute = _factor((one.taken_compute, one.planned_compute) for one in own)
    programs = [one.process_bytes - one.host_buffers for one in own or of_build if one.process_bytes]
    program = int(statistics.median(programs)) + REQUESTS_BYTES if programs else None
    formula = [
        _error(
            one.planned_weights * weights + one.planned_kv_cache * kv_cache + one.planned_compute * compute,
            one.taken_weights + one.taken_kv_cache + one.taken_compute,
        )
        for one in own
    ]
    allocator = [
        _error(one.allocator_total, one.taken_weights + one.taken_kv_cache + one.taken_compute)
        for one in own
        if one.allocator_total
    ]
    return Correction(
        weights=weights,
        kv_cache=kv_cache,
        compute=compute,
        program_bytes=None if program is None else min(max(program, 0), MAX_PROGRAM_BYTES),
        formula_margin=_margin(formula, DEFAULT_MARGINS["formula"]),
        allocator_margin=_margin(allocator, DEFAULT_MARGINS["allocator"]),
        count=len(own),
    )


def remembered(starts: Sequence[ObservedStart], start: ObservedStart) -> list[ObservedStart]:
    """The record with one more start."""
    return [*starts, start][-MAX_STARTS:]


def usual_program_bytes(engine: str, vocabulary: int) -> int:
    """The memory of the engine itself before any start was measured."""
    base = PROGRAM_BYTES if engine == "llama-server" else EMBEDDED_BYTES
    return min(base + vocabulary * TOKEN_BYTES, MAX_PROGRAM_BYTES)


def _factor(pairs: Iterable[tuple[int, int]]) -> float:
    factors = [taken / planned for taken, planned in pairs if planned > 0 and taken > 0]
    low, high = FACTOR_BOUNDS
    return min(max(statistics.median(factors), low), high) if factors else 1.0


def _error(planned: float, taken: int) -> float:
    return abs(planned - taken) / taken if taken > 0 else 0.0


def _margin(errors: Sequence[float], default: float) -> float:
    """The worst observed error, and while there are few starts at least the default."""
    if not errors:
        return default
    worst = max(errors)
    if len(errors) < ENOUGH_STARTS:
        return min(max(worst, default), MAX_MARGIN)
    return round(min(max(worst * 1.25, MIN_MARGIN), MAX_MARGIN), 3)
