"""Paths and names that come from outside: a host, a person at a terminal, a model hub.

Owns what they may lead to; nothing else in the sidecar makes a path of words from outside. A host may name any file by
its absolute path, as its user may: what is asked of it is that it says what it means. A *name* may never lead out of
the folder that it is put into, on whatever system that folder is read. The command line needs this, so what is
seldom used is imported where it is.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path, PureWindowsPath

from sidecar.contract.errors import EngineNotFound, ModelNotFound, PathNotAllowed, PermissionDenied

MAX_NAME_BYTES = 200
"""Of one part of a name: file systems take 255, and a suffix of ours must still fit."""

MAX_PLAIN_LETTERS = 100
"""Of a text that becomes a file's name."""

LONGEST_SHOWN = 300
"""Letters of a path in an error: what is taken for one may be a whole image."""

PROGRAM_SUFFIX = ".exe" if sys.platform == "win32" else ""
"""Of a program's file."""

_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*(?:[.:].*)?", re.I | re.S)
"""Windows takes these for devices in every folder, with any ending."""

_VERBATIM = re.compile(r"[\\/]{2}\?[\\/](?:[A-Z]:|UNC[\\/])", re.I)
"""What Rust's canonicalize puts before an ordinary Windows path."""

_FORBIDDEN = frozenset('<>:"|?*\\/')
"""What Windows does not take in a file's name; a colon also begins a drive or a hidden stream."""

_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of what cannot be seen: controls, marks that turn the text around, halves of a character."""


# --- what a host names -----------------------------------------------------------------------------------------


def is_path(text: str) -> bool:
    """Whether a text that may be a name as well is meant as a path."""
    return text.startswith("~") or Path(text).is_absolute()


def absolute(path: str) -> Path:
    """The place that a host names; `~` is understood. Whether anything is there is not checked.

    Raises:
        PathNotAllowed: it is not absolute, or none that the system takes.
    """
    place = _from_home(path)
    if not place.is_absolute():
        raise PathNotAllowed(f"{_shown(path)} is not an absolute path.")
    if "\0" in path or any("\ud800" <= letter <= "\udfff" for letter in path):
        raise PathNotAllowed(f"{_shown(path)} is not a path that the system takes.")
    if sys.platform == "win32" and is_windows_device(str(place)):
        raise PathNotAllowed(f"{_shown(path)} is a device, not a file.")
    return place


def from_here(path: str) -> Path:
    """The place that a person names at a terminal, from the folder they are in.

    Raises:
        PathNotAllowed: there is no such home folder.
    """
    return _from_home(path).absolute()


def file(path: str) -> Path:
    """The ordinary file that a host names.

    Raises:
        PathNotAllowed: it is not absolute (`~` is understood), or not an ordinary file.
        ModelNotFound: there is no such file.
        PermissionDenied: it may not be read.
    """
    place = absolute(path)
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFound(f"There is no file {_shown(path)}.") from None
    except PermissionError:
        raise PermissionDenied(
            f"{_shown(path)} may not be read: a folder on the way to it does not let you in."
        ) from None
    except OSError as error:  # too long, links in a circle
        raise PathNotAllowed(f"{_shown(path)} is not a path that the system takes: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        raise PathNotAllowed(f"{_shown(path)} is {'a folder' if stat.S_ISDIR(mode) else 'not an ordinary file'}.")
    if not os.access(place, os.R_OK):
        raise PermissionDenied(f"{_shown(path)} may not be read.")
    return place


def program(name: str) -> str:
    """The program that a host names: by its path, or by a bare name that is looked for on PATH.

    Raises:
        PathNotAllowed: it is a path and not absolute: it would depend on the folder that the host is in.
        EngineNotFound: there is no program of this name.
    """
    if is_path(name) or os.path.split(name)[0] or name in ("", ".", ".."):
        return str(absolute(name))
    found = on_path(name)
    if found is None:
        raise EngineNotFound(f"There is no program {_shown(name)} on PATH.")
    return str(found)


def on_path(name: str) -> Path | None:
    """A program on PATH. Never one in the folder that the host is in, which may hold anything."""
    import shutil

    names = dict.fromkeys((name, f"{name}{PROGRAM_SUFFIX}"))
    for folder in map(Path, os.get_exec_path()):
        for candidate in names if folder.is_absolute() else ():
            try:
                if found := shutil.which(str(folder / candidate)):
                    return Path(found)
            except (ValueError, OSError):  # a NUL or half a character in it, too long
                continue
    return None


# --- names that become files in a folder of ours ---------------------------------------------------------------


def place_in(folder: Path, name: str) -> Path:
    """Where a file of this name belongs in a folder of ours; `/` separates folders in the name.

    Callers that open it for writing must not follow a link: what is checked here may be another thing by then.

    Raises:
        PathNotAllowed: the name could lead out of the folder or to a device, is one that some system does not take or
            writes in another way, or is taken in another case; or there is a link on the way.
    """
    place = folder
    for part in name.split("/"):
        if problem := problem_of(part) or _problem_in(place, part):
            raise PathNotAllowed(f"{_shown(name)} cannot be a file's name: {problem}.")
        place /= part
    return place


def file_name(text: str) -> str:
    """A file's name for any text: always the same for one text, and on every system another one for any other."""
    plain = re.sub(r"[^a-z0-9._-]", "-", text.lower())[:MAX_PLAIN_LETTERS].strip(".-")
    if not plain or _DEVICE.fullmatch(plain):
        plain = f"file-{plain}".strip("-")
    if plain == text:
        return text
    import hashlib

    return f"{plain}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def is_windows_device(path: str) -> bool:
    """Whether Windows takes a path for a device or a hidden stream instead of a file. Pure."""
    given = PureWindowsPath(path)
    if given.drive.startswith(("\\\\.\\", "\\\\?\\")) and not _VERBATIM.match(path):
        return True
    parts = given.parts[1:] if given.anchor else given.parts
    return any(":" in part or _DEVICE.fullmatch(part.rstrip(" .")) for part in parts)


def problem_of(part: str) -> str | None:
    """Why one part of a name from outside is refused, on whatever system; `None` where it may be. Pure."""
    if part in ("", ".", ".."):
        return "a part of it is empty, or leads elsewhere"
    import unicodedata

    if any(unicodedata.category(letter) in _INVISIBLE for letter in part):
        return "there are characters in it that cannot be seen"
    if found := _FORBIDDEN & set(part):
        return f"there is {min(found)} in it"
    if part != part.strip() or part.endswith("."):
        return "a part of it begins or ends with a blank, or ends with a dot"
    if len(part.encode()) > MAX_NAME_BYTES:
        return f"a part of it has more than {MAX_NAME_BYTES} bytes"
    if _DEVICE.fullmatch(part):
        return "Windows takes it for a device"
    if unicodedata.normalize("NFC", part) != part:
        return "some systems write its letters in another way"
    return None


def _problem_in(folder: Path, part: str) -> str | None:
    """Why one part of a name is refused for what is in the folder already."""
    if (folder / part).is_symlink():
        return f"{part} is a link there, and leads somewhere else"
    others = (one.name for one in folder.iterdir()) if folder.is_dir() else ()
    same = next((other for other in others if other != part and other.casefold() == part.casefold()), None)
    return f"there is {same!r}, which some systems take for the same" if same else None


def _shown(path: str) -> str:
    return repr(path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}…")


def _from_home(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):  # ValueError: a NUL or half a character in a user's name
        raise PathNotAllowed(f"It is not known where the home folder in {_shown(path)} is.") from None
