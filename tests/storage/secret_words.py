"""Words that must not be found, and looking for them in the raw bytes of files."""

from __future__ import annotations

from pathlib import Path

CANARY = "the vicuña keeps its secret"
TITLE = "Diary of a Guanaco"

SECRETS = (CANARY, TITLE, "vicuna")
"""The last as the search index would have it."""


def files_with(folder: Path, *words: str) -> set[str]:
    """Names of the files below a folder that hold any of these, in UTF-8 or UTF-16, or as JSON writes it."""
    needles = [form for word in words for form in _forms(word)]
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.name for path in files if any(needle in path.read_bytes() for needle in needles)}


def _forms(word: str) -> set[bytes]:
    escaped = word.encode("ascii", "backslashreplace").replace(b"\\xf1", b"\\u00f1")
    return {word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"), escaped}
