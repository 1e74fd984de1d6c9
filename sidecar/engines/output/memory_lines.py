"""What an engine's log says of memory: what its allocator planned, and what it then took of each device.

Pure. The lines are llama.cpp's own, of llama-server and of the embedded engine alike; `kinds` asks for them (verbosity
4). None of it is trusted: a model's own texts are in the log, too, so what is remembered is bounded.
"""

from __future__ import annotations

import re

import msgspec

HOST = "Host"
"""The machine's own memory, whatever the buffer's kind."""

MAX_DEVICES = 256
"""Devices that are remembered; a machine has a dozen."""

MIB = 1024 * 1024

_DRAFT = b"getting device memory data for the extra model"

MARKS = (
    b"buffer size",
    b"common_memory_breakdown_print",
    b"fitting params",
    b"memory usage of mmproj",
    b"model size:",
    _DRAFT,
)
"""What these lines have in common."""

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


class Room(msgspec.Struct):
    """What a GPU has, in bytes, as the engine sees it."""

    about: str
    total: int
    free: int


class MemoryLines(msgspec.Struct):
    """What the log has said so far.

    Attributes:
        planned: by its allocator, before anything is loaded; the last plan where it made several.
        taken: what it then allocated.
        rooms: the GPUs.
        fitted: the planning is over.
    """

    planned: dict[str, Taken] = msgspec.field(default_factory=dict)
    taken: dict[str, Taken] = msgspec.field(default_factory=dict)
    rooms: dict[str, Room] = msgspec.field(default_factory=dict)
    fitted: bool = False
    _projector: int = 0
    _draft: dict[str, Taken] = msgspec.field(default_factory=dict)
    _draft_follows: bool = False
    _table: dict[str, Taken] = msgspec.field(default_factory=dict)

    def read(self, line: bytes) -> bool:
        """Take in a line of the log. True if it is one of these."""
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
        elif match := _PROJECTOR.search(line):
            self._projector = _bytes(match["size"])
        elif match := _PROJECTOR_FILE.search(line):
            self._of(self.taken, HOST).projector += _bytes(match["size"])
        elif _FITTED.search(line):
            self.fitted = True
            self.taken.clear()  # what verbose engines said of a model that was only tried
            for device, draft in self._draft.items():  # a second model, which has a table of its own
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
            name = _PARTS[match["kind"] or b"model"]  # builds of 2024 said it without the word
            setattr(taken, name, getattr(taken, name) + size)

    def _plan(self, match: re.Match[bytes]) -> None:
        numbers = [int(number) * MIB for number in _NUMBER.findall(match["numbers"])]
        name = match["name"].decode("utf-8", "replace").strip()
        if len(numbers) == 7:  # total = free + (self = model + context + compute) + unaccounted
            total, free, _, model, context, compute, _ = numbers
            if len(self.rooms) < MAX_DEVICES:
                self.rooms[name] = Room((match["about"] or b"").decode("utf-8", "replace"), total, free)
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
    """A size that was cut to whole MiB: half of one more on the average."""
    return size + MIB // 2 if size > 0 else 0


def _bytes(mib: bytes) -> int:
    try:
        return int(float(mib) * MIB)
    except ValueError:  # digits and dots, but no number
        return 0
