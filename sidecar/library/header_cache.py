"""The cache of facts from headers, in memory and across starts.

Owns when a header is read again (its file has changed, or more of it is needed than was read), the background indexer
that completes the facts of headers which a listing read only in part, and the file in which the facts are stored:
bounded, replaced as a whole, and dropped if it cannot be read. The indexer writes it after a listing with new facts.
Knows nothing of folders or of lists.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sidecar.contract.errors import ModelInvalid, SidecarError
from sidecar.host import file_io
from sidecar.library.gguf.facts import HeaderFacts, facts_of
from sidecar.library.gguf.file_names import all_parts
from sidecar.library.gguf.reader import read_header
from sidecar.library.scan.model_files import ModelFile

if TYPE_CHECKING:
    from sidecar.library.gguf.model_shape import ModelShape

logger = logging.getLogger(__name__)

FORMAT = 3
"""The version of the cache file and of the rules for its facts; a change makes all headers be read again."""

MAX_FILES = 10_000
"""The most files whose facts are stored on the disk."""

MAX_CACHE_BYTES = 16 * 1024 * 1024
"""The largest cache file that is read; 10,000 files take about 4 MB."""

MAX_SHAPES = 64
"""Shapes in memory. That of a model with many experts takes 1 MB; a listing of models that fit needs each in turn."""

HEAD_BYTES = 64 * 1024
"""The beginning by which files of one size are compared: it contains the names and the start of the vocabulary."""

INDEX_DELAY_SECONDS = 0.5
"""Delay from a listing to the indexer's work, so that the listing is answered first."""

INDEX_SHARE = 0.25
"""The indexer's share of one core: a thousand large vocabularies take minutes, and engines are not slowed down."""

_Stamp = tuple[int, int, int]
"""Size, modification time and inode of a file: the same path with another stamp is another file."""


class _Kept(msgspec.Struct, array_like=True):
    """The facts of a file, and its stamp; `sha256` only after it was requested."""

    size_bytes: int
    mtime_ns: int
    number: int
    facts: HeaderFacts | None = None
    head: str | None = None
    sha256: str | None = None

    def is_of(self, stamp: _Stamp) -> bool:
        return (self.size_bytes, self.mtime_ns, self.number) == stamp


class _CacheFile(msgspec.Struct):
    format: int
    files: dict[str, _Kept]


class HeaderCache:
    """Headers by file, read again only if the file has changed. Safe to use from several threads.

    Args:
        path: the file in which the facts are stored; `None` to keep them in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, _Kept] = _load(path) if path else {}
        self._shapes: OrderedDict[Path, tuple[list[_Stamp], ModelShape]] = OrderedDict()
        self._changed = False
        self._pending: Sequence[ModelFile] = ()
        self._indexer: threading.Thread | None = None
        self._closed = threading.Event()

    def facts(self, file: ModelFile, *, full: bool) -> HeaderFacts:
        """The facts; with `full`, also those that need the header's end. Reads the file if needed."""
        with self._lock:
            facts = self._kept(file).facts
        if facts is None or (full and not facts.complete):
            facts = _read_facts(file.path, full=full)
            if facts.may_pass:
                return facts  # a read that failed says nothing about the file: the next one reads it again
            with self._lock:
                self._kept(file).facts = facts
                self._changed = True
        return facts

    def is_complete(self, file: ModelFile) -> bool:
        """Whether the header was read to its end."""
        kept = self._known.get(str(file.path))
        return kept is not None and kept.facts is not None and kept.facts.complete

    def shape(self, path: Path) -> ModelShape:
        """The shape of a model, by its file or its first part; cached in memory only.

        Raises:
            ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary, readable file.
            ModelInvalid: one of its files is damaged.
        """
        from sidecar.library.gguf.model_shape import shape_of  # late, since only memory plans need it

        parts = all_parts(path)
        stamps = [_stamp_at(part) for part in parts]
        with self._lock:
            known = self._shapes.get(path)
        if known is not None and known[0] == stamps:
            return known[1]
        shape = shape_of([read_header(part) for part in parts])
        with self._lock:
            self._shapes[path] = stamps, shape
            self._shapes.move_to_end(path)
            while len(self._shapes) > MAX_SHAPES:
                self._shapes.popitem(last=False)
        return shape

    def head(self, file: ModelFile) -> str | None:
        """A hash of the beginning, equal for all copies of a file; `None` if it cannot be read."""
        with self._lock:
            kept = self._kept(file)
            if kept.head is None:
                try:
                    with file_io.open_ordinary(file.path) as opened:
                        kept.head = sha256(opened.read(HEAD_BYTES)).hexdigest()
                except OSError:
                    return None
                self._changed = True
            return kept.head

    def content(self, file: ModelFile) -> str | None:
        """The hash of the whole content; `None` if it is not known."""
        kept = self._known.get(str(file.path))
        if kept and kept.sha256 and kept.is_of(_stamp(file)):
            return kept.sha256
        return file.store.sha256 if file.store else None

    def set_content(self, file: ModelFile, digest: str) -> None:
        """Store the hash of the whole content."""
        with self._lock:
            self._kept(file).sha256 = digest
            self._changed = True

    def keep_only(self, files: Iterable[ModelFile]) -> None:
        """Drop the facts of files that no longer exist."""
        here = {str(file.path) for file in files}
        with self._lock:
            if any(path not in here for path in self._known):
                self._known = {path: kept for path, kept in self._known.items() if path in here}
                self._changed = True

    def save(self) -> None:
        """Write new facts to the disk. A failure is logged: then headers are read again after the next start."""
        with self._lock:
            changed, self._changed = self._changed, False
            if self._path is None or not changed:
                return
            files = dict(list(self._known.items())[-MAX_FILES:])
            try:
                data = msgspec.json.encode(_CacheFile(FORMAT, files))
            except UnicodeEncodeError as error:
                logger.warning("the facts of model files cannot be stored: %s", error)
                return
        from sidecar.storage.atomic_files import write_atomically  # late, since a start does not need it

        try:
            write_atomically(self._path, data)
        except OSError as error:
            logger.warning("the facts of model files cannot be stored: %s", error)

    # --- the background indexer ---

    def index(self, files: Sequence[ModelFile]) -> None:
        """Read the headers of these files to their ends in the background, then save. Does not block."""
        with self._lock:
            self._pending = files
            if (files or self._changed) and self._indexer is None and not self._closed.is_set():
                self._indexer = threading.Thread(target=self._index, name="library", daemon=True)
                self._indexer.start()

    def wait_until_indexed(self, seconds: float) -> bool:
        """Wait until the background indexer is done; returns whether it is in time."""
        thread = self._indexer
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Save, and make the indexer end after its present header, without waiting. Safe to call twice."""
        self._closed.set()
        self.save()

    def _index(self) -> None:
        self._closed.wait(INDEX_DELAY_SECONDS)
        while not self._closed.is_set():
            with self._lock:
                files, self._pending = self._pending, ()
                if not files and not self._changed:
                    self._indexer = None
                    return
            for file in files:
                if self._closed.is_set():
                    return
                if not self.is_complete(file):
                    began = time.thread_time()
                    self.facts(file, full=True)
                    self._closed.wait((time.thread_time() - began) * (1 / INDEX_SHARE - 1))
            self.save()

    def _kept(self, file: ModelFile) -> _Kept:
        """The entry of a file, a new one if it has changed. The caller holds the lock."""
        path, stamp = str(file.path), _stamp(file)
        kept = self._known.get(path)
        if kept is None or not kept.is_of(stamp):
            kept = self._known[path] = _Kept(*stamp)
        return kept


def _stamp(file: ModelFile) -> _Stamp:
    number = file.identity[-1]
    return file.size_bytes, file.mtime_ns, number if isinstance(number, int) else 0


def _stamp_at(path: Path) -> _Stamp:
    try:
        info = path.stat()
    except OSError:  # reading it raises the right error
        return 0, 0, 0
    return info.st_size, info.st_mtime_ns, info.st_ino


def _load(path: Path) -> dict[str, _Kept]:
    try:
        with file_io.open_ordinary(path) as file:
            data = file.read(MAX_CACHE_BYTES + 1)
        if len(data) > MAX_CACHE_BYTES:
            return {}
        cache = msgspec.json.decode(data, type=_CacheFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cache.files if cache.format == FORMAT else {}


def _read_facts(path: Path, *, full: bool) -> HeaderFacts:
    try:
        return facts_of(read_header(path, full=full), path.name)
    except ModelInvalid as error:
        return HeaderFacts(problem=error.message, reason=error.data.get("reason", "damaged"), hint=error.hint)
    except SidecarError as error:  # it has gone, or may not be read
        return HeaderFacts(problem=error.message, reason="unreadable", hint=error.hint)
