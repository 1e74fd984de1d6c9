"""The title of a session, from its first message.

Pure. Owns which line is the title, how long it is, and where it may be cut.
"""

from __future__ import annotations

import re
import unicodedata

TITLE_CHARACTERS = 60
"""Length of a title taken from a message: one line of a list."""

UNTITLED = "New chat"
"""Title of a session without messages."""

_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[^`]*$")
"""A line that opens or closes a block of code in Markdown."""

_PREFIX = re.compile(r"(?:#{1,6}|>+|[-*+])\s+")
"""What makes a heading, a quotation or a list of a line."""

_ZWJ = "\u200d"
_JOINS = frozenset({"\u200c", _ZWJ})
"""Invisible, but part of how the characters around them are written."""


def title_of(text: str) -> str:
    """A title from a message: its first line with visible text, cut at a word."""
    line = next(filter(None, map(_visible, text.splitlines())), UNTITLED)
    if len(line) <= TITLE_CHARACTERS:
        return line
    head, space, _ = line[: TITLE_CHARACTERS + 1].rpartition(" ")
    if not space or len(head) > TITLE_CHARACTERS:
        head = line[: _cut(line, TITLE_CHARACTERS)].rstrip()
    return f"{head}…"


def _visible(line: str) -> str:
    """A line without Markdown's marks and without characters that are not shown; empty if nothing is left."""
    if _FENCE.match(line):
        return ""
    shown = "".join(c for c in line if c.isspace() or c in _JOINS or unicodedata.category(c)[0] != "C")
    words = " ".join(shown.split())
    words = _PREFIX.sub("", words, count=1) if _PREFIX.match(words) else words
    return words if any(c not in _JOINS and not c.isspace() for c in words) else ""


def _cut(line: str, at: int) -> int:
    """The last place up to `at` that is not within a character as people see it, such as a joined emoji."""
    cut = at
    while cut > 0 and _is_joined(line, cut):
        cut -= 1
    return cut or at


def _is_joined(line: str, at: int) -> bool:
    """Whether the characters on both sides of a place are one as people see it (Unicode's annex 29, in short)."""
    before, behind = line[at - 1], line[at]
    if before == _ZWJ or behind in _JOINS or unicodedata.category(behind)[0] == "M":
        return True
    if "\U0001f3fb" <= behind <= "\U0001f3ff":  # the colour of a skin
        return True
    return _is_flag(before) and _is_flag(behind) and _flags_before(line, at) % 2 == 1


def _is_flag(character: str) -> bool:
    """Whether it is one of the letters that make flags in pairs."""
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(line: str, at: int) -> int:
    count = 0
    while count < at and _is_flag(line[at - 1 - count]):
        count += 1
    return count
