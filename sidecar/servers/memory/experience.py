"""What earlier starts on this machine have taken of memory, and how far off their plans were.

Owns the record of starts and what is made of it: factors for the formula, the size of the program itself, and the
margin of error. One engine's build and one family of models count first; where they have not run yet, all starts of the
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
from sidecar.library.gguf.header_cache import HeaderCache
from sidecar.servers.memory.formula import load_settings, need
from sidecar.storage.database import KeyValueStore

logger = logging.getLogger(__name__)

STARTS = "memory_of_starts"
"""The name under which the record is kept."""

MOST_KEPT = 200
"""Starts that are remembered; the oldest go first."""

COUNTED = 16
"""The last ones of a build and family that count: a driver or a llama.cpp that changes is believed soon."""

ENOUGH = 3
"""Starts of a family from which on its own margin holds."""

FACTOR_BOUNDS = (0.5, 2.0)
"""No start, and no log that lies, turns a plan round altogether."""

DEFAULT_MARGINS = {"allocator": 0.05, "formula": 0.10}
"""Before anything has been observed: what the trials of tests/memory show, doubled."""

LEAST_MARGIN = 0.03
"""However well it went so far: a process grows by some per cent with its first conversations."""

MOST_MARGIN = 0.5

PROGRAM_BYTES = 24 * 1024 * 1024
"""llama-server with its libraries and its threads, measured."""

EMBEDDED_BYTES = 64 * 1024 * 1024
"""The same in a Python process, measured."""

TOKEN_BYTES = 400
"""Of a vocabulary, for each token: its text, its merges and the tables over them, measured at 49,000 tokens."""

REQUESTS_BYTES = 4 * 1024 * 1024
"""What the first prompts add to a program that has just become ready: parsed JSON, templates, the prompt itself."""

MOST_PROGRAM_BYTES = 4 * 1024 * 1024 * 1024


class ObservedStart(msgspec.Struct, kw_only=True):
    """One start. All in bytes.

    Attributes:
        build: engine and version.
        family: the model's architecture.
        planned_…, taken_…: by the formula, and by the engine's own log; over all devices.
        allocator_total: what its allocator had planned; 0 where it did not say so.
        process_bytes: of the machine's memory, once it was ready.
        host_buffers: of that, weights and cache by its own log.
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
    """What a plan is corrected by.

    Attributes:
        weights, kv_cache, compute: factors for the formula's parts.
        program_bytes: of the engine itself; `None` where it is not known yet.
        formula_margin, allocator_margin: how far off the corrected plan may be, as a fraction.
        count: starts that this is from.
    """

    weights: float = 1.0
    kv_cache: float = 1.0
    compute: float = 1.0
    program_bytes: int | None = None
    formula_margin: float = DEFAULT_MARGINS["formula"]
    allocator_margin: float = DEFAULT_MARGINS["allocator"]
    count: int = 0


def build_of(engine: Engine) -> str:
    """An engine's build, by its name and version: what starts of it have in common."""
    return f"{engine.name} {engine.version or 'unknown'}"


class Experience:
    """What starts have taken on this machine."""

    def __init__(self, store: KeyValueStore, headers: HeaderCache) -> None:
        self._store = store
        self._starts: list[ObservedStart] | None = None
        self._headers = headers
        self._one = anyio.Lock()

    async def correction(self, build: str, family: str) -> Correction:
        """What earlier starts say about the next one."""
        async with self._one:
            return correction(await self._load(), build, family)

    async def observe(self, launch: Launch, lines: MemoryLines, pid: int) -> None:
        """Remember a start that has just become ready. What goes wrong here is no failure of it.

        Args:
            lines: what the engine has said of memory.
            pid: its process.
        """
        try:
            start = await self._measure(launch, lines, pid)
            if start is None:
                return
            async with self._one:
                self._starts = remembered(await self._load(), start)
                await self._store.set(STARTS, msgspec.to_builtins(self._starts))
        except SidecarError as problem:
            logger.warning("what the start took of memory is not remembered: %s", problem.message)

    async def _load(self) -> list[ObservedStart]:
        if self._starts is None:
            try:
                self._starts = _read(await self._store.get(STARTS))
            except SidecarError as problem:
                logger.warning("what earlier starts took of memory is not known: %s", problem.message)
                return []
        return self._starts

    async def _measure(self, launch: Launch, lines: MemoryLines, pid: int) -> ObservedStart | None:
        if not lines.taken or launch.settings.extra_args or launch.settings.lora or launch.settings.embeddings:
            return None  # it does not say, or what it took depends on what the formula does not know
        resident = await anyio.to_thread.run_sync(process_bytes, pid) or 0
        shape = await anyio.to_thread.run_sync(self._headers.shape, launch.model_path)
        gpus = [room.free for room in lines.rooms.values()]
        planned, taken = need(shape, load_settings(launch, gpus)), _sum(lines.taken)
        everywhere = [planned.host, *planned.gpus]
        host = lines.taken.get(HOST, Taken())
        said = _sum(lines.planned).total + (planned.gap if lines.planned else 0)
        return ObservedStart(
            build=build_of(launch.engine),
            family=shape.architecture,
            planned_weights=sum(parts.weights for parts in everywhere),
            planned_kv_cache=sum(parts.kv_cache for parts in everywhere),
            planned_compute=sum(parts.compute for parts in everywhere),
            taken_weights=taken.weights,
            taken_kv_cache=taken.kv_cache,
            taken_compute=taken.compute,
            allocator_total=said - _sum(lines.planned).projector,
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
    """The record as it was kept; none where another version kept it otherwise."""
    try:
        return msgspec.convert(value or [], list[ObservedStart])
    except msgspec.ValidationError:
        return []


def correction(starts: Sequence[ObservedStart], build: str, family: str) -> Correction:
    """What earlier starts say about one of this build and family."""
    of_build = [one for one in starts if one.build == build][-COUNTED:]
    own = [one for one in starts if one.build == build and one.family == family][-COUNTED:]
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
        program_bytes=None if program is None else min(max(program, 0), MOST_PROGRAM_BYTES),
        formula_margin=_margin(formula, DEFAULT_MARGINS["formula"]),
        allocator_margin=_margin(allocator, DEFAULT_MARGINS["allocator"]),
        count=len(own),
    )


def remembered(starts: Sequence[ObservedStart], start: ObservedStart) -> list[ObservedStart]:
    """The record with one more start."""
    return [*starts, start][-MOST_KEPT:]


def usual_program_bytes(engine: str, vocabulary: int) -> int:
    """The engine itself, where nothing has been observed."""
    base = PROGRAM_BYTES if engine == "llama-server" else EMBEDDED_BYTES
    return min(base + vocabulary * TOKEN_BYTES, MOST_PROGRAM_BYTES)


def _factor(pairs: Iterable[tuple[int, int]]) -> float:
    factors = [taken / planned for taken, planned in pairs if planned > 0 and taken > 0]
    low, high = FACTOR_BOUNDS
    return min(max(statistics.median(factors), low), high) if factors else 1.0


def _error(planned: float, taken: int) -> float:
    return abs(planned - taken) / taken if taken > 0 else 0.0


def _margin(errors: Sequence[float], default: float) -> float:
    """The worst that was observed, and never less than a few starts can show."""
    if not errors:
        return default
    worst = max(errors)
    if len(errors) < ENOUGH:
        return min(max(worst, default), MOST_MARGIN)
    return round(min(max(worst * 1.25, LEAST_MARGIN), MOST_MARGIN), 3)
