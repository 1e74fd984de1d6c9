"""What the search indexes hold: the folded text of the messages, and the triggers that keep them so.

Owns the folding: case, accents, vowel points, width, ligatures and typographic quotes do not count. Messages, queries
and titles are folded alike, so that SQLite's tokenizers only have to split.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator

CACHED_CHARACTERS = 65_536
"""More than any text uses; a hostile one could use a million."""

NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\uff66-\uffdc\U00020000-\U0003fffd"
)
"""Scripts without spaces between words, as ranges of a set of characters: Thai, Lao, Burmese, Khmer, Chinese, Japanese,
and Korean, which joins particles to its words. A part of a released step: never changed."""

_OPTIONAL = re.compile(
    "[\u0300-\u036f"  # accents
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # points of Hebrew
    "\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed"  # and of Arabic
    "\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]+"  # without a shape: joiners, variants, soft hyphens
)
"""What may be written or left out without a change of the word."""

_MARKS = "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670\u3099\u309a\uff9e\uff9f"
_SYLLABLE = "[\u1100-\u115f\ua960-\ua97f]+[\u1160-\u11a7\ud7b0-\ud7c6]*[\u11a8-\u11ff\ud7cb-\ud7fb]*"
_JOINED = re.compile(f"{_SYLLABLE}|[^{_MARKS}][{_MARKS}]+")
"""Several characters that are one: a letter with its marks, and a syllable of Korean."""
_PIECE = re.compile(f"{_JOINED.pattern}|.", re.DOTALL)

_QUOTES = {**dict.fromkeys("\u2018\u2019\u02bc", "'"), **dict.fromkeys("\u201c\u201d\u201e", '"')}
_DASHES = dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
_TYPOGRAPHY = _QUOTES | _DASHES
_LETTERS = str.maketrans({"đ": "d", "ł": "l", "ø": "o", "ħ": "h", "\u0131": "i", "æ": "ae", "œ": "oe"})
"""Letters with a stroke and joined ones, which Unicode does not take apart."""


class _Folding(dict[int, str]):
    """Folded characters by code point, for `str.translate`; filled as characters occur."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = _folded(_TYPOGRAPHY.get(character, character))
        if len(self) < CACHED_CHARACTERS:
            self[code] = folded
        return folded


def _folded(piece: str) -> str:
    letters = _OPTIONAL.sub("", unicodedata.normalize("NFKD", piece)).casefold().translate(_LETTERS)
    return unicodedata.normalize("NFC", letters)


_FOLDING = _Folding()


def fold(text: str) -> str:
    """A text without case, accents, width and typographic quotes, for comparison."""
    if text.isascii():
        return text.lower()
    return _JOINED.sub(lambda found: _folded(found[0]), text).translate(_FOLDING)


def folded_pieces(text: str) -> Iterator[tuple[int, int, str]]:
    """What `fold` makes of a text, piece by piece: the piece's beginning and end in the text, and its folded form."""
    for found in _PIECE.finditer(text):
        piece = found[0]
        yield found.start(), found.end(), _FOLDING[ord(piece)] if len(piece) == 1 else fold(piece)


def register(connection: sqlite3.Connection) -> None:
    """Give a connection the function that the triggers and views of the indexes call."""
    connection.create_function("fold", 1, fold, deterministic=True)
    connection.execute("PRAGMA trusted_schema = ON")  # Apple's SQLite allows no such functions in a schema by default


NAME_WITH_SYMBOL = "[A-Za-z0-9][+#]"
"""What names such as C++ and F# contain, as GLOB and as a regular expression. A part of a released step."""

_CONDITIONS = (
    "(length(CAST({0}content AS BLOB)) > length({0}content) AND {0}content GLOB"
    " '*[^\u0001-\u0dff\u1e00-\u2bff\ufe0f\U0001f000-\U0001ffff]*')",
    f"((instr({{0}}content, '+') OR instr({{0}}content, '#')) AND {{0}}content GLOB '*{NAME_WITH_SYMBOL}*')",
    *(
        f"{{0}}content GLOB '*{pattern}*'"
        for pattern in ("[a-z0-9][A-Z]", "[A-Z][A-Z][a-z]", "[0-9].[0-9]", "[0-9][a-z]")
    ),
)
INSIDE_WORDS = " OR ".join(_CONDITIONS)
"""Whether a text may have parts of words that are searched for: it is no plain text of a script with spaces. The first
one is for `NO_SPACES` and a few more scripts: a set of fewer ranges takes half the time. Never changed, as above."""

_REMOVE = "INSERT INTO messages_text (messages_text, rowid, content) VALUES ('delete', old.rowid, fold(old.content))"
_ADD = "INSERT INTO messages_text (rowid, content) VALUES (new.rowid, fold(new.content))"

INDEX_TRIGGERS = {
    "messages_text_insert": f"AFTER INSERT ON messages BEGIN {_ADD}; END",
    "messages_text_delete": f"AFTER DELETE ON messages BEGIN {_REMOVE}; END",
    "messages_text_update": f"AFTER UPDATE OF content ON messages BEGIN {_REMOVE}; {_ADD}; END",
}
"""The triggers that maintain the index of words, by name. A part of a step that may be released: never changed."""

_ADD_PARTS = (
    "INSERT INTO messages_parts (rowid, content) SELECT new.rowid, fold(new.content) || '  '"
    f" WHERE {INSIDE_WORDS.format('new.')}"
)
_REMOVE_PARTS = (
    "INSERT INTO messages_parts (messages_parts, rowid, content)"
    f" SELECT 'delete', old.rowid, fold(old.content) || '  ' WHERE {INSIDE_WORDS.format('old.')}"
)

PARTS_TRIGGERS = {
    "messages_parts_insert": f"AFTER INSERT ON messages BEGIN {_ADD_PARTS}; END",
    "messages_parts_delete": f"AFTER DELETE ON messages BEGIN {_REMOVE_PARTS}; END",
    "messages_parts_update": f"AFTER UPDATE OF content ON messages BEGIN {_REMOVE_PARTS}; {_ADD_PARTS}; END",
}
"""The triggers that maintain the index of parts of words, by name."""

ALL_TRIGGERS = {**INDEX_TRIGGERS, **PARTS_TRIGGERS}
"""The triggers that maintain the search indexes. An encrypted file has none of them (`reencrypt`)."""

INDEXES = ("messages_text", "messages_parts")
"""The search indexes, which are built from `messages`."""


def indexes_of(connection: sqlite3.Connection) -> list[str]:
    """The search indexes that a file has, which depends on its version."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return [index for index in INDEXES if index in tables]
