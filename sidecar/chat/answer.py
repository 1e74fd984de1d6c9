"""An answer as it grows.

Pure. Owns what the chunks of a stream add up to, and which events they become.
"""

from __future__ import annotations

from sidecar.channels import EventLog, decoded, encoded
from sidecar.contract.chat import TurnPrefill, TurnToolCall
from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.engines.stream import ChatChunk, EngineTimings, ToolCallDelta, UsageCount


class Answer:
    """Text, reasoning and tool calls so far; each chunk's events go to the log."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._content = bytearray()
        self._reasoning = bytearray()
        self._calls: dict[int, ToolCall] = {}
        self.tool_calls: list[ToolCall] = []
        """The calls that are complete: none before `end`. What there is of a call before has no use."""
        self.finish_reason: str | None = None
        self.usage: UsageCount | None = None
        self.timings: EngineTimings | None = None
        self.has_begun = False

    @property
    def content(self) -> str:
        return decoded(self._content)

    @property
    def reasoning(self) -> str:
        return decoded(self._reasoning)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing worth keeping."""
        return not self._content and not self._reasoning and not self.tool_calls

    def add(self, chunk: ChatChunk) -> None:
        """Take in a chunk."""
        for choice in chunk.choices:
            delta = choice.delta
            if delta.reasoning_content:
                self.has_begun = True
                self._reasoning += encoded(delta.reasoning_content)
                self._events.append_text("reasoning", delta.reasoning_content)
            if delta.content:
                self.has_begun = True
                self._content += encoded(delta.content)
                self._events.append_text("token", delta.content)
            for call in delta.tool_calls or ():
                self.has_begun = True
                self._add_call(call)
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
        if chunk.prompt_progress is not None and not self.has_begun:
            progress = chunk.prompt_progress
            event = TurnPrefill(processed=progress.processed, total=progress.total, cached=progress.cache)
            self._events.append(event, replaces=True)
        if chunk.usage is not None:
            self.usage = chunk.usage
        if chunk.timings is not None:
            self.timings = chunk.timings

    def end(self) -> None:
        """Take the stream's end: the calls are complete, and told. Pieces of them may have come mixed."""
        self.tool_calls = [self._calls[index] for index in sorted(self._calls)]
        for call in self.tool_calls:
            self._events.append(TurnToolCall(tool_call=call))

    def _add_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.setdefault(
            delta.index, ToolCall(id="", type="function", function=ToolFunction(name="", arguments=""))
        )
        if delta.id:
            call.id = delta.id
        if delta.function is not None:
            call.function.name += delta.function.name or ""
            call.function.arguments += delta.function.arguments or ""
