"""Shapes of models by file, read again only where a file has changed. Blocks on the disk."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from pathlib import Path

import msgspec

from sidecar.library.gguf.header import GgufHeader, read_header
from sidecar.servers.memory.shape import ModelShape, shape_of

SHAPES_REMEMBERED = 64
"""A shape of a model with many experts takes 1 MB; a list of what fits asks for each in turn."""

MAX_PARTS = 999

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)


class Model(msgspec.Struct, frozen=True):
    """A model's shape, and the header of its first file."""

    shape: ModelShape
    header: GgufHeader


class Headers:
    """Reads headers. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, tuple[tuple[int, int], Model]] = OrderedDict()
        self._lock = threading.Lock()

    def model(self, path: Path) -> Model:
        """The model of a file, or of the first of several.

        Raises:
            ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary file that may be read.
            ModelInvalid: one of its files is damaged.
        """
        try:
            info = path.stat()
            stamp = info.st_size, info.st_mtime_ns
        except OSError:  # reading it says why, in our words
            stamp = 0, 0
        with self._lock:
            known = self._known.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
        headers = [read_header(part) for part in _parts(path)]
        model = Model(shape_of(headers), headers[0])
        with self._lock:
            self._known[path] = stamp, model
            while len(self._known) > SHAPES_REMEMBERED:
                self._known.popitem(last=False)
        return model

    @staticmethod
    def file_bytes(path: str) -> int:
        """How long a file is; 0 where that can not be seen."""
        try:
            return Path(path).stat().st_size
        except OSError:
            return 0


def _parts(path: Path) -> list[Path]:
    """The files of a model, in order."""
    match = _PART.fullmatch(path.name)
    if match is None:
        return [path]
    count = min(int(match["count"]), MAX_PARTS)
    return [path.with_name(f"{match['stem']}-{number:05d}-of-{match['count']}.gguf") for number in range(1, count + 1)]
