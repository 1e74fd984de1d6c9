"""An answer as it grows.

Owns the accumulation of a stream's chunks, and the events made from them. No I/O.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from sidecar.contract.chat import TurnPrefill, TurnToolCall
from sidecar.contract.sessions import Timings, ToolCall, ToolFunction
from sidecar.engines.client.chat_stream import ChatChunk, EngineTimings, PromptProgress, ToolCallDelta, UsageCount
from sidecar.events.event_log import EventLog, TextStatus, decoded, encoded


class Answer:
    """Text, reasoning and tool calls so far; an event of each addition goes to the log.

    Attributes:
        tool_calls: the complete calls; none before `end`, since an incomplete call cannot be used.
        begun_at: when the first part of the answer arrived, on the performance counter.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._content = bytearray()
        self._reasoning = bytearray()
        self._calls: dict[int, ToolCall] = {}
        self.tool_calls: list[ToolCall] = []
        self.finish_reason: str | None = None
        self.usage: UsageCount | None = None
        self.engine_timings: EngineTimings | None = None
        self.begun_at: float | None = None

    @property
    def content(self) -> str:
        return decoded(self._content)

    @property
    def reasoning(self) -> str:
        return decoded(self._reasoning)

    @property
    def is_empty(self) -> bool:
        """Whether nothing has arrived that should be stored."""
        return not self._content and not self._reasoning and not self.tool_calls

    def add(self, chunks: Sequence[ChatChunk]) -> None:
        """Add chunks that arrived together; consecutive text of one kind is one event."""
        kind: TextStatus = "token"
        texts: list[str] = []
        for chunk in chunks:
            for choice in chunk.choices:
                delta = choice.delta
                if text := delta.reasoning_content:
                    if kind == "token":
                        if texts:
                            self._add_text(kind, texts)
                        kind = "reasoning"
                    texts.append(text)
                if text := delta.content:
                    if kind == "reasoning":
                        if texts:
                            self._add_text(kind, texts)
                        kind = "token"
                    texts.append(text)
                for call in delta.tool_calls or ():
                    self._add_call(call)
                if choice.finish_reason:
                    self.finish_reason = choice.finish_reason
            if chunk.prompt_progress is not None and not texts:
                self._publish_progress(chunk.prompt_progress)
            if chunk.usage is not None:
                self.usage = chunk.usage
            if chunk.timings is not None:
                self.engine_timings = chunk.timings
        if texts:
            self._add_text(kind, texts)

    def end(self) -> None:
        """End the stream: the tool calls are complete and published, since their pieces may arrive interleaved."""
        self.tool_calls = [self._calls[index] for index in sorted(self._calls)]
        for call in self.tool_calls:
            self._events.append(TurnToolCall(tool_call=call))

    def timings(self, *, started: float) -> Timings:
        """Durations in milliseconds since `started` on the performance counter, and the engine's own rates."""
        engine, first = self.engine_timings, self.begun_at
        return Timings(
            ttft_ms=_ms(first - started) if first else None,
            prompt_per_second=engine.prompt_per_second if engine else None,
            predicted_per_second=engine.predicted_per_second if engine else None,
            total_ms=_ms(time.perf_counter() - started),
        )

    def _add_text(self, kind: TextStatus, texts: list[str]) -> None:
        self.begun_at = self.begun_at or time.perf_counter()
        text = "".join(texts)
        texts.clear()
        whole = self._content if kind == "token" else self._reasoning
        whole += encoded(text)
        self._events.append_text(kind, text)

    def _publish_progress(self, progress: PromptProgress) -> None:
        if self.begun_at is None:
            event = TurnPrefill(processed=progress.processed, total=progress.total, cached=progress.cache)
            self._events.append(event)

    def _add_call(self, delta: ToolCallDelta) -> None:
        self.begun_at = self.begun_at or time.perf_counter()
        call = self._calls.setdefault(
            delta.index, ToolCall(id="", type="function", function=ToolFunction(name="", arguments=""))
        )
        if delta.id:
            call.id = delta.id
        if delta.function is not None:
            call.function.name += delta.function.name or ""
            call.function.arguments += delta.function.arguments or ""


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
