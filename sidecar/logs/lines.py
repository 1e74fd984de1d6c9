"""What a log line says, and how it is made safe to show.

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
_ERROR_WORDS = re.compile(rb"^(?:error|fatal|terminate called|Traceback|GGML_ASSERT)|: error:|\berror loading\b", re.I)

_CONTROL = bytes([*range(0x09), *range(0x0B, 0x20), 0x7F])
"""C0 control characters that a log line must not carry into a terminal or another log, LF and TAB left out."""

_ANY_CONTROL = re.compile(b"[%b]" % re.escape(_CONTROL))

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x09), *range(0x0A, 0x20), 0x7F)} | {
    0x85: "\\x85",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def level_of(line: bytes) -> Level:
    """The level of an engine's line; `info` where it does not say."""
    if match := _LEVEL.match(line):
        if letter := match["letter"]:
            return _LETTERS[letter]
        return _WORDS[match["word"]]
    return "error" if _ERROR_WORDS.search(line) else "info"


def printable(line: bytes | str) -> str:
    """The line with control characters escaped, so that nothing can pretend to be another line."""
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else _without_surrogates(line)
    return text.translate(_ESCAPES)


def _without_surrogates(text: str) -> str:
    """A file's name that is not UTF-8 comes as a text that can not be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()


def escape_chunk(chunk: bytes) -> bytes:
    """Whole lines as they go to a file: bytes as they are, control characters escaped."""
    chunk = chunk.replace(b"\r\n", b"\n")
    if len(chunk.translate(None, _CONTROL)) == len(chunk):
        return chunk
    return _ANY_CONTROL.sub(lambda found: b"\\x%02x" % found[0][0], chunk)
