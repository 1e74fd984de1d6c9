"""An answer as it grows.

Owns the accumulation of a stream's chunks, the events made from them, and what the end of a stream means. No I/O.

    what engines send                                   what it means
    ------------------------------------------------    -----------------------------------------------
    pieces in delta                                     text, reasoning, tool calls: events as they come
    the whole message, alone or after its pieces        what the pieces have not brought yet
    tags of reasoning at the beginning of the text      reasoning (`reasoning_tags`)
    the rest of a closing tag where none is allowed     the answer begins (`closed_reasoning`)
    tool calls in any form                              whole calls at the end (`tool_calls`)
    JSON that holds a call, where that was prescribed   a call, or the text of an answer (`calling.reader`)
    halves of a character                               the character, or U+FFFD
    a finish_reason that is not OpenAI's                the one of OpenAI's that means the same, else stop
    stop with tool calls, tool_calls without            tool_calls; stop
    error, abort as finish_reason                       the engine failed
    an end with tokens counted, but nothing to show     an empty answer, with a warning
    an end with nothing at all                          the engine failed

What a chunk means is decided in `engines/client/chunk_forms`, and where one ends in `engines/client/chunk_reader`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence

from sidecar.contract.chat import TurnPrefill, TurnToolCall
from sidecar.contract.errors import EngineUnresponsive
from sidecar.contract.remedies import call as remedy
from sidecar.contract.sampling import TokenLogprob
from sidecar.contract.sessions import FinishReason, Timings, ToolCall
from sidecar.contract.warnings import ResultWarning, warning_of
from sidecar.engines.client.chat_chunk import (
    ChatChunk,
    Delta,
    EngineTimings,
    FunctionDelta,
    PromptProgress,
    ToolCallDelta,
    UsageCount,
)
from sidecar.events.event_log import EventLog, TextStatus, decoded
from sidecar.generation.call_arguments import is_cut, marked
from sidecar.generation.calling.reader import JsonAnswer
from sidecar.generation.closed_reasoning import ClosedReasoning
from sidecar.generation.finish_reasons import finish_reason_of, is_failure
from sidecar.generation.reasoning_tags import Piece, ReasoningTags
from sidecar.generation.tool_calls import ToolCalls, whole_text

logger = logging.getLogger(__name__)

MAX_RATE = 1e6
"""The highest believable rate, in tokens per second: llama.cpp writes this one where it measured no time."""


class Answer:
    """Text, reasoning and tool calls so far; an event of each addition goes to the log.

    Args:
        events: where events are appended.
        continues: it is written on in an earlier answer, which may have been whole: an end without text is one.

    Attributes:
        tool_calls: the calls; none before `end`. A call that was cut is marked, since it cannot be used.
        logprobs: how likely the tokens were, if the engine says so.
        finish_reason: why the engine ended; `None` until it says so.
        warnings: what the host should know about the answer, after `end`.
        begun_at: when the first part of the answer arrived, on the performance counter.
        pieces: chunks so far: an engine sends one for each token, and a few more.
        prompt_tokens: the prompt's exact tokens, once the engine has reported them.
    """

    def __init__(self, events: EventLog, *, continues: bool = False) -> None:
        self._events = events
        self._continues = continues
        self._content = bytearray()
        self._reasoning = bytearray()
        self._calls = ToolCalls()
        self._tags: ReasoningTags | None = ReasoningTags()
        self._closed: ClosedReasoning | None = None
        self._json: JsonAnswer | None = None
        self._is_cut_call = False
        self._half = ""
        self._half_kind: TextStatus = "token"
        self._raw_finish_reason: str | None = None
        self.tool_calls: list[ToolCall] = []
        self.logprobs: list[TokenLogprob] = []
        self.finish_reason: FinishReason | None = None
        self.warnings: list[ResultWarning] = []
        self.usage: UsageCount | None = None
        self.engine_timings: EngineTimings | None = None
        self.begun_at: float | None = None
        self.pieces = 0
        self.prompt_tokens: int | None = None

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

    def expect_no_reasoning(self) -> None:
        """The engine was asked to end reasoning before its first token."""
        self._closed = ClosedReasoning()

    def expect_json(self) -> None:
        """The text is JSON that holds a call of a tool, or an answer."""
        self._json = JsonAnswer()

    def add(self, chunks: Sequence[ChatChunk]) -> None:
        """Add chunks that arrived together; consecutive text of one kind is one event."""
        kind: TextStatus = "token"
        texts: list[str] = []
        self.pieces += len(chunks)
        for chunk in chunks:
            for choice in chunk.choices:
                if choice.index:
                    continue
                delta = choice.delta
                if choice.message is not None:
                    if texts:
                        self._add_text(kind, texts)
                    delta = self._missing_of(choice.message)
                elif choice.text and not delta.content:
                    delta.content = choice.text
                if text := delta.reasoning_content or delta.reasoning:
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
                if delta.tool_calls or delta.function_call:
                    self._add_calls(delta)
                if choice.logprobs is not None and choice.logprobs.content:
                    self.logprobs += choice.logprobs.content
                if choice.finish_reason:
                    self._raw_finish_reason = choice.finish_reason
            if chunk.prompt_progress is not None and not texts:
                self.prompt_tokens = chunk.prompt_progress.total
                self._publish_progress(chunk.prompt_progress)
            if chunk.usage is not None:
                self.usage = chunk.usage
            if chunk.timings is not None:
                self.engine_timings = chunk.timings
                self.pieces = max(self.pieces, chunk.timings.predicted_n)
        if texts:
            self._add_text(kind, texts)

    @property
    def has_ended(self) -> bool:
        """Whether the engine has said why it ended."""
        return self._raw_finish_reason is not None

    def cut(self) -> None:
        """It was broken off: the engine had no room for more."""
        self._raw_finish_reason = "length"

    def end(self) -> None:
        """End the stream: the tool calls that are complete are published; their pieces may arrive interleaved.

        Raises:
            EngineUnresponsive: the engine says that it failed, or sent nothing.
        """
        self._release_held()
        self._end_json()
        calls, raw = self._calls.finish(), self._raw_finish_reason
        self.finish_reason = finish_reason_of(raw, has_calls=bool(calls))
        self.tool_calls = marked(calls, at_limit=self.finish_reason == "length")
        if any(is_cut(one) for one in self.tool_calls):  # it has reached a limit, whatever its engine says
            self.finish_reason = "length"
        if raw is not None and raw != self.finish_reason:
            logger.info("The engine's finish_reason %.60r is taken for %s.", raw, self.finish_reason)
        if raw is not None and is_failure(raw):
            raise _failed("The engine ended its answer with an error.")
        self._check_emptiness()
        for one in self.tool_calls:
            if one.incomplete is True:
                self.warnings.append(warning_of("TOOL_CALL_INCOMPLETE", _CUT_CALL))
            else:
                self._events.append(TurnToolCall(tool_call=one))

    def as_text(self) -> str:
        """Everything that the model wrote, about as it wrote it, to be counted."""
        calls = [f"{call.function.name} {call.function.arguments}" for call in self.tool_calls]
        return "\n".join(filter(None, [self.reasoning, self.content, *calls]))

    def timings(self, *, started: float) -> Timings:
        """Durations in milliseconds since `started` on the performance counter, and the engine's own rates."""
        engine, first = self.engine_timings, self.begun_at
        return Timings(
            ttft_ms=_ms(first - started) if first else None,
            prompt_per_second=_rate(engine.prompt_per_second) if engine else None,
            predicted_per_second=_rate(engine.predicted_per_second) if engine else None,
            total_ms=_ms(time.perf_counter() - started),
        )

    def _check_emptiness(self) -> None:
        """Nothing may end as an empty answer in silence."""
        if self._calls.nameless and (self._content or self.tool_calls):
            self.warnings.append(warning_of("TOOL_CALL_INCOMPLETE", _NAMELESS))
        if self._is_cut_call:
            self.warnings.append(warning_of("TOOL_CALL_INCOMPLETE", _CUT_CALL))
        if self._content or self.tool_calls or self._is_cut_call:
            return
        if self._continues and self._raw_finish_reason is not None:
            return
        if self._reasoning:
            self.warnings.append(warning_of("ANSWER_EMPTY", _ONLY_REASONING))
            return
        counted = self.usage.completion_tokens if self.usage else 0
        generated = counted or (self.engine_timings.predicted_n if self.engine_timings else 0)
        if self._calls.nameless:
            raise _failed(_NAMELESS)
        if not generated:
            raise _failed("The engine ended its answer without any text.")
        if self.finish_reason == "length":
            self.warnings.append(warning_of("ANSWER_EMPTY", _NOTHING_YET))
        else:  # more tokens would not have helped
            remedies = (remedy("regenerate_message"), remedy("switch_model"))
            self.warnings.append(warning_of("ANSWER_EMPTY", _NOTHING, *remedies))

    def _missing_of(self, message: Delta) -> Delta:
        """What a whole message has beyond the pieces that came before it."""
        if self.begun_at is None:
            return message
        self._release_held()
        return Delta(
            content=_beyond(self._json.raw if self._json else self.content, message.content),
            reasoning_content=_beyond(self.reasoning, message.reasoning_content or message.reasoning),
            tool_calls=None if self._calls else message.tool_calls,
            function_call=None if self._calls else message.function_call,
        )

    def _add_text(self, kind: TextStatus, texts: list[str]) -> None:
        self.begun_at = self.begun_at or time.perf_counter()
        text = "".join(texts)
        texts.clear()
        if kind == "reasoning" and self._closed is not None:
            self._put_pieces(self._closed.feed(text))
        elif self._tags is None:
            self._put(kind, text)
        elif kind == "reasoning":  # the engine separates it itself
            self._release_held()
            self._put(kind, text)
        else:
            tags = self._tags
            pieces = tags.feed(text)
            if tags.is_over:
                self._tags = None
            self._put_pieces(pieces)

    def _put_pieces(self, pieces: Sequence[Piece]) -> None:
        for status, piece in pieces:
            self._put(status, piece)

    def _put(self, kind: TextStatus, text: str) -> None:
        if kind == "token" and self._json is not None:
            text = self._json.feed(text)
        if text:
            self._show(kind, text)

    def _show(self, kind: TextStatus, text: str) -> None:
        if self._half:
            if kind == self._half_kind:
                text, self._half = self._half + text, ""
            else:
                self._release_half()
        try:
            data = text.encode()
        except UnicodeEncodeError:  # it has halves of characters
            if "\ud800" <= text[-1] <= "\udbff":
                text, self._half, self._half_kind = text[:-1], text[-1], kind
            text = whole_text(text)
            data = text.encode()
        whole = self._content if kind == "token" else self._reasoning
        whole += data
        if text:
            self._events.append_text(kind, text)

    def _release_held(self) -> None:
        """Put out what waits for its continuation: there is none."""
        if self._tags is not None:
            tags, self._tags = self._tags, None
            self._put_pieces(tags.end())
        if self._closed is not None:
            self._put_pieces(self._closed.end())
        self._release_half()

    def _release_half(self) -> None:
        half, self._half = self._half, ""
        if half:
            self._show(self._half_kind, whole_text(half))

    def _end_json(self) -> None:
        if self._json is None or self._calls:
            return
        ended = self._json.end(at_limit=finish_reason_of(self._raw_finish_reason, has_calls=False) == "length")
        if ended.text:
            self._show("token", ended.text)
            self._release_half()
        if ended.call is not None:
            name, arguments = ended.call
            self._calls.add([ToolCallDelta(index=0, function=FunctionDelta(name=name, arguments=arguments))])
        self._is_cut_call = ended.is_cut

    def _publish_progress(self, progress: PromptProgress) -> None:
        if self.begun_at is None:
            event = TurnPrefill(processed=progress.processed, total=progress.total, cached=progress.cache)
            self._events.append(event)

    def _add_calls(self, delta: Delta) -> None:
        self.begun_at = self.begun_at or time.perf_counter()
        self._calls.add(delta.tool_calls or ())
        if delta.function_call is not None:
            self._calls.add([ToolCallDelta(index=0, function=delta.function_call)])


_CUT_CALL = "The arguments of a tool call are no complete JSON object, so it cannot be carried out."
_NAMELESS = "The engine sent a tool call without the name of its function, so it cannot be carried out."
_ONLY_REASONING = "The model reasoned until its answer ended, and wrote no answer."
_NOTHING = "The model ended its answer without any text or tool call."
_NOTHING_YET = "The answer reached its length limit before any text or tool call."


def _beyond(known: str, whole: str | None) -> str | None:
    """What a whole text has beyond its known beginning; nothing where it differs, since the pieces were shown."""
    if not known or whole is None:
        return whole
    return whole[len(known) :] if whole.startswith(known) else None


def _failed(message: str) -> EngineUnresponsive:
    return EngineUnresponsive(
        message,
        hint="Generate the answer again; if that does not help, use another model or engine.",
        remedies=(remedy("regenerate_message"), remedy("switch_model")),
    )


def _rate(value: float | None) -> float | None:
    """A rate that can be one."""
    return value if value is not None and math.isfinite(value) and 0 < value <= MAX_RATE else None


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)
