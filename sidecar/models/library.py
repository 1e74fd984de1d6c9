"""The library: the model files in the sidecar's own folder and in those of the config.

Owns what counts as a model (the parts of a split one are one, projectors and adapters are none), what it is called, and
which projector goes with it. Only ever reads. Knows nothing of engines, downloads or the config. Everything here blocks
on the disk: callers use a worker thread.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from sidecar import given_paths
from sidecar.contract.errors import ModelNotFound, PathNotAllowed
from sidecar.contract.models import ModelInfo
from sidecar.models.header_cache import PROJECTOR, HeaderCache
from sidecar.models.quantization import without_quantization
from sidecar.models.scan import SUFFIX, ModelFile, Origin, file_at, scan
from sidecar.models.selection import match_model

logger = logging.getLogger(__name__)

FULL_READ_SECONDS = 0.15
"""How long one listing reads headers to their end, which takes 10 to 60 ms where the vocabulary is large. Of the other
files only the start is read, and the rest at the next listing: 1,000 models are there at once, their details follow."""

MAX_MISSING_TOLD = 3
"""Names of missing parts in a message: enough to know what to look for."""

MIN_COMMON_NAME = 4
"""Letters that a model's and its projector's names must share at least; fewer fit by chance."""

_Models = list[ModelInfo]  # inside Library, `list` is its method


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
        folders: Callable[[], Sequence[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own_folder = own_folder
        self._folders = folders
        self._clock = clock
        self._headers = HeaderCache()
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
            file = file_at(given_paths.file(name), "folder") if given_paths.is_path(name) else None
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
        roots += [(folder, "folder") for folder in map(_folder, self._folders()) if folder is not None]
        files = list(scan(roots))
        deadline = self._clock() + FULL_READ_SECONDS
        self._headers.forget_others(files)
        return _assemble(files, self._headers, full=lambda: self._clock() < deadline)

    def _outside(self, file: ModelFile) -> _Model:
        # Its neighbours count as well: the other parts of a split model, a projector.
        files = [file]
        for neighbour in scan([(file.path.parent, "folder")], depth=0):
            belongs = file.part.count and neighbour.part.key == file.part.key
            if neighbour.identity != file.identity and (belongs or PROJECTOR in neighbour.path.name.lower()):
                files.append(neighbour)
        for model in _assemble(files, self._headers, full=lambda: True):
            if model.has(file):
                return model
        raise ModelNotFound(
            f"{file.path} can not run alone: it goes with a model, as a projector or an adapter does.",
            hint="Give the path of the model itself.",
        )


class _Model(msgspec.Struct, frozen=True):
    name: str
    files: tuple[ModelFile, ...]
    projectors: tuple[ModelFile, ...]
    info: ModelInfo

    def has(self, file: ModelFile) -> bool:
        """Whether a file is one of its parts, whatever the path to it."""
        return any(part.identity == file.identity for part in self.files)


def _folder(path: str) -> Path | None:
    """A folder of the config; `None` where the path is none, which is like one that is not there."""
    try:
        return given_paths.absolute(path)
    except PathNotAllowed as problem:
        logger.warning("a folder of the config's models.folders is left out: %s", problem.message)
        return None


def _assemble(files: Iterable[ModelFile], headers: HeaderCache, *, full: Callable[[], bool]) -> list[_Model]:
    """The models that files make up."""
    groups: defaultdict[tuple[Path, str, int], list[ModelFile]] = defaultdict(list)
    projectors: defaultdict[Path, list[ModelFile]] = defaultdict(list)
    for file in files:
        by_name = PROJECTOR in file.path.name.lower()
        kind = "projector" if by_name else headers.facts(file, full=full()).kind
        if kind == "projector":
            projectors[file.path.parent].append(file)
        elif kind == "model":
            groups[file.part.key].append(file)
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
    name: str, parts: Sequence[ModelFile], projectors: Sequence[ModelFile], headers: HeaderCache, *, full: bool
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


def _missing_parts(parts: Sequence[ModelFile]) -> str | None:
    first = parts[0].part
    if not first.count:
        return None
    missing = sorted(set(range(1, first.count + 1)) - {file.part.number for file in parts})
    if not missing:
        return None
    told = [f"{first.stem}-{n:05d}-of-{first.count:05d}{SUFFIX}" for n in missing[:MAX_MISSING_TOLD]]
    more = f" and {len(missing) - len(told)} more" if len(missing) > len(told) else ""
    return f"{len(missing)} of its {first.count} files are missing: {', '.join(told)}{more}."


def _base(stem: str) -> str:
    """What the quantizations of one model, and its projector, have in common."""
    return re.sub(r"[\W_]+", "", without_quantization(stem).lower().replace(PROJECTOR, ""))


def _projectors_of(base: str, alone: bool, projectors: Iterable[ModelFile]) -> list[ModelFile]:
    """The projectors that go with a model, the best first. A wrong one would keep the model from starting."""
    fitting = []
    for file in projectors:
        other = _base(file.path.stem)
        # "mmproj-F16" and "mmproj-model-f16" are said of the only model in the folder.
        alike = min(len(base), len(other)) >= MIN_COMMON_NAME and (other in base or base in other)
        if alike or (alone and other in ("", "model")):
            fitting.append(file)
    return sorted(fitting, key=lambda file: ("-f16" not in file.path.name.lower(), file.path.name))
