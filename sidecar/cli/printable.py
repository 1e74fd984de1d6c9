"""The one filter for everything that reaches a terminal.

Owns which characters are shown. Names of files and models, titles, answers, arguments of tools and errors come from
elsewhere, and could move the cursor, rename the window, fill the clipboard, or turn a line around. What is printed
passes one of two gates: `PrintableStream` in the places of stdout and stderr, and the console of `screen` for what is
styled. Both judge each character on its own, so that a sequence that comes in pieces is caught like a whole one.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any, TextIO, cast

_JOINERS = "\u200c\u200d"
"""ZWNJ and ZWJ: invisible, and part of joined emoji and of words in Arabic and Indic scripts."""

_JOINED_FROM = 0x300
"""The first code point that joiners are used with: no letter of Latin script is."""

_EMOJI_PLANE = range(0x1F000, 0x20000)
"""Newer emoji are unassigned characters for a Python that is older than they are."""


def printable(text: str) -> str:
    """The text as it may be shown, without control characters but for LF and TAB, and without invisible ones.

    Invisible are format characters, such as bidirectional overrides and zero-width spaces, but for joiners between
    characters that are joined. U+2028 and U+2029 become LF.
    """
    if text.isprintable():  # nearly all is
        return text
    return "".join(
        char if char == "\n" or char.isprintable() else _shown(text, position) for position, char in enumerate(text)
    )


def _shown(text: str, position: int) -> str:
    import unicodedata  # most runs meet nothing that needs it

    char = text[position]
    if char == "\t":
        return char
    if char in _JOINERS:
        return char if _joins(text, position - 1) and _joins(text, position + 1) else ""
    match unicodedata.category(char):
        case "Zs" | "Co":
            return char
        case "Zl" | "Zp":
            return "\n"
        case "Cn" if ord(char) in _EMOJI_PLANE:
            return char
        case _:
            return ""


def _joins(text: str, position: int) -> bool:
    """Whether a joiner may stand beside this character; the rest of a piece that was cut here may allow it."""
    if not 0 <= position < len(text):
        return True
    return ord(text[position]) >= _JOINED_FROM and text[position].isprintable() and not text[position].isspace()


def one_line(text: str) -> str:
    """A name or title as it may be shown: printable and without LF, which would begin another line of ours."""
    return " ".join(printable(text).split("\n"))


def printable_json(data: bytes) -> str:
    """JSON with all characters escaped that are not printable; it has the same meaning."""
    return "".join(
        char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1]
        for char in data.decode("utf-8", "replace")
    )


class PrintableStream:
    """A text stream to a terminal that lets through only what is printable; otherwise as the stream it stands for.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.terminal = stream
        """The terminal itself, for what is filtered already and has our styling."""

    def write(self, text: str) -> int:
        """Write what of a text is printable; returns the length of the text."""
        self.terminal.write(printable(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


def terminal_of(stream: Any) -> Any:
    """The stream behind a filter; another one is returned as it is."""
    return stream.terminal if isinstance(stream, PrintableStream) else stream


def guard() -> None:
    """Put the filter in the places of stdout and stderr where they are terminals. Files and pipes get what is said."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an answer may hold what an old locale cannot show
            if stream.isatty():
                setattr(sys, name, cast(TextIO, PrintableStream(stream)))
