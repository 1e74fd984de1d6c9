"""What was changed of a conversation so that a model takes it.

Owns the kinds of changes, the notes that are sent in place of something, and the sentence for people. Nothing here
quotes a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from sidecar.contract.warnings import ResultWarning, warning_of

ChatMessage = dict[str, Any]
"""A message in OpenAI's form: `role`, `content` as text or parts, and what belongs to tool calls."""

Change = Literal[
    "image", "audio", "part", "call_as_text", "cut_call", "missing_result", "lost_result", "role", "gap", "plain"
]

IMAGE_NOTE = "[An image was here, which this model cannot see.]"
AUDIO_NOTE = "[A sound recording was here, which this model cannot hear.]"
PART_NOTE = "[Something was here that this model cannot read.]"
NO_RESULT = "(There is no result: the call was not carried out.)"
NO_ANSWER = "(No answer.)"
NO_QUESTION = "(The message before is missing.)"

_SENTENCES: dict[Change, Callable[[int], str]] = {
    "image": lambda n: f"{_number(n, 'image is', 'images are')} replaced by a note",
    "audio": lambda n: f"{_number(n, 'recording is', 'recordings are')} replaced by a note",
    "part": lambda n: f"{_number(n, 'part', 'parts')} of an unknown kind replaced by a note",
    "call_as_text": lambda n: (
        f"{_number(n, 'tool call is', 'tool calls are')} sent as text, since the chat template has no form for it"
    ),
    "cut_call": lambda n: f"{_number(n, 'tool call', 'tool calls')} with broken arguments sent in another form",
    "missing_result": lambda n: f"a note stands for the result of {_number(n, 'tool call', 'tool calls')}",
    "lost_result": lambda n: f"{_number(n, 'tool result', 'tool results')} without a call sent as text",
    "role": lambda n: (
        f"{_number(n, 'message', 'messages')} of a role that the chat template does not take sent as the user's"
    ),
    "gap": lambda n: f"a note stands for {_number(n, 'message', 'messages')} that the chat template expects",
    "plain": lambda _: "the engine refused them as they are, and they are sent as plain text",
}


class Changes:
    """The changes so far, counted."""

    def __init__(self) -> None:
        self._counts: Counter[Change] = Counter()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, change: Change, count: int = 1) -> None:
        """Count a change."""
        self._counts[change] += count

    def warning(self) -> ResultWarning | None:
        """The warning for the result; `None` if nothing was changed."""
        if not self._counts:
            return None
        said = "; ".join(_SENTENCES[kind](self._counts[kind]) for kind in _SENTENCES if kind in self._counts)
        return warning_of("HISTORY_ADAPTED", f"Earlier messages were adapted to this model: {said}.")


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
