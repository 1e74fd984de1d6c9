"""Reasoning that an engine was to end before its first token.

Owns what such an answer means. llama-server forces the closing tag, loses its first token (llama.cpp#28356), and so
does not see the tag itself: its rest and the whole answer arrive as reasoning. Where that rest comes first, what
follows is the answer. Everything else that arrives as reasoning is reasoning. Pure.
"""

from __future__ import annotations

from sidecar.events.event_log import TextStatus
from sidecar.generation.reasoning_tags import TAGS, Piece

MIN_REST = 2
"""Letters of a closing tag by which it is recognized."""

_RESTS = sorted({tag[start:] for _, tag in TAGS for start in range(len(tag) - MIN_REST + 1)}, key=len, reverse=True)


class ClosedReasoning:
    """Splits what an engine sends as reasoning; holds back only what may be the rest of a tag."""

    def __init__(self) -> None:
        self._held = ""
        self._status: TextStatus | None = None  # `None` while it is open what the text is
        self._has_begun = False

    def feed(self, text: str) -> list[Piece]:
        """The next piece, split."""
        self._held += text
        if self._status is None:
            start = self._held.lstrip()
            if not start or any(rest != start and rest.startswith(start) for rest in _RESTS):
                return []
            rest = next((rest for rest in _RESTS if start.startswith(rest)), None)
            self._status = "reasoning" if rest is None else "token"
            if rest is not None:
                self._held = start[len(rest) :]
        return self._taken(at_start=self._status == "token")

    def end(self) -> list[Piece]:
        """What was held back: the answer has ended."""
        self._status = self._status or "reasoning"
        return self._taken()

    def _taken(self, *, at_start: bool = False) -> list[Piece]:
        if at_start and not self._has_begun:
            self._held = self._held.lstrip()
            self._has_begun = bool(self._held)
        text, self._held = self._held, ""
        return [(self._status or "reasoning", text)] if text else []
