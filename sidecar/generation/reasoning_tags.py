"""Reasoning that an engine leaves in the text, between tags at its beginning.

Owns the tags, and where reasoning ends and the answer begins. Pure. Only the beginning of an answer counts: an answer
may write about a tag, and must keep it. The tags are those that models of llama.cpp's templates write
(common/chat.cpp): llama-server takes them out itself where it knows the template, other engines do not.
"""

from __future__ import annotations

from sidecar.events.event_log import TextStatus

TAGS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("◁think▷", "◁/think▷"),
)
"""DeepSeek, Qwen and most others; Magistral; Seed-OSS; Kimi-VL."""

MAX_BLANKS = 64
"""Blanks before a tag: templates write two at most, and a model that writes only blanks must be seen to do so."""

Piece = tuple[TextStatus, str]


class ReasoningTags:
    """Splits an answer's text as it arrives; holds back only what may be a part of a tag, and the blanks around it.

    Attributes:
        is_over: all further text is the answer.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._held = ""
        self._closing: str | None = None  # of the tag that has opened
        self._has_closed = False
        self._has_thoughts = False

    def feed(self, text: str) -> list[Piece]:
        """The next piece, split."""
        self._held += text
        if self._closing is None and not self._is_decided():
            return []
        pieces: list[Piece] = []
        if self._closing is not None and not self._has_closed:
            pieces = self._reasoning(self._closing)
        if self._has_closed:
            self._held = self._held.lstrip()
            self.is_over = bool(self._held)
        return [*pieces, *self._taken("token")] if self.is_over else pieces

    def end(self) -> list[Piece]:
        """What was held back: the answer has ended."""
        if self._closing is None or self._has_closed:
            return self._taken("token")
        self._held = self._held.rstrip()
        return self._taken("reasoning")

    def _is_decided(self) -> bool:
        """Whether the text begins with a tag or does not; False while that is open."""
        start = self._held.lstrip()
        if len(self._held) - len(start) <= MAX_BLANKS:
            for opening, closing in TAGS:
                if start.startswith(opening):
                    self._closing, self._held = closing, start[len(opening) :]
                    return True
                if opening.startswith(start):
                    return False
        self.is_over = True
        return True

    def _reasoning(self, closing: str) -> list[Piece]:
        text = self._held if self._has_thoughts else self._held.lstrip()
        self._has_thoughts = bool(text)
        thoughts, found, after = text.partition(closing)
        self._has_closed = bool(found)
        length = len(thoughts.rstrip()) if found else _length_without_tag(thoughts, closing)
        self._held = after if found else thoughts[length:]
        return [("reasoning", thoughts[:length])] if length else []

    def _taken(self, status: TextStatus) -> list[Piece]:
        text, self._held = self._held, ""
        return [(status, text)] if text else []


def _length_without_tag(text: str, tag: str) -> int:
    """The length of a text without the part of a tag at its end, and without the blanks before that."""
    part = next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:n])), 0)
    return len(text[: len(text) - part].rstrip())
