"""The managed builds on the disk: a folder for each, and a small file that names the default.

Owns the layout of the `engines` folder. The folders are authoritative: a build exists when its `build.json` can be
read, and is added and removed as a whole, by a rename. The small file (`choice.json`) is replaced as a whole; if it is
lost or damaged, the build with the newest proof is the default. Everything here blocks on the disk, and supports one
writer at a time.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from pathlib import Path

import msgspec

from sidecar.contract.engines import EngineInfo, EngineProof
from sidecar.contract.errors import EngineNotFound, PathNotAllowed
from sidecar.engines.kinds.llama_server import program_in
from sidecar.host import file_io, path_policy
from sidecar.storage.atomic_files import rename_synced, write_atomically

logger = logging.getLogger(__name__)

RECORD, CHOICE, FILES = "build.json", "choice.json", "files"
WORK, PARTIAL = ".work", ".partial-downloads"
"""Folders for unfinished builds and downloads. No build can have these names."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

MAX_RECORD_BYTES = 1024 * 1024
"""The largest file that is read; the record of a build with a hundred devices is smaller."""

MAX_TOP_FOLDERS = 3
"""The most nested folders around a build that contain nothing else."""

PARTIAL_KEPT_SECONDS = 7 * 86_400
"""How long a partial download is kept for a resume."""


class Build(msgspec.Struct, kw_only=True):
    """The stored record of a build.

    Attributes:
        source: where its archive came from: an address without its query, or a path.
        sha256: the hash of the archive.
        problem: why it is no longer used; `None` if it works.
    """

    name: str
    source: str
    sha256: str
    installed_at: float
    proof: EngineProof
    problem: str | None = None


class Choice(msgspec.Struct, kw_only=True):
    """The default build, and the other working ones, the most recent default first."""

    default: str | None = None
    good: list[str] = msgspec.field(default_factory=list)


class Registry:
    """The builds.

    Args:
        root: the folder; created with the first build.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._began = time.time()

    # --- reading -----------------------------------------------------------------------------------------------

    def builds(self) -> list[Build]:
        """All builds: the default first, then the working ones, then the others, the newest first."""
        found = self._found()
        choice = self._choice(found)
        order = [choice.default, *choice.good]
        rank = {name: number for number, name in reversed(list(enumerate(order)))}
        return sorted(found, key=lambda one: (rank.get(one.name, len(order)), -one.installed_at))

    def default(self) -> Build | None:
        """The default build."""
        found = self._found()
        name = self._choice(found).default
        return next((one for one in found if one.name == name), None)

    def named(self, name: str) -> Build:
        """A build.

        Raises:
            EngineNotFound: no build has this name.
        """
        found = {one.name: one for one in self._found()}
        if name not in found:
            names = ", ".join(found) or "none"
            raise EngineNotFound(
                f"There is no managed build {name[:100]!r}.", hint=f"The installed builds are: {names}."
            )
        return found[name]

    def owner_of(self, program: Path) -> Build | None:
        """The build to which a program belongs."""
        return next((one for one in self._found() if program.is_relative_to(self.root / one.name / FILES)), None)

    def folder_of(self, name: str) -> Path:
        """Where a build's llama-server is, or would be."""
        files = self.root / name / FILES
        return program_folder(files) or files

    def info(self, build: Build, *, default: bool) -> EngineInfo:
        """A build as hosts see it."""
        program, problem = program_in(self.folder_of(build.name)), build.problem
        if problem is None and program is None:
            problem = "Its program does not exist any more."
        return EngineInfo(
            engine="llama-server",
            available=problem is None,
            path=None if program is None else str(program),
            version=build.proof.version,
            origin="managed",
            message=problem or "Found; it has generated a token on this machine.",
            name=build.name,
            default=default,
            installed_at=build.installed_at,
            proof=build.proof,
            problem=problem,
        )

    def free_name(self, like: str) -> str:
        """A name similar to this one that no build has."""
        taken = {name.casefold() for name in _names(self.root)}
        name, number = like, 2
        while name.casefold() in taken or path_policy.problem_of(name):
            name, number = f"{like[:58]}-{number}", number + 1
        return name

    # --- changes -----------------------------------------------------------------------------------------------

    def new_folder(self) -> Path:
        """An empty folder in which to assemble a build. Raises OSError."""
        folder = self.root / WORK / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def add(self, folder: Path, build: Build, *, make_default: bool) -> None:
        """Add a build that was assembled in a `new_folder`.

        Raises:
            PathNotAllowed: the name is taken.
            OSError: the disk cannot be written.
        """
        place = path_policy.place_in(self.root, build.name)
        if place.exists():
            raise PathNotAllowed(f"The build {build.name} already exists.", hint="Give another name, or remove it.")
        choice = self._choice(self._found())
        self._write(folder, build)
        rename_synced(folder, place)
        if make_default:
            self._choose(build.name, choice)
        else:
            self._keep(Choice(default=choice.default, good=[*choice.good, build.name]))

    def update(self, build: Build) -> None:
        """Store the changed record of a build. Raises OSError."""
        self._write(self.root / build.name, build)

    def make_default(self, name: str | None) -> None:
        """Make a build the default, or none. Raises OSError."""
        self._choose(name, self._choice(self._found()))

    def mark_broken(self, build: Build, problem: str) -> str | None:
        """Mark a build as broken; returns the new default. Raises OSError."""
        choice = self._choice(self._found())
        self.update(msgspec.structs.replace(build, problem=problem))
        return self._without(build.name, choice)

    def remove(self, name: str) -> str | None:
        """Remove a build; returns the new default. Raises OSError."""
        choice = self._choice(self._found())
        default = self._without(name, choice)
        gone = self.new_folder()
        rename_synced(self.root / name, gone / FILES)
        shutil.rmtree(gone, ignore_errors=True)  # the rest is removed at the next start
        return default

    def tidy(self) -> None:
        """Remove the leftovers of earlier sidecars that were killed; errors are ignored."""
        for path in _older(self.root / WORK, self._began):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        for path in _older(self.root / PARTIAL, self._began - PARTIAL_KEPT_SECONDS):
            path.unlink(missing_ok=True)

    def _found(self) -> list[Build]:
        builds = []
        for name in _names(self.root):
            try:
                record = file_io.read_bytes(self.root / name / RECORD, MAX_RECORD_BYTES)
                build = msgspec.json.decode(record, type=Build)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                logger.warning("the build %s cannot be used: %s", name, type(error).__name__)
                continue
            builds.append(msgspec.structs.replace(build, name=name))
        return builds

    def _choice(self, found: list[Build]) -> Choice:
        working = [one.name for one in found if one.problem is None]
        try:
            choice = msgspec.json.decode(file_io.read_bytes(self.root / CHOICE, MAX_RECORD_BYTES), type=Choice)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            newest = sorted(found, key=lambda one: -one.proof.proved_at)
            good = [one.name for one in newest if one.name in working]
            if good and not isinstance(error, FileNotFoundError):
                logger.warning("the name of the default build cannot be read: the build with the newest proof is used")
            return Choice(default=good[0] if good else None, good=good)
        good = [name for name in dict.fromkeys(choice.good) if name in working]
        default = choice.default
        if default is not None and default not in working:  # its folder was removed by hand
            default = good[0] if good else None
        return Choice(default=default, good=good)

    def _without(self, name: str, choice: Choice) -> str | None:
        good = [one for one in choice.good if one != name]
        default = choice.default
        if default == name:
            default = good[0] if good else None
        self._keep(Choice(default=default, good=good))
        return default

    def _choose(self, name: str | None, choice: Choice) -> None:
        first = [one for one in (name, choice.default) if one is not None]
        self._keep(Choice(default=name, good=list(dict.fromkeys([*first, *choice.good]))))

    def _keep(self, choice: Choice) -> None:
        self.root.mkdir(exist_ok=True)
        write_atomically(self.root / CHOICE, msgspec.json.format(msgspec.json.encode(choice), indent=1))

    def _write(self, folder: Path, build: Build) -> None:
        write_atomically(folder / RECORD, msgspec.json.format(msgspec.json.encode(build), indent=1))


def program_folder(files: Path) -> Path | None:
    """The folder with llama-server in an unpacked archive, also below top folders; `None` if there is none."""
    for _ in range(MAX_TOP_FOLDERS + 1):
        if program_in(files) is not None:
            return files
        try:
            inside = [Path(one.path) for one in os.scandir(files) if not one.name.startswith(".")]
        except OSError:
            return None
        if len(inside) != 1 or inside[0].is_symlink() or not inside[0].is_dir():
            return None
        files = inside[0]
    return None


def name_of_archive(file_name: str) -> str:
    """The name for a build, from the file name of its archive."""
    plain = re.sub(r"\.(zip|tgz|txz|tar|tar\.gz|tar\.xz)$", "", file_name, flags=re.I)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._")[:64].rstrip("-._")
    return plain or "build"


def _names(root: Path) -> list[str]:
    try:
        return sorted(one.name for one in os.scandir(root) if NAME.fullmatch(one.name) and one.is_dir())
    except OSError:
        return []


def _older(folder: Path, than: float) -> list[Path]:
    """The entries of a folder that were last modified before then."""
    try:
        return [path for path in folder.iterdir() if path.lstat().st_mtime < than]
    except OSError:
        return []  # there is no such folder
