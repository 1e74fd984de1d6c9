"""What of a text matches a query: one rule for messages, snippets and titles.

Pure. Owns the folding (case, accents, width and typographic quotes do not count) and where a match may begin and end:
at the edge of a word, at a hump of `camelCase`, between letters and digits, and anywhere in scripts without spaces
between words. Knows nothing of SQL: `search` finds candidates in the indexes, this module decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from sidecar.storage.migrations import NO_SPACES

FIRST_IDEOGRAM = "\u2e80"
"""First code point of the scripts whose characters are words, or that have no spaces between words."""

CACHED_CHARACTERS = 65_536
"""More than any text uses; a hostile one could use a million."""

_IS_NO_SPACES = re.compile(f"[{NO_SPACES}]").match
_ACCENTS = re.compile("[\u0300-\u036f]+")
_LAST_WORD = re.compile(r"[^\W_]+\Z")
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_QUOTES = {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'}
_SIGNIFICANT = "+#"
"""Symbols that are part of a name, as in C++ and F#. Others at the ends of a word are punctuation."""


class _Folding(dict[int, str]):
    """Folded characters by code point, for `str.translate`; filled as characters occur."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        decomposed = unicodedata.normalize("NFKD", _QUOTES.get(character, character))
        folded = unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed)).casefold()
        if len(self) < CACHED_CHARACTERS:
            self[code] = folded
        return folded


_FOLDING = _Folding()


def fold(text: str) -> str:
    """A text without case, accents, width and typographic quotes, for comparison."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def has_no_spaces(character: str) -> bool:
    """Whether a character belongs to a script without spaces between words."""
    return _IS_NO_SPACES(character) is not None


def is_prefix(query: str) -> bool:
    """Whether the last word of a query may be the beginning of a word.

    A single letter may not: half of all messages have a word that starts with it, and the index would have to sort them
    first. A character of Chinese or Japanese may, since the index has whole sentences as words.
    """
    last = _LAST_WORD.search(query)
    return last is not None and (len(last[0]) > 1 or last[0] >= FIRST_IDEOGRAM)


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a query between spaces.

    Attributes:
        typed: as it was typed.
        core: without punctuation at its ends; empty where there is nothing else.
        exact: its symbols count, as in C++, so that its words are not enough.
        is_prefix: it may be the beginning of a word.
    """

    typed: str
    core: str
    exact: bool
    is_prefix: bool

    @property
    def words(self) -> list[str]:
        """Its words."""
        return _WORD.findall(self.core)


def chunks_of(query: str) -> list[Chunk]:
    """The parts of a query, each once, in their order; all of them have to match."""
    typed = query.replace("\0", " ").split()
    ends_in_prefix = is_prefix(query)
    found = [_chunk(part, is_prefix=ends_in_prefix and n == len(typed)) for n, part in enumerate(typed, 1)]
    return list(dict.fromkeys(found))


def matches(text: str, chunks: list[Chunk]) -> bool:
    """Whether each of the chunks occurs in a text."""
    folded = _Folded(text)
    return all(next(folded.occurrences(fold(chunk.core), is_prefix=chunk.is_prefix), None) for chunk in chunks)


def marks(text: str, query: str) -> Iterator[tuple[int, int]]:
    """Where the words of a query occur in a text: beginnings and ends, in no order, perhaps overlapping."""
    folded = _Folded(text)
    for chunk in chunks_of(query):
        needles = [chunk.core] if chunk.exact else chunk.words
        for n, needle in enumerate(needles, 1):
            yield from folded.occurrences(fold(needle), is_prefix=chunk.is_prefix and n == len(needles))


def _chunk(typed: str, *, is_prefix: bool) -> Chunk:
    begin, end = 0, len(typed)
    while begin < end and not (_is_letter(typed[begin]) or typed[begin] in _SIGNIFICANT):
        begin += 1
    while end > begin and not (_is_letter(typed[end - 1]) or typed[end - 1] in _SIGNIFICANT):
        end -= 1
    core, tail = typed[begin:end], typed[end:]
    if not any(map(_is_letter, core)):
        return Chunk(typed=typed, core="", exact=False, is_prefix=False)
    if len(core) == 1 and tail and not is_punctuation(tail):  # C-- is no C
        return Chunk(typed=typed, core=core + tail, exact=True, is_prefix=False)
    exact = any(symbol in core for symbol in _SIGNIFICANT)
    return Chunk(typed=typed, core=core, exact=exact, is_prefix=is_prefix)


def is_punctuation(text: str) -> bool:
    """Whether a text could stand behind any word of a sentence."""
    return all(unicodedata.category(character)[0] in "PZ" and character not in "*-/\\@&%_" for character in text)


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] == "M"


class _Folded:
    """A text, its folded form, and the way back from a place in that to one in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folded = fold(text)
        self._origins: list[int] | None = None
        if not text.isascii():
            lengths = [len(_FOLDING[ord(character)]) for character in text]
            if any(length != 1 for length in lengths):
                ends = accumulate(lengths)
                self._origins = [n for n, end in enumerate(ends) for _ in range(lengths[n])]

    def occurrences(self, needle: str, *, is_prefix: bool) -> Iterator[tuple[int, int]]:
        """Where a folded needle occurs between two borders; with `is_prefix` up to the end of the word."""
        at = self._folded.find(needle) if needle else -1
        while at >= 0:
            end = at + len(needle)
            if self._is_border(at) and (is_prefix or self._is_border(end)):
                while is_prefix and not self._is_border(end):
                    end += 1
                yield self._origin(at), self._end(end)
                at = self._folded.find(needle, end)
            else:
                at = self._folded.find(needle, at + 1)

    def _origin(self, place: int) -> int:
        if self._origins is None:
            return place
        return self._origins[place] if place < len(self._origins) else len(self._text)

    def _end(self, place: int) -> int:
        """The end in the text, with the accents behind it."""
        end = self._origin(place - 1) + 1
        while end < len(self._text) and _ACCENTS.match(self._text[end]):
            end += 1
        return end

    def _is_border(self, place: int) -> bool:
        """Whether a match may begin or end here."""
        if place <= 0 or place >= len(self._folded):
            return True
        before, behind = self._origin(place - 1), self._origin(place)
        if before == behind:  # within a character that folds to several
            return False
        last, first = self._text[before], self._text[behind]
        if not (_is_letter(last) and _is_letter(first)) or has_no_spaces(last) or has_no_spaces(first):
            return True
        if last.isdigit() != first.isdigit() or (last.islower() and first.isupper()):
            return True
        third = self._text[behind + 1] if behind + 1 < len(self._text) else ""
        return last.isupper() and first.isupper() and third.islower()
