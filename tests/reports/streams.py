"""Recorded and made-up streams of engines, as bytes. Standard library only: the fake engine replays them.

A file has a JSON value a line, which becomes an event of its own. A line that begins with "!" is sent as it is written
there, with \\r, \\n and \\\\ for what they mean.
"""

from __future__ import annotations

import re
from pathlib import Path

CASES = Path(__file__).with_name("cases")
DONE = b"data: [DONE]\n\n"

_ESCAPES = {r"\r": "\r", r"\n": "\n", r"\\": "\\"}


def stream_of(text: str) -> bytes:
    """The bytes that an engine sends for the text of such a file, without the marker of the end."""
    return b"".join(_event(line) for line in text.splitlines() if line)


def recorded(name: str) -> bytes:
    """The bytes of a file in `cases`."""
    return stream_of((CASES / f"{name}.sse").read_text())


def _event(line: str) -> bytes:
    if line.startswith("!"):
        return re.sub(r"\\[rn\\]", lambda found: _ESCAPES[found[0]], line[1:]).encode()
    return f"data: {line}\n\n".encode()
