"""An engine's streamed answer, from bytes to chunks.

Pure. Reads OpenAI's server-sent events with llama.cpp's additions (`timings`, `prompt_progress`,
`reasoning_content`); members that are not named here are skipped unread.
"""

from __future__ import annotations

from typing import Any

import msgspec

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""A longer event is no token: the engine has lost its mind, or is none."""


class FunctionDelta(msgspec.Struct):
    """A piece of a function call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(msgspec.Struct):
    """A piece of a tool call; pieces of one call have the same index."""

    index: int = 0
    id: str | None = None
    function: FunctionDelta | None = None


class Delta(msgspec.Struct):
    """What is new in the answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class Choice(msgspec.Struct):
    """One of the answers; we ask for one."""

    delta: Delta = msgspec.field(default_factory=Delta)
    finish_reason: str | None = None


class PromptDetails(msgspec.Struct):
    """Where the prompt's tokens came from."""

    cached_tokens: int | None = None


class UsageCount(msgspec.Struct):
    """Tokens."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None


class EngineTimings(msgspec.Struct):
    """llama.cpp's own clock: counts, and rates in tokens a second."""

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


_decode = msgspec.json.Decoder(ChatChunk).decode


class ChunkReader:
    """Cuts a byte stream into chunks, however the bytes arrive."""

    def __init__(self) -> None:
        self._partial = b""
        self.done = False

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that these bytes complete.

        Raises:
            ValueError: they are not what a chat completion sends.
        """
        lines = (self._partial + data).split(b"\n") if self._partial else data.split(b"\n")
        self._partial = lines.pop()
        if len(self._partial) > MAX_EVENT_BYTES:
            raise ValueError("an event of the stream is too long")
        chunks = []
        for line in lines:
            # Everything else is a blank line, a comment that keeps the connection alive, or an event's name.
            if line.startswith(b"data:"):
                payload = line[5:].strip()
                if payload == b"[DONE]":
                    self.done = True
                else:
                    chunks.append(_decode(payload))
            elif line.startswith(b"error:"):
                chunks.append(ChatChunk(error=line[6:].decode("utf-8", "replace").strip()))
        return chunks
