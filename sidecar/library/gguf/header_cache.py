"""What the library wants of headers, remembered, also across starts.

Owns when a header is read again (its file has changed, or more of it is wanted than was read) and the file in which the
facts are kept: bounded, replaced as a whole, and thrown away where it can not be read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from sidecar.contract.errors import SidecarError
from sidecar.contract.models import Capability
from sidecar.library import capabilities
from sidecar.library.gguf.header import GgufHeader, read_header
from sidecar.library.scan.model_files import ModelFile
from sidecar.storage.atomic_files import write_atomically

logger = logging.getLogger(__name__)

PROJECTOR = "mmproj"
"""How projectors are named, in their file's name and in general.type."""

FORMAT = 1
"""Of the cache file, and of the rules that its facts come from; another number makes all headers be read again."""

MAX_KEPT = 10_000
"""Files whose facts are kept on the disk."""

MAX_CACHE_BYTES = 16 * 1024 * 1024
"""Of the cache file: 10,000 files have about 4 MB. A larger one is not ours."""

HEAD_BYTES = 64 * 1024
"""The beginning by which files of one size are compared: the names and the first of the vocabulary are in it."""

_NOT_MODELS = frozenset({"imatrix"})  # values of general.type that no engine can run

MAX_NAME_LETTERS = 300
"""Of what a header calls itself; longer ones are no names."""

MAX_BASES = 8
"""Models that an adapter was made for; it is one, hardly ever two."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the library wants of one header.

    Attributes:
        names: what it calls itself, and the place it was published at.
        bases: the same of the models that it was made from; an adapter's are those that it is for.
        can: what it adds to a model's capabilities; `None` where the header was not read so far.
    """

    problem: str | None = None
    kind: Literal["model", "projector", "adapter", "other"] = "model"
    architecture: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    display_name: str | None = None
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    can: tuple[Capability, ...] | None = None
    complete: bool = True


class _Kept(msgspec.Struct, array_like=True):
    """The facts of a file, and by what it is known to be the same; `sha256` only where somebody has asked for it."""

    size_bytes: int
    mtime_ns: int
    number: int
    facts: Facts | None = None
    head: str | None = None
    sha256: str | None = None


class _CacheFile(msgspec.Struct):
    format: int
    files: dict[str, _Kept]


class HeaderCache:
    """Facts by file, read again only where the file has changed.

    Args:
        path: where the facts are kept between starts; without it they are not.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, _Kept] = _load(path) if path else {}
        self._changed = False

    def keep_only(self, files: Iterable[ModelFile]) -> None:
        """Drop what is known of files that are gone."""
        here = {str(file.path) for file in files}
        if any(path not in here for path in self._known):
            self._known = {path: kept for path, kept in self._known.items() if path in here}
            self._changed = True

    def facts(self, file: ModelFile, *, full: bool) -> Facts:
        """The facts; with `full`, such as are known only at the header's end as well."""
        kept = self._kept(file)
        if kept.facts is None or (full and not kept.facts.complete):
            kept.facts = read_facts(file.path, full=full)
            self._changed = True
        return kept.facts

    def knows_all(self, file: ModelFile) -> bool:
        """Whether the header was read to its end."""
        kept = self._known.get(str(file.path))
        return kept is not None and kept.facts is not None and kept.facts.complete

    def learn(self, file: ModelFile, facts: Facts) -> None:
        """Remember the facts of a file that was looked at so long ago that it may have changed."""
        kept = self._known.get(str(file.path))
        if kept is not None and _is_of(kept, file):
            kept.facts = facts
            self._changed = True

    def head(self, file: ModelFile) -> str | None:
        """A hash of the beginning, the same for all copies of a file; `None` where it can not be read."""
        kept = self._kept(file)
        if kept.head is None:
            try:
                with file.path.open("rb") as opened:
                    kept.head = sha256(opened.read(HEAD_BYTES)).hexdigest()
            except OSError:
                return None
            self._changed = True
        return kept.head

    def content(self, file: ModelFile) -> str | None:
        """The hash of the whole content, where it is known."""
        kept = self._known.get(str(file.path))
        if kept and kept.sha256 and _is_of(kept, file):
            return kept.sha256
        return file.told.sha256 if file.told else None

    def learn_content(self, file: ModelFile, digest: str) -> None:
        """Remember the hash of the whole content."""
        self._kept(file).sha256 = digest
        self._changed = True

    def save(self) -> None:
        """Keep what is new for the next start. Where that fails, headers are read once more then, and that is all."""
        if self._path is None or not self._changed:
            return
        self._changed = False
        files = dict(list(self._known.items())[-MAX_KEPT:])
        try:
            write_atomically(self._path, msgspec.json.encode(_CacheFile(FORMAT, files)))
        except (OSError, UnicodeEncodeError) as error:
            logger.warning("what model files say of themselves can not be kept for the next start: %s", error)

    def _kept(self, file: ModelFile) -> _Kept:
        path = str(file.path)
        kept = self._known.get(path)
        if kept is None or not _is_of(kept, file):
            kept = self._known[path] = _Kept(file.size_bytes, file.mtime_ns, _number(file))
        return kept


def _is_of(kept: _Kept, file: ModelFile) -> bool:
    return (kept.size_bytes, kept.mtime_ns, kept.number) == (file.size_bytes, file.mtime_ns, _number(file))


def _number(file: ModelFile) -> int:
    number = file.identity[-1]
    return number if isinstance(number, int) else 0


def _load(path: Path) -> dict[str, _Kept]:
    try:
        if path.stat().st_size > MAX_CACHE_BYTES:
            return {}
        cache = msgspec.json.decode(path.read_bytes(), type=_CacheFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cache.files if cache.format == FORMAT else {}


def read_facts(path: Path, *, full: bool) -> Facts:
    """What a header says; with `full`, read to its end. One that can not be read has a `problem`."""
    try:
        header = read_header(path, full=full)
    except SidecarError as error:
        return Facts(problem=error.message)
    architecture = header.architecture
    kind = _kind(header)
    parameters = header.parameters
    if parameters is None and header.complete and not header.tensors:
        parameters = 0  # the first part of a split model may hold the metadata only
    can = capabilities.of_projector(header) if kind == "projector" else capabilities.of_model(header)
    return Facts(
        kind=kind,
        architecture=architecture,
        quantization=header.quantization(path.name),
        parameters=parameters,
        context_length=header.count(f"{architecture}.context_length"),
        display_name=next(iter(_texts(header, ("general.name",))), None),
        names=_texts(header, ("general.name", "general.repo_url", "general.source.repo_url")),
        bases=_bases(header),
        can=can if header.complete or kind == "projector" else None,
        complete=header.complete,
    )


def _kind(header: GgufHeader) -> Literal["model", "projector", "adapter", "other"]:
    general_type = header.text("general.type")
    if general_type == PROJECTOR or header.architecture == "clip":
        return "projector"
    if general_type == "adapter":
        return "adapter"
    return "other" if general_type in _NOT_MODELS else "model"


def _bases(header: GgufHeader) -> tuple[str, ...]:
    count = min(header.count("general.base_model.count") or 0, MAX_BASES)
    keys = [f"general.base_model.{n}.{what}" for n in range(count) for what in ("name", "repo_url")]
    return _texts(header, keys)


def _texts(header: GgufHeader, keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for key in keys if (text := header.text(key)) and len(text) <= MAX_NAME_LETTERS)
