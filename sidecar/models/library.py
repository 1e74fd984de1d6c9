"""The library: the model files in the sidecar's own folder and in those of the config.

Owns what counts as a model (the parts of a split one are one, projectors and adapters are none), what it is called, and
what is remembered of headers. Only ever reads. Knows nothing of engines, downloads or the config. Everything here
blocks on the disk: callers use a worker thread.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from sidecar.contract.errors import ModelNotFound, PathNotAllowed, PermissionDenied, SidecarError
from sidecar.contract.models import ModelInfo
from sidecar.models.gguf import read_header, without_quantization
from sidecar.models.selection import match_model

MAX_DEPTH = 8
"""Folders below a library folder. A Hugging Face cache needs 5."""

MAX_ENTRIES = 100_000
"""Directory entries looked at in one listing: a folder such as / given by mistake then costs a second, not minutes."""

FULL_READ_SECONDS = 0.15
"""How long one listing reads headers to their end, which takes 10 to 60 ms where the vocabulary is large. Of the other
files only the start is read, and the rest at the next listing: 1,000 models are there at once, their details follow."""

MAX_MISSING_TOLD = 3
"""Names of missing parts in a message: enough to know what to look for."""

MIN_COMMON_NAME = 4
"""Letters that a model's and its projector's names must share at least; fewer fit by chance."""

_SUFFIX = ".gguf"
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.ASCII)
_PROJECTOR = "mmproj"
_NOT_MODELS = frozenset({"adapter", "imatrix"})  # values of general.type that no engine can run

_log = logging.getLogger(__name__)

Origin = Literal["own", "folder"]
Identity = tuple[object, ...]
"""Device and number of a file: the same for all paths to it."""
_Models = list[ModelInfo]  # inside Library, `list` is its method


def resolve_path(path: str) -> Path:
    """The model file that a host names by path: the one place where such a path is checked.

    Raises:
        PathNotAllowed: it is not absolute (`~` is understood), or not an ordinary file.
        ModelNotFound: there is no such file.
        PermissionDenied: it may not be read.
    """
    try:
        file = Path(path).expanduser()
    except RuntimeError:
        raise PathNotAllowed(f"It is not known where the home folder in {path} is.") from None
    if not file.is_absolute():
        raise PathNotAllowed(f'"{path}" is not an absolute path.')
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFound(f"There is no file {path}.") from None
    except PermissionError:
        raise PermissionDenied(f"{path} may not be looked at: a folder on the way to it does not let you in.") from None
    except (OSError, ValueError) as error:  # too long, links in a circle, a NUL or half a character in it
        reason = error.strerror if isinstance(error, OSError) else error
        raise PathNotAllowed(f"{path!a} is not a path that the system takes: {reason}.") from None
    if not stat.S_ISREG(mode):
        raise PathNotAllowed(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'not an ordinary file'}.")
    if not os.access(file, os.R_OK):
        raise PermissionDenied(f"{path} may not be read.")
    return file


class Library:
    """The models on this machine. Safe to use from several threads.

    Args:
        own_folder: where the sidecar keeps its own models.
        folders: gives the config's further folders; asked at each listing, since they change.
        clock: seconds, for FULL_READ_SECONDS.
    """

    def __init__(
        self,
        own_folder: Path,
        folders: Callable[[], Sequence[Path]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_folder = own_folder
        self._folders = folders
        self._clock = clock
        self._headers = _Headers()
        self._lock = threading.Lock()

    def list(self) -> _Models:
        """All models, by name, damaged ones included.

        Where there are more than a few new files, `parameters` and a late `problem` may come with the next listing.
        """
        with self._lock:
            return [model.info for model in self._listing()]

    def find(self, name: str) -> ModelInfo:
        """The model of this name, file name or absolute path, with its header read to the end.

        A path may lead outside of the library. A damaged model is returned with its `problem`.

        Raises:
            ModelNotFound: there is none, or the name can mean several.
            PathNotAllowed, PermissionDenied: it is a path that can not be used.
        """
        try:
            is_path = name.startswith("~") or Path(name).is_absolute()
            file = _file(resolve_path(name), "folder") if is_path else None
        except FileNotFoundError:  # removed this moment
            raise ModelNotFound(f"There is no file {name}.") from None
        with self._lock:
            listed = self._listing()
            if file is None:
                found = match_model(name, [model.info for model in listed])
                model = next(model for model in listed if model.info is found)
            else:
                model = next((m for m in listed if m.has(file)), None) or self._outside(file)
            return _describe(model.name, model.files, model.projectors, self._headers, full=True)

    def _listing(self) -> Sequence[_Model]:
        roots: list[tuple[Path, Origin]] = [(self._own_folder.absolute(), "own")]
        roots += [(folder.absolute(), "folder") for folder in self._folders()]
        files = list(_scan(roots))
        deadline = self._clock() + FULL_READ_SECONDS
        self._headers.forget_others(files)
        return _assemble(files, self._headers, full=lambda: self._clock() < deadline)

    def _outside(self, file: _File) -> _Model:
        # Its neighbours count as well: the other parts of a split model, a projector.
        part = _part(file)
        files = [file]
        for neighbour in _scan([(file.path.parent, "folder")], depth=0):
            belongs = part.count and _part(neighbour).key == part.key
            if neighbour.identity != file.identity and (belongs or _PROJECTOR in neighbour.path.name.lower()):
                files.append(neighbour)
        for model in _assemble(files, self._headers, full=lambda: True):
            if model.has(file):
                return model
        raise ModelNotFound(
            f"{file.path} can not run alone: it goes with a model, as a projector or an adapter does.",
            hint="Give the path of the model itself.",
        )


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    origin: Origin
    size_bytes: int
    mtime_ns: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class _Part:
    """What a file's name says: of which model it is, and which part of how many (0 of 0: it is not split)."""

    folder: Path
    stem: str
    number: int
    count: int

    @property
    def key(self) -> tuple[Path, str, int]:
        return self.folder, self.stem, self.count


@dataclass(frozen=True, slots=True)
class _Model:
    name: str
    files: tuple[_File, ...]
    projectors: tuple[_File, ...]
    info: ModelInfo

    def has(self, file: _File) -> bool:
        """Whether a file is one of its parts, whatever the path to it."""
        return any(part.identity == file.identity for part in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """What the library wants of one header."""

    problem: str | None = None
    kind: Literal["model", "projector", "other"] = "model"
    architecture: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    complete: bool = True


class _Headers:
    """Facts by file, read again only where the file has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int, _Facts]] = {}

    def forget_others(self, files: Iterable[_File]) -> None:
        """Drop what is known of files that are gone."""
        here = {file.path for file in files}
        self._known = {path: known for path, known in self._known.items() if path in here}

    def facts(self, file: _File, *, full: bool) -> _Facts:
        """The facts; with `full`, such as are known only at the header's end as well."""
        known = self._known.get(file.path)
        if known and known[:2] == (file.size_bytes, file.mtime_ns) and (known[2].complete or not full):
            return known[2]
        facts = _read_facts(file.path, full=full)
        self._known[file.path] = (file.size_bytes, file.mtime_ns, facts)
        return facts


def _read_facts(path: Path, *, full: bool) -> _Facts:
    try:
        header = read_header(path, full=full)
    except SidecarError as error:
        return _Facts(problem=error.message)
    architecture = header.architecture
    general_type = header.text("general.type")
    is_projector = general_type == _PROJECTOR or architecture == "clip"
    parameters = header.parameters
    if parameters is None and header.complete and not header.tensors:
        parameters = 0  # the first part of a split model may hold the metadata only
    return _Facts(
        kind="projector" if is_projector else "other" if general_type in _NOT_MODELS else "model",
        architecture=architecture,
        quantization=header.quantization(path.name),
        parameters=parameters,
        context_length=header.count(f"{architecture}.context_length"),
        complete=header.complete,
    )


def _scan(roots: Iterable[tuple[Path, Origin]], *, depth: int = MAX_DEPTH) -> Iterator[_File]:
    """The GGUF files in folders, each once however many paths lead to it."""
    seen: set[Identity] = set()
    left = MAX_ENTRIES
    pending = [(folder, origin, depth) for folder, origin in reversed(list(roots))]
    while pending and left:
        folder, origin, below = pending.pop()
        try:
            identity = _identity(folder, folder.stat())
            if identity in seen:
                continue  # links in a circle, or a folder inside another one of the config
            with os.scandir(folder) as found:
                entries = sorted(islice(found, left), key=lambda entry: entry.name)
        except OSError as error:
            _log.debug("%s is not listed: %s", folder, error.strerror)
            continue
        seen.add(identity)
        left -= len(entries)
        if not left:
            _log.warning("The model folders hold more than %d entries; the rest is not listed.", MAX_ENTRIES)
        for entry in entries:
            # Names that are not text can not be told to a host.
            if entry.name.startswith(".") or not _is_text(entry.name):
                continue
            try:
                if entry.is_dir():
                    if below:
                        # What a link leads to is not ours, even if the link lies in our folder.
                        of = "folder" if entry.is_symlink() else origin
                        pending.append((Path(entry.path), of, below - 1))
                elif entry.name.lower().endswith(_SUFFIX) and entry.is_file():
                    file = _file(Path(entry.path), origin)
                    if file.identity not in seen:
                        seen.add(file.identity)
                        yield file
            except OSError as error:
                _log.debug("%s is not listed: %s", entry.path, error.strerror)


def _file(path: Path, origin: Origin) -> _File:
    info = path.stat()
    return _File(path, origin, info.st_size, info.st_mtime_ns, _identity(path, info))


def _identity(path: Path, info: os.stat_result) -> Identity:
    # Some file systems number nothing.
    return (info.st_dev, info.st_ino) if info.st_ino else (path,)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _part(file: _File) -> _Part:
    stem = file.path.name.removesuffix(_SUFFIX)
    if found := _PART.fullmatch(stem):
        number, count = int(found["number"]), int(found["count"])
        if 1 <= number <= count:
            return _Part(file.path.parent, found["stem"], number, count)
    return _Part(file.path.parent, stem, 0, 0)


def _assemble(files: Iterable[_File], headers: _Headers, *, full: Callable[[], bool]) -> list[_Model]:
    """The models that files make up."""
    groups: defaultdict[tuple[Path, str, int], list[_File]] = defaultdict(list)
    projectors: defaultdict[Path, list[_File]] = defaultdict(list)
    for file in files:
        by_name = _PROJECTOR in file.path.name.lower()
        kind = "projector" if by_name else headers.facts(file, full=full()).kind
        if kind == "projector":
            projectors[file.path.parent].append(file)
        elif kind == "model":
            groups[_part(file).key].append(file)
    bases: defaultdict[Path, set[str]] = defaultdict(set)
    for folder, stem, _ in groups:
        bases[folder].add(_base(stem))
    models = []
    for key, name in _names(groups).items():
        folder, stem, _ = key
        parts = tuple(sorted(groups[key], key=lambda file: file.path.name))
        beside = tuple(_projectors_of(_base(stem), len(bases[folder]) == 1, projectors[folder]))
        models.append(_Model(name, parts, beside, _describe(name, parts, beside, headers, full=False)))
    return sorted(models, key=lambda model: (model.name.casefold(), model.name))


def _names(keys: Iterable[tuple[Path, str, int]]) -> dict[tuple[Path, str, int], str]:
    """A name for each: the stem, with as many folders before it as tell it from others of that stem."""
    by_stem: defaultdict[str, list[tuple[Path, str, int]]] = defaultdict(list)
    for key in keys:
        by_stem[key[1]].append(key)
    names: dict[tuple[Path, str, int], str] = {}
    for stem, alike in by_stem.items():
        longest = max(len(folder.parts) for folder, _, _ in alike)
        for folders in range(longest + 1 if len(alike) > 1 else 1):
            told = ["/".join([*folder.parts[max(0, len(folder.parts) - folders) :], stem]) for folder, _, _ in alike]
            if len(set(told)) == len(alike):
                break
        else:  # one folder has the model both whole and split
            told = [f"{stem} ({count} parts)" if count else stem for _, _, count in alike]
        names.update(zip(alike, told, strict=True))
    return names


def _describe(
    name: str, parts: Sequence[_File], projectors: Sequence[_File], headers: _Headers, *, full: bool
) -> ModelInfo:
    facts = [headers.facts(part, full=full) for part in parts]
    problem = _missing_parts(parts) or next((f.problem for f in facts if f.problem), None)
    weights = [f.parameters for f in facts if f.parameters is not None]
    return ModelInfo(
        name=name,
        path=str(parts[0].path),
        size_bytes=sum(part.size_bytes for part in parts),
        files=len(parts),
        modified_at=max(part.mtime_ns for part in parts) / 1e9,
        origin=parts[0].origin,
        mmproj_path=str(projectors[0].path) if projectors else None,
        valid=problem is None,
        problem=problem,
        architecture=facts[0].architecture,
        quantization=facts[0].quantization,
        parameters=(sum(weights) or None) if problem is None and len(weights) == len(facts) else None,
        context_length=facts[0].context_length,
    )


def _missing_parts(parts: Sequence[_File]) -> str | None:
    first = _part(parts[0])
    missing = sorted(set(range(1, first.count + 1)) - {_part(file).number for file in parts})
    if not missing:
        return None
    told = [f"{first.stem}-{n:05d}-of-{first.count:05d}{_SUFFIX}" for n in missing[:MAX_MISSING_TOLD]]
    more = f" and {len(missing) - len(told)} more" if len(missing) > len(told) else ""
    return f"{len(missing)} of its {first.count} files are missing: {', '.join(told)}{more}."


def _base(stem: str) -> str:
    """What the quantizations of one model, and its projector, have in common."""
    return re.sub(r"[\W_]+", "", without_quantization(stem).lower().replace(_PROJECTOR, ""))


def _projectors_of(base: str, alone: bool, projectors: Iterable[_File]) -> list[_File]:
    """The projectors that go with a model, the best first. A wrong one would keep the model from starting."""
    fitting = []
    for file in projectors:
        other = _base(file.path.stem)
        # "mmproj-F16" and "mmproj-model-f16" are said of the only model in the folder.
        alike = min(len(base), len(other)) >= MIN_COMMON_NAME and (other in base or base in other)
        if alike or (alone and other in ("", "model")):
            fitting.append(file)
    return sorted(fitting, key=lambda file: ("-f16" not in file.path.name.lower(), file.path.name))
