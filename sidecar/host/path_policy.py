"""Paths and names that come from outside: a host, a person at a terminal, a model hub.

Owns which files they may name; nothing else in the sidecar turns outside input into a path. A host may name any file by
its absolute path, as its user may; it only has to be unambiguous. A *name* may never lead out of the folder that it is
put into, on whatever system that folder is read. The command line imports this, so rarely used modules are imported
where they are used.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path, PureWindowsPath

from sidecar.contract.errors import EngineNotFound, ModelNotFound, PathNotAllowed, PermissionDenied

MAX_NAME_BYTES = 200
"""Of one part of a name: file systems allow 255, and a suffix of ours must still fit."""

MAX_PLAIN_LETTERS = 100
"""Of a text that becomes a file's name."""

LONGEST_SHOWN = 300
"""Characters of a path shown in an error: what was given as a path may be a whole image."""

PROGRAM_SUFFIX = ".exe" if sys.platform == "win32" else ""
"""Of a program's file."""

_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:[.:].*)?", re.I | re.S)
"""Windows treats these as devices in every folder, with any extension."""

_VERBATIM = re.compile(r"[\\/]{2}\?[\\/](?:[A-Z]:|UNC[\\/])", re.I)
"""What Rust's canonicalize puts before an ordinary Windows path."""

_FORBIDDEN = frozenset('<>:"|?*\\/')
"""Characters that Windows does not allow in a file's name; a colon also marks a drive or a hidden stream."""

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories of invisible characters: controls, marks of text direction, lone surrogates."""


# --- what a host names -----------------------------------------------------------------------------------------


def is_path(text: str) -> bool:
    """Whether a text that may be a name or a path is a path."""
    return text.startswith("~") or Path(text).is_absolute()


def absolute(path: str) -> Path:
    """The path that a host gives; `~` is expanded. Whether anything exists there is not checked.

    Raises:
        PathNotAllowed: it is not absolute, or not valid on this system.
    """
    place = _from_home(path)
    if not place.is_absolute():
        raise PathNotAllowed(f"{_shown(path)} is not an absolute path.")
    if "\0" in path or any("\ud800" <= letter <= "\udfff" for letter in path):
        raise PathNotAllowed(f"{_shown(path)} is not a valid path on this system.")
    if sys.platform == "win32" and is_windows_device(str(place)):
        raise PathNotAllowed(f"{_shown(path)} is a device, not a file.")
    return place


def from_here(path: str) -> Path:
    """The path that a person gives at a terminal, relative to the working directory.

    Raises:
        PathNotAllowed: there is no such home folder.
    """
    return _from_home(path).absolute()


def file(path: str) -> Path:
    """The ordinary file that a host names.

    Raises:
        PathNotAllowed: it is not absolute (`~` is expanded), or not an ordinary file.
        ModelNotFound: there is no such file.
        PermissionDenied: it may not be read.
    """
    place = absolute(path)
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFound(f"There is no file {_shown(path)}.") from None
    except PermissionError:
        raise PermissionDenied(f"{_shown(path)} may not be read: you may not open a folder on the way to it.") from None
    except OSError as error:  # too long, links in a circle
        raise PathNotAllowed(f"{_shown(path)} is not a valid path on this system: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        raise PathNotAllowed(f"{_shown(path)} is {'a folder' if stat.S_ISDIR(mode) else 'not an ordinary file'}.")
    if not os.access(place, os.R_OK):
        raise PermissionDenied(f"{_shown(path)} may not be read.")
    return place


def program(name: str) -> str:
    """The program that a host names: by its path, or by a bare name that is searched on PATH.

    Raises:
        PathNotAllowed: it is a relative path, which would depend on the host's working directory.
        EngineNotFound: there is no program of this name.
    """
    if is_path(name) or os.path.split(name)[0] or name in ("", ".", ".."):
        return str(absolute(name))
    found = on_path(name)
    if found is None:
        raise EngineNotFound(f"There is no program {_shown(name)} on PATH.")
    return str(found)


def on_path(name: str) -> Path | None:
    """A program on PATH. Never one in the host's working directory, which may contain anything."""
    import shutil

    names = dict.fromkeys((name, f"{name}{PROGRAM_SUFFIX}"))
    for folder in map(Path, os.get_exec_path()):
        for candidate in names if folder.is_absolute() else ():
            try:
                if found := shutil.which(str(folder / candidate)):
                    return Path(found)
            except (ValueError, OSError):  # a NUL or a lone surrogate in it, or too long
                continue
    return None


# --- names that become files in a folder of ours ---------------------------------------------------------------


def place_in(folder: Path, name: str) -> Path:
    """The path of a file of this name in a folder of ours; `/` separates folders.

    Callers that open it for writing must not follow a link: it may have been replaced since this check.

    Raises:
        PathNotAllowed: the name could lead out of the folder or to a device, is invalid or spelled otherwise on some
            system, or exists in another case; or there is a link on the way.
    """
    place = folder
    for part in name.split("/"):
        if problem := problem_of(part) or _problem_in(place, part):
            raise PathNotAllowed(f"{_shown(name)} cannot be a file's name: {problem}.")
        place /= part
    return place


def file_name(text: str) -> str:
    """A file's name for any text: the same for equal texts, different on every system for different ones."""
    plain = re.sub(r"[^a-z0-9._-]", "-", text.lower())[:MAX_PLAIN_LETTERS].strip(".-")
    if not plain or _DEVICE.fullmatch(plain):
        plain = f"file-{plain}".strip("-")
    if plain == text:
        return text
    import hashlib

    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def is_windows_device(path: str) -> bool:
    """Whether a path names a device or a hidden stream on Windows instead of a file. Pure."""
    given = PureWindowsPath(path)
    if given.drive.startswith(("\\\\.\\", "\\\\?\\")) and not _VERBATIM.match(path):
        return True
    parts = given.parts[1:] if given.anchor else given.parts
    return any(":" in part or _DEVICE.fullmatch(part.rstrip(" .")) for part in parts)


def problem_of(part: str) -> str | None:
    """Why one part of a name from outside is refused, on whatever system; `None` if it is valid. Pure."""
    if part in ("", ".", ".."):
        return "a part of it is empty, or leads elsewhere"
    import unicodedata

    if any(unicodedata.category(letter) in _INVISIBLE for letter in part):
        return "there are invisible characters in it"
    if found := _FORBIDDEN & set(part):
        return f"there is {min(found)} in it"
    if part != part.strip() or part.endswith("."):
        return "a part of it begins or ends with a space, or ends with a dot"
    if len(part.encode()) > MAX_NAME_BYTES:
        return f"a part of it has more than {MAX_NAME_BYTES} bytes"
    if _DEVICE.fullmatch(part):
        return "it is a device on Windows"
    if unicodedata.normalize("NFC", part) != part:
        return "some systems spell its letters in another way"
    return None


def _problem_in(folder: Path, part: str) -> str | None:
    """Why one part of a name is refused because of what is in the folder already."""
    if (folder / part).is_symlink():
        return f"{part} is a link there, and leads somewhere else"
    others = (one.name for one in folder.iterdir()) if folder.is_dir() else ()
    same = next((other for other in others if other != part and other.casefold() == part.casefold()), None)
    return f"there is {same!r}, which is the same name on some systems" if same else None


def _shown(path: str) -> str:
    return repr(path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}…")


def _from_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):  # ValueError: a NUL or a lone surrogate in a user's name
        raise PathNotAllowed(f"The home folder in {_shown(path)} is unknown.") from None
