"""One event of a chat completion's stream: the members that are used of it.

Owns the types, which are OpenAI's with llama.cpp's additions (`timings`, `prompt_progress`, `reasoning_content`), and
their decoder, which takes what llama.cpp sends at the cost of a microsecond. What other engines send in their place is
`chunk_forms`'; members that are declared in neither are skipped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sidecar.contract.sampling import TokenLogprob


class FunctionDelta(msgspec.Struct):
    """A piece of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct):
    """A piece of a tool call; pieces of one call have the same index."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct):
    """The next piece of the answer, or the whole of it."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionDelta | None = None


class Logprobs(msgspec.Struct):
    """How likely the tokens of a piece were."""

    content: list[TokenLogprob] | None = None


class Choice(msgspec.Struct):
    """One of the answers; we request one, whose index is 0."""

    index: int = 0
    delta: Delta = msgspec.field(default_factory=Delta)
    finish_reason: str | None = None
    message: Delta | None = None
    text: str | None = None
    logprobs: Logprobs | None = None


class PromptDetails(msgspec.Struct):
    """Where the prompt's tokens came from."""

    cached_tokens: int | None = None


class UsageCount(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None


class EngineTimings(msgspec.Struct):
    """llama.cpp's own measurements: counts, and rates in tokens per second."""

    cache_n: int = 0
    prompt_n: int = 0
    prompt_per_second: float | None = None
    predicted_n: int = 0
    predicted_per_second: float | None = None


class PromptProgress(msgspec.Struct):
    """How far the prompt is computed, in tokens."""

    total: int
    processed: int
    cache: int = 0


class ChatChunk(msgspec.Struct):
    """One event of the stream."""

    choices: list[Choice] = []
    usage: UsageCount | None = None
    timings: EngineTimings | None = None
    prompt_progress: PromptProgress | None = None
    error: dict[str, Any] | str | None = None


decode = msgspec.json.Decoder(ChatChunk).decode
"""A chunk in the form of these types. Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError for others."""
