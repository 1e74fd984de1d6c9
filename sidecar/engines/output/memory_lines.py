"""Memory in an engine's log: what its allocator planned, and what it then took of each device.

Pure. The lines are llama.cpp's, the same in llama-server and in the embedded engine; `kinds` requests them (verbosity
4). The log is not trusted: it contains a model's own texts, too, so the stored data is bounded.
"""

from __future__ import annotations

import re

import msgspec

HOST = "Host"
"""Main memory, for every kind of buffer."""

MAX_DEVICES = 256
"""Devices that are stored; a machine has up to a dozen."""

MIB = 1024 * 1024

_DRAFT = b"getting device memory data for the extra model"

MARKS = (
    b"buffer size",
    b"common_memory_breakdown_print",
    b"fitting params",
    b"memory usage of mmproj",
    b"model size:",
    _DRAFT,
    b"| uma: 1",
)
"""Texts of which each of these lines contains one."""

_ON_HOST = re.compile(r"^(?:CPU|.*_Host$|BLAS)")
_KIND = re.compile(r"_(?:Mapped|Private|REPACK|Split)$")

_BUFFER = re.compile(
    rb"(?P<where>\w+):\s+(?P<device>\S{1,80})\s+(?:(?P<kind>model|KV|RS|output|compute|LoRA) )?buffer size =\s+"
    rb"(?P<size>[\d.]{1,16}) MiB"
)
_ROW = re.compile(
    rb"common_memory_breakdown_print: \|\s+- (?P<name>[^|(]{1,80}?)\s*(?:\((?P<about>[^|]{0,120})\)\s*)?\|"
    rb"(?P<numbers>[\d\s=+()-]{1,200})\|"
)
_PROJECTOR = re.compile(rb"memory usage of mmproj is (?P<size>[\d.]{1,16}) MiB")
_PROJECTOR_FILE = re.compile(rb"load_hparams: model size:\s+(?P<size>[\d.]{1,16}) MiB")
_UNIFIED = re.compile(rb"ggml_vulkan: (\d{1,3}) = .{0,300}\| uma: 1\b")
_FITTED = re.compile(rb"fitting params to (?:free|device) memory (?:took|failed)")
_NUMBER = re.compile(rb"-?\d{1,9}")

_PARTS = {b"model": "weights", b"LoRA": "weights", b"KV": "kv_cache", b"RS": "kv_cache", b"output": "kv_cache"}


class Taken(msgspec.Struct):
    """What is taken of one device, in bytes."""

    weights: int = 0
    kv_cache: int = 0
    compute: int = 0
    projector: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.compute + self.projector


class GpuMemory(msgspec.Struct):
    """The memory of a GPU, in bytes, as the engine reports it."""

    about: str
    total: int
    free: int


class MemoryLines(msgspec.Struct):
    """The memory lines of the log so far.

    Attributes:
        planned: by its allocator, before anything is loaded; of several plans, the last.
        taken: what it then allocated.
        gpu_memory: the GPUs.
        shared: GPUs that report that they use main memory.
        fitted: the planning is over.
    """

    planned: dict[str, Taken] = msgspec.field(default_factory=dict)
    taken: dict[str, Taken] = msgspec.field(default_factory=dict)
    gpu_memory: dict[str, GpuMemory] = msgspec.field(default_factory=dict)
    shared: set[str] = msgspec.field(default_factory=set)
    fitted: bool = False
    _projector: int = 0
    _draft: dict[str, Taken] = msgspec.field(default_factory=dict)
    _draft_follows: bool = False
    _table: dict[str, Taken] = msgspec.field(default_factory=dict)

    def read(self, line: bytes) -> bool:
        """Parse a line of the log; returns whether it is about memory."""
        if match := _BUFFER.search(line):
            self._take(match)
        elif match := _ROW.search(line):
            self._plan(match)
        elif _DRAFT in line:
            self._draft_follows = True
        elif b"memory breakdown [MiB]" in line:
            self._table = self._draft if self._draft_follows else self.planned
            self._table.clear()
            self._draft_follows = False
        elif match := _UNIFIED.search(line):
            if len(self.shared) < MAX_DEVICES:
                self.shared.add(f"Vulkan{int(match[1])}")
        elif match := _PROJECTOR.search(line):
            self._projector = _bytes(match["size"])
        elif match := _PROJECTOR_FILE.search(line):
            self._of(self.taken, HOST).projector += _bytes(match["size"])
        elif _FITTED.search(line):
            self.fitted = True
            self.taken.clear()  # verbose engines log the buffers of a trial as well
            for device, draft in self._draft.items():  # the draft model has a table of its own
                planned = self._of(self.planned, device)
                planned.weights += draft.weights
                planned.kv_cache += draft.kv_cache
                planned.compute += draft.compute
            self._draft.clear()
            if self._projector:
                self._of(self.planned, HOST).projector = self._projector
        else:
            return False
        return True

    def _take(self, match: re.Match[bytes]) -> None:
        device = _device(match["device"])
        taken = self._of(self.taken, device)
        size = _bytes(match["size"])
        if match["where"] == b"alloc_compute_meta":
            taken.projector += size
        elif match["kind"] == b"compute":
            taken.compute += size
        else:
            name = _PARTS[match["kind"] or b"model"]  # builds of 2024 leave the word out
            setattr(taken, name, getattr(taken, name) + size)

    def _plan(self, match: re.Match[bytes]) -> None:
        numbers = [int(number) * MIB for number in _NUMBER.findall(match["numbers"])]
        name = match["name"].decode("utf-8", "replace").strip()
        if len(numbers) == 7:  # total = free + (self = model + context + compute) + unaccounted
            total, free, _, model, context, compute, _ = numbers
            if len(self.gpu_memory) < MAX_DEVICES:
                self.gpu_memory[name] = GpuMemory((match["about"] or b"").decode("utf-8", "replace"), total, free)
        elif len(numbers) == 4:
            _, model, context, compute = numbers
            name = HOST if name == HOST else _device(name.encode())
        else:
            return
        planned = self._of(self._table, name)
        planned.weights += _whole(model)
        planned.kv_cache += _whole(context)
        planned.compute += _whole(compute)

    @staticmethod
    def _of(table: dict[str, Taken], device: str) -> Taken:
        if device not in table and len(table) >= MAX_DEVICES:
            return Taken()
        return table.setdefault(device, Taken())


def _device(name: bytes) -> str:
    text = name.decode("utf-8", "replace")
    return HOST if _ON_HOST.match(text) else _KIND.sub("", text)


def _whole(size: int) -> int:
    """A size that was rounded down to whole MiB, plus the average error of half a MiB."""
    return size + MIB // 2 if size > 0 else 0


def _bytes(mib: bytes) -> int:
    try:
        return int(float(mib) * MIB)
    except ValueError:  # such as several dots
        return 0
