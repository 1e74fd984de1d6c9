"""Remembers of every start what was planned and what it took.

Owns the record: which starts are in it, and where it is kept. `experience` makes corrections of it.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import SidecarError
from sidecar.engines.launch import Engine, Launch
from sidecar.engines.output.memory_lines import HOST, MemoryLines, Taken
from sidecar.host.memory import process_bytes
from sidecar.library.gguf.header_cache import HeaderCache
from sidecar.servers.memory.experience import Correction, ObservedStart, correction, remembered
from sidecar.servers.memory.formula import need
from sidecar.servers.memory.settings import wanted_of
from sidecar.storage.database import KeyValueStore

logger = logging.getLogger(__name__)

STARTS = "memory_of_starts"
"""The name of the remembered value."""


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
        wanted = wanted_of(launch, gpus)
        planned, taken = need(shape, wanted), _sum(lines.taken)
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
