"""Why an answer ended, in one vocabulary.

Owns what the words of engines mean in OpenAI's. Pure.
"""

from __future__ import annotations

from sidecar.contract.sessions import FinishReason

_MEANINGS: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "limit": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
}
"""OpenAI's; Anthropic's and Gemini's; text-generation-inference's; Mistral's; llama.cpp's `stop_type` and its like.
Whatever is in none of the tables is an ordinary end: eos, eos_token, end_turn, stop_sequence and so on."""

_FAILURES = frozenset({"error", "abort", "aborted", "cancelled", "canceled"})
"""The engine gave the answer up: OpenRouter's, vLLM's, SGLang's."""


def finish_reason_of(raw: str | None, *, has_calls: bool) -> FinishReason:
    """The reason for what an engine said, and what its answer has.

    Args:
        raw: the engine's word; `None` where the stream ended without one.
        has_calls: the answer has tool calls. Engines end them with stop, too.
    """
    reason = _MEANINGS.get((raw or "").strip().casefold(), "stop")
    return "tool_calls" if has_calls and reason == "stop" else reason


def is_failure(raw: str) -> bool:
    """Whether an engine's word means that it failed."""
    return raw.strip().casefold() in _FAILURES
