"""What of a text matches a query: one rule for messages, snippets and titles.

Pure. Owns where a match may begin and end: at the edge of a word, at a hump of `camelCase`, between letters and
digits, and anywhere in scripts without spaces between words. Texts are compared as `search_index.fold` makes them.
Knows nothing of SQL: `search` finds candidates in the indexes, this module decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

import msgspec

from sidecar.storage.search_index import NO_SPACES, fold, folded_pieces

FIRST_IDEOGRAM = "\u2e80"
"""First code point of the scripts whose characters are words, or that have no spaces between words."""

_IS_NO_SPACES = re.compile(f"[{NO_SPACES}]").match
_SIGNIFICANT = "+#"
"""Symbols that are part of a name, as in C++ and F#. Others at the ends of a word are punctuation."""


def has_no_spaces(character: str) -> bool:
    """Whether a character belongs to a script without spaces between words."""
    return _IS_NO_SPACES(character) is not None


def is_prefix(query: str) -> bool:
    """Whether the last word of a query may be the beginning of a word.

    A single letter may not: half of all messages have a word that starts with it, and the index would have to sort them
    first. A character of Chinese or Japanese may, since the index has whole sentences as words.
    """
    if not query or not _is_letter(query[-1]):
        return False
    last = _words(query)[-1]
    return len(last) > 1 or last >= FIRST_IDEOGRAM


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a query between spaces.

    Attributes:
        typed: as it was typed.
        core: without punctuation at its ends; empty where there is nothing else, unless nothing else was typed at all.
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
        return _words(self.core)


def chunks_of(query: str) -> list[Chunk]:
    """The parts of a query, each once, in their order; all of them have to match.

    Parts without a letter count only where there are no others: a dash between words is not searched for, a sign on its
    own or an emoji is.
    """
    typed = query.replace("\0", " ").split()
    ends_in_prefix = is_prefix(query)
    found = [_chunk(part, is_prefix=ends_in_prefix and n == len(typed)) for n, part in enumerate(typed, 1)]
    if not any(chunk.core for chunk in found):
        found = [Chunk(typed=part, core=part, exact=True, is_prefix=False) for part in typed if fold(part)]
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


def _words(text: str) -> list[str]:
    """The runs of letters, digits and their marks; in Hindi and many scripts vowels are marks."""
    return ["".join(run) for is_word, run in groupby(text, _is_letter) if is_word]


class _Folded:
    """A text, its folded form, and the way back from a place in that to one in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._folded = fold(text)
        self._origins: list[tuple[int, int]] | None = None
        if not text.isascii():
            self._origins = [(begin, end) for begin, end, folded in folded_pieces(text) for _ in folded]

    def occurrences(self, needle: str, *, is_prefix: bool) -> Iterator[tuple[int, int]]:
        """Where a folded needle occurs between two borders; with `is_prefix` up to the end of the word."""
        at = self._folded.find(needle) if needle else -1
        while at >= 0:
            end = at + len(needle)
            if self._is_border(at) and (is_prefix or self._is_border(end)):
                while is_prefix and not self._is_border(end):
                    end += 1
                yield self._origin(at)[0], self._origin(end - 1)[1]
                at = self._folded.find(needle, end)
            else:
                at = self._folded.find(needle, at + 1)

    def _origin(self, place: int) -> tuple[int, int]:
        """Where in the text a character of the folded form comes from: beginning and end."""
        return (place, place + 1) if self._origins is None else self._origins[place]

    def _is_border(self, place: int) -> bool:
        """Whether a match may begin or end here."""
        if place <= 0 or place >= len(self._folded):
            return True
        before, behind = self._origin(place - 1)[0], self._origin(place)[0]
        if before == behind:  # within a character that folds to several
            return False
        last, first = self._text[before], self._text[behind]
        if not (_is_letter(last) and _is_letter(first)) or has_no_spaces(last) or has_no_spaces(first):
            return True
        if last.isdigit() != first.isdigit() or (last.islower() and first.isupper()):
            return True
        third = self._text[behind + 1] if behind + 1 < len(self._text) else ""
        return last.isupper() and first.isupper() and third.islower()
