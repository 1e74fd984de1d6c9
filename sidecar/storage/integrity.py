"""Whether a history file has to be examined before it is used.

Owns what makes it doubtful. A few system calls and no SQLite: it is asked before the first reply. What is done about
it is `recovery`'s business.
"""

from __future__ import annotations

from pathlib import Path

MAGIC = b"SQLite format 3\0"
"""How every file of SQLite's begins."""


def is_suspect(path: Path) -> bool:
    """Whether the file was not closed, or was found damaged, or looks so."""
    if note_of(path).exists() or size_of(beside(path, "-wal")):
        return True
    try:
        return size_of(path) > 0 and not is_database(path)
    except OSError:  # SQLite will say why
        return False


def is_database(path: Path) -> bool:
    """Whether it begins as a file that SQLite would read and write."""
    with path.open("rb") as file:
        header = file.read(20)
    return header.startswith(MAGIC) and len(header) == 20 and max(header[18:]) <= 2


def note_of(path: Path) -> Path:
    """The note which says that the file is damaged."""
    return beside(path, "-damaged")


def beside(path: Path, ending: str) -> Path:
    """The file of the same name with this ending after it."""
    return path.with_name(path.name + ending)


def size_of(path: Path) -> int:
    """Its bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
