"""The level of a log line, and making lines safe to show.

Pure. Engines write in the formats of llama.cpp, of Python's logging and of uvicorn; anything else is plain text.
"""

from __future__ import annotations

import re

from sidecar.contract.logs import Level

LEVELS: dict[Level, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}

_LEVEL = re.compile(
    rb"^(?:[\d.]+ )?(?P<letter>[DIWE]) "  # llama.cpp: 0.00.004.139 I srv  init: …
    rb"|^(?:\S+ ){0,3}?\[?(?P<word>DEBUG|INFO|WARN(?:ING)?|ERROR|CRITICAL|FATAL)\b",
)
_LETTERS: dict[bytes, Level] = {b"D": "debug", b"I": "info", b"W": "warning", b"E": "error"}
_WORDS: dict[bytes, Level] = {
    b"DEBUG": "debug",
    b"INFO": "info",
    b"WARN": "warning",
    b"WARNING": "warning",
    b"ERROR": "error",
    b"CRITICAL": "error",
    b"FATAL": "error",
}
_ERROR_BEGINNINGS = (b"error", b"fatal", b"terminate called", b"traceback", b"ggml_assert")
_ERROR_LOADING = re.compile(rb"\berror loading\b")

LOOKED_AT_BYTES = 256
"""Bytes of a line that are searched for its level, which stands at the beginning; a line may have 8 KB."""

_CONTROL = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
"""The control characters of ASCII, without LF and TAB."""

_UNSAFE = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f"  # moves a terminal's cursor, ends or hides a line
    "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069"  # ends a line, or turns its letters around
    "\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e007f"  # is invisible
    "\\ud800-\\udfff]"  # lone surrogates: they cannot be encoded
)
"""What a log line must not carry into a terminal or another log. LF, which ends it, and TAB are left out."""


def level_of(line: bytes) -> Level:
    """The level of an engine's line; `info` if it has none."""
    line = line[:LOOKED_AT_BYTES]
    if match := _LEVEL.match(line):
        if letter := match["letter"]:
            return _LETTERS[letter]
        return _WORDS[match["word"]]
    line = line.lower()
    if line.startswith(_ERROR_BEGINNINGS) or b": error:" in line:
        return "error"
    return "error" if b"error loading" in line and _ERROR_LOADING.search(line) else "info"


def printable(line: bytes | str) -> str:
    """The line, with all characters escaped that could disguise it as another line or as several."""
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    if text.isprintable():  # nearly all are
        return text
    return _UNSAFE.sub(_escaped, text).replace("\n", "\\x0a")


def escape_chunk(chunk: bytes) -> bytes:
    """Whole lines as written to a file: escaped as in `printable`, and invalid UTF-8, too."""
    chunk = chunk.replace(b"\r\n", b"\n")
    if chunk.isascii() and len(chunk.translate(None, _CONTROL)) == len(chunk):  # nearly all there are
        return chunk
    return _UNSAFE.sub(_escaped, chunk.decode("utf-8", "backslashreplace")).encode()


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
