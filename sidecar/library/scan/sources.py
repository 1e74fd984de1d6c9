"""The sources of the library: the sidecar's own folder, those of the config, and the stores of other programs.

Owns the list of sources, the folders in which other programs keep models (one table; the module of a program in
`stores` knows the layout inside, and is imported only if its folder exists), and the report about each source. A broken
source does not affect the others. The code for systems other than Linux is untested.

    Hugging Face  HF_HUB_CACHE (before: HUGGINGFACE_HUB_CACHE) names the hub folder, HF_HOME the one around it
    LM Studio     ~/.lmstudio-home-pointer names its home, and HOME/settings.json the models folder (`downloadsFolder`)
    Ollama        OLLAMA_MODELS; else ~/.ollama/models, and a system folder if it runs as a service
    Jan           Jan/data in the system's application data, or the `data_folder` of Jan's settings.json
    llama.cpp     LLAMA_CACHE; else llama.cpp in the system's cache folder
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from sidecar.contract.errors import PathNotAllowed
from sidecar.contract.models import ForeignOrigin, ModelOrigin
from sidecar.host import path_policy
from sidecar.library.scan.disk_scan import DiskScan, Mark, path_in, shown
from sidecar.library.scan.model_files import ModelFile, scan
from sidecar.logs.defects import internal_error
from sidecar.storage.config import ConfigFile

logger = logging.getLogger(__name__)

OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""The home of the user that Ollama's installer creates on Linux."""

_T = TypeVar("_T")


class _Settings(msgspec.Struct):
    """The folders of models in the settings.json of LM Studio and Jan."""

    downloads_folder: str | None = msgspec.field(name="downloadsFolder", default=None)
    data_folder: str | None = None


class ScannedSource(msgspec.Struct):
    """A source after its scan.

    Attributes:
        failed: a part of it could not be read this time.
    """

    origin: ModelOrigin
    root: Path
    found: bool
    files: list[ModelFile]
    problems: list[str]
    marks: dict[str, Mark]
    failed: bool = False


class Sources:
    """All sources.

    Args:
        own_folder: the folder of the sidecar's own models.
        config: has further folders, and the other programs whose models are listed; read at each scan.
    """

    def __init__(self, own_folder: Path, config: ConfigFile) -> None:
        self.own_folder = own_folder.absolute()
        self._config = config

    def settings(self) -> tuple[object, ...]:
        """The settings on which the sources depend: if they change, the sources are scanned again."""
        models = self._config.config.models
        return tuple(models.folders), None if models.sources is None else frozenset(models.sources)

    def scan(self) -> list[ScannedSource]:
        """Scan all sources, in the order of their precedence for files that several have."""
        models = self._config.config.models
        scanned = [_scan(self.own_folder, "own")]
        scanned += map(_scan_folder, models.folders)
        return scanned + _scan_stores([name for name in _ROOTS if models.sources is None or name in models.sources])


def _scan_folder(text: str) -> ScannedSource:
    try:
        folder = path_policy.absolute(text)
    except PathNotAllowed as refusal:
        return ScannedSource("folder", Path(text), False, [], [refusal.message], {})
    scanned = _scan(folder, "folder")
    if not scanned.found:
        scanned.problems.append(f"There is no folder {folder}.")
        logger.debug("library: there is no folder %s", folder)
    return scanned


def _scan_stores(origins: Iterable[ForeignOrigin]) -> list[ScannedSource]:
    """The stores of other programs. Their folders are located first, since most do not exist."""
    disk = DiskScan()
    roots: list[tuple[ForeignOrigin, Path, list[str]]] = []
    for origin in origins:
        found = _collect(lambda origin=origin: _ROOTS[origin](disk), disk)  # type: ignore[misc]
        # Problems of locating a program's folders are reported once, with the first of them.
        problems, disk.problems = disk.problems, []
        roots += [(origin, root, [] if number else problems) for number, root in enumerate(found)]
    existing = disk.existing(root for _, root, _ in roots)
    scanned = []
    for origin, root, problems in roots:
        one = _scan(root, origin) if root in existing else ScannedSource(origin, root, False, [], [], {})
        one.problems[:0] = problems
        scanned.append(one)
    if scanned:
        scanned[0].marks |= disk.marks
        scanned[0].failed |= disk.failed
    return scanned


def _scan(root: Path, origin: ModelOrigin) -> ScannedSource:
    disk = DiskScan()
    found = disk.stat(str(root)) is not None
    files = _collect(lambda: _files(root, origin, disk), disk) if found else []
    return ScannedSource(origin, root, found, files, disk.problems, disk.marks, disk.failed)


def _files(root: Path, origin: ModelOrigin, disk: DiskScan) -> Iterator[ModelFile]:
    """The files in a folder; the module of a program is imported only when it is needed."""
    match origin:
        case "own" | "folder":
            return scan(root, origin, disk)
        case "huggingface":
            from sidecar.library.scan.stores import huggingface

            return huggingface.find(root, disk)
        case "lm_studio":
            from sidecar.library.scan.stores import lm_studio

            return lm_studio.find(root, disk)
        case "ollama":
            from sidecar.library.scan.stores import ollama

            return ollama.find(root, disk)
        case "jan":
            from sidecar.library.scan.stores import jan

            return jan.find(root, disk)
        case "llama_cpp":
            from sidecar.library.scan.stores import llama_cpp

            return llama_cpp.find(root, disk)


def _collect(find: Callable[[], Iterable[_T]], disk: DiskScan) -> list[_T]:
    """All items that are found; after an unexpected error, those before it."""
    found: list[_T] = []
    try:
        for one in find():
            found.append(one)
    except Exception as error:  # noqa: BLE001 - a defect of ours, or an odd file, must not hide the other sources
        defect = internal_error(error)
        disk.failed = True
        disk.problem(f"Some of it cannot be listed. {defect.message}")
    return found


# --- the folders of other programs, which need not exist -----------------------------------------------------------


def _huggingface(_: DiskScan) -> list[Path]:
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if (named := _named_by(variable)) is not None:
            return [named / below]
    base = _named_by("XDG_CACHE_HOME")
    return [base / "huggingface" / "hub"] if base else _below_home(".cache", "huggingface", "hub")


def _lm_studio(disk: DiskScan) -> list[Path]:
    """The configured models folder, and the default ones."""
    homes: list[Path] = []
    for pointer in _below_home(".lmstudio-home-pointer"):
        text = (disk.text(str(pointer)) or "").strip() if disk.stat(str(pointer)) else ""
        homes += _folder_in(pointer, text, disk, base=pointer.parent)
    found: list[Path] = []
    for base in [*homes, *_below_home(".lmstudio"), *_below_home(".cache", "lm-studio")]:
        found += _folder_in(base / "settings.json", _settings(base, disk).downloads_folder, disk)
        found.append(base / "models")
    return list(dict.fromkeys(found))


def _ollama(_: DiskScan) -> list[Path]:
    if (named := _named_by("OLLAMA_MODELS")) is not None:
        return [named]
    return [*_below_home(".ollama", "models"), *([OLLAMA_SERVICE] if sys.platform == "linux" else [])]


def _jan(disk: DiskScan) -> list[Path]:
    """The configured data folder, and the default ones; before 2025 it was ~/jan."""
    if sys.platform == "win32":
        bases = _all(_named_by("APPDATA"))
    elif sys.platform == "darwin":
        bases = _below_home("Library", "Application Support")
    else:
        data = _all(_named_by("XDG_DATA_HOME")) or _below_home(".local", "share")
        bases = [*data, *(_all(_named_by("XDG_CONFIG_HOME")) or _below_home(".config"))]
    found: list[Path] = []
    for base in (base / "Jan" for base in dict.fromkeys(bases)):
        found += _folder_in(base / "settings.json", _settings(base, disk).data_folder, disk, base=base)
        found.append(base / "data")
    return list(dict.fromkeys([*found, *_below_home("jan")]))


def _llama_cpp(_: DiskScan) -> list[Path]:
    if (named := _named_by("LLAMA_CACHE")) is not None:
        return [named]
    if sys.platform == "win32":
        caches = _all(_named_by("LOCALAPPDATA"))
    elif sys.platform == "darwin":
        caches = _below_home("Library", "Caches")
    else:
        caches = _all(_named_by("XDG_CACHE_HOME")) or _below_home(".cache")
    return [base / "llama.cpp" for base in caches]


_ROOTS: dict[ForeignOrigin, Callable[[DiskScan], list[Path]]] = {
    "huggingface": _huggingface,
    "lm_studio": _lm_studio,
    "ollama": _ollama,
    "jan": _jan,
    "llama_cpp": _llama_cpp,
}
"""In the order of their precedence for files that several have."""


def _settings(base: Path, disk: DiskScan) -> _Settings:
    path = str(base / "settings.json")
    return (disk.json(path, _Settings) if disk.stat(path) else None) or _Settings()


def _folder_in(file: Path, text: str | None, disk: DiskScan, *, base: Path | None = None) -> list[Path]:
    """The folder that another program's file names; none if it names none."""
    if not text:
        return []
    if (folder := path_in(text, base=base)) is None:
        disk.problem(f"{file} names {shown(text)}, which is not a folder on this machine.")
        return []
    return [folder]


def _named_by(variable: str) -> Path | None:
    """The folder in a variable; relative ones are ignored, since they would depend on the host's working directory."""
    text = os.environ.get(variable)
    try:
        return path_policy.absolute(text) if text else None
    except PathNotAllowed:
        return None


def _below_home(*parts: str) -> list[Path]:
    try:
        return [Path.home().joinpath(*parts)]
    except RuntimeError:  # there is no home folder
        return []


def _all(path: Path | None) -> list[Path]:
    return [] if path is None else [path]
