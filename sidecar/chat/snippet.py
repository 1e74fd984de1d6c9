"""The text around a search's matches.

Pure. Owns how much of a message is shown and which words of it are marked. SQLite's own snippet() is quadratic in the
number of matches: half a minute for a word that occurs fifty thousand times in a message.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

BEFORE = 60
"""Approximate number of characters before the first match."""

LENGTH = 200
"""Approximate length of a snippet in characters: two lines of a list."""

SEARCHED = 1_000_000
"""Characters of a message that are scanned. For a later match the beginning of the message is shown."""

FIRST_IDEOGRAM = "\u2e80"
"""First code point of the scripts whose characters are words, or that have no spaces between words."""

_LAST_WORD = re.compile(r"[^\W_]+\Z")

_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")


def snippet(text: str, query: str) -> str:
    """The text around the first word of the query, all of its words between \\u0002 and \\u0003."""
    matches = _matcher(query)
    first = next((word for word in _WORD.finditer(text, 0, SEARCHED) if matches(word[0])), None)
    at, length = (first.start(), len(first[0])) if first else (0, 0)
    start = max(at - BEFORE, 0)
    end = min(max(start + LENGTH, at + length), len(text))
    if start > 0:  # cut between words, where there are any
        start = text.find(" ", start - 1, at) + 1 or at
    if end < len(text):
        end = max(text.rfind(" ", at + length, end + 1), at + length) or end
    shown = _WORD.sub(lambda word: f"\u0002{word[0]}\u0003" if matches(word[0]) else word[0], text[start:end])
    return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"


def is_prefix(query: str) -> bool:
    """Whether the last word may be a prefix.

    A single letter is not: half of all messages have a word that starts with it, and the index would have to sort them
    first. A character of Chinese or Japanese is, since the index has whole sentences as words.
    """
    last = _LAST_WORD.search(query)
    return last is not None and (len(last[0]) > 1 or last[0] >= FIRST_IDEOGRAM)


def _matcher(query: str) -> Callable[[str], bool]:
    """Whether a word is one of a query's; the last one may be a prefix."""
    words = [_folded(word) for word in _WORD.findall(query)]
    beginning = words[-1] if words and is_prefix(query) else None

    def matches(word: str) -> bool:
        folded = _folded(word)
        return folded in words or (beginning is not None and folded.startswith(beginning))

    return matches


def _folded(word: str) -> str:
    """A word without case and accents, about as SQLite's tokenizer compares them."""
    if word.isascii():
        return word.lower()
    return "".join(letter for letter in unicodedata.normalize("NFD", word) if not unicodedata.combining(letter)).lower()
