"""The text around a search's matches.

Pure. Owns how much of a message is shown; which words of it are marked is decided by `matching`. SQLite's own snippet()
is quadratic in the number of matches: half a minute for a word that occurs fifty thousand times in a message.
"""

from __future__ import annotations

from sidecar.chat.matching import marks

BEFORE = 60
"""Approximate number of characters before the first match."""

LENGTH = 200
"""Approximate length of a snippet in characters: two lines of a list."""

WINDOW = 65_536
"""Characters that are scanned at a time, so that a match near the beginning of a long message is found soon."""

SEARCHED = 1_000_000
"""Characters of a message that are scanned. For a later match the beginning of the message is shown."""


def snippet(text: str, query: str) -> str:
    """The text around the first match of the query, all matches between \\u0002 and \\u0003."""
    at, behind = _first(text, query)
    start = max(at - BEFORE, 0)
    end = min(max(start + LENGTH, behind), len(text))
    if start > 0:  # cut between words, where there are any
        start = text.find(" ", start - 1, at) + 1 or at
    if end < len(text):
        end = max(text.rfind(" ", behind, end + 1), behind) or end
    return f"{'…' if start else ''}{_marked(text[start:end], query)}{'…' if end < len(text) else ''}"


def _first(text: str, query: str) -> tuple[int, int]:
    """The first match; the beginning of the text where there is none."""
    begin = 0
    while begin < min(len(text), SEARCHED):
        cut = text.find(" ", begin + WINDOW)
        end = min(cut if cut >= 0 else len(text), begin + 2 * WINDOW, SEARCHED)
        if found := min(marks(text[begin:end], query), default=None):
            return begin + found[0], begin + found[1]
        begin = end
    return 0, 0


def _marked(text: str, query: str) -> str:
    shown, done = [], 0
    for begin, end in sorted(marks(text, query)):
        if end <= done:
            continue
        begin = max(begin, done)
        shown += [text[done:begin], "\u0002", text[begin:end], "\u0003"]
        done = end
    return "".join((*shown, text[done:]))
