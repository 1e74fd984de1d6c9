"""The meaning of an engine's error responses.

Pure. The formats are those of llama-server (`error` with `type` and `code`) and of llama-cpp-python.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from sidecar.contract.errors import ContextTooLong, EngineUnresponsive, InvalidParams, NotSupported, SidecarError

MAX_MESSAGE = 300
"""Characters of an engine's message that are passed on: enough to understand it, too few for a whole prompt."""

_TOO_LONG = re.compile(r"maximum context length is (?P<max>\d{1,12}).*?requested (?P<length>\d{1,12})", re.DOTALL)
"""The message of llama-cpp-python, which is that of OpenAI."""


_CACHE_FULL = "Context size has been exceeded"
"""llama-server's message to all running requests when together they have filled the cache that their slots share
(server-context.cpp, `decode`)."""


class CacheFull(EngineUnresponsive):
    """The requests that ran together have filled the cache: the engine has ended all of them."""


def refusal(status: int, data: bytes) -> SidecarError:
    """The error for an engine's error response."""
    message, error = _parts(data)
    if error.get("type") == "exceed_context_size_error":
        return context_too_long(_number(error.get("n_ctx")), _number(error.get("n_prompt_tokens")))
    if match := _TOO_LONG.search(message):
        return context_too_long(int(match["max"]), int(match["length"]))
    text = f"The engine refused: {message[:MAX_MESSAGE]}"
    if status in (404, 501) or "not supported" in message:
        return NotSupported(text, hint="Use a model, an engine or a projector that can do this.")
    if status in (400, 413, 422):
        return InvalidParams(text, path="$", hint="Correct the parameter that the engine's message names.")
    if _CACHE_FULL in message:
        return CacheFull(f"{text} (HTTP {status}).")
    return EngineUnresponsive(f"{text} (HTTP {status}).")


def context_too_long(max_context: int, input_length: int) -> ContextTooLong:
    """The error for a prompt that does not fit."""
    return ContextTooLong(
        f"The prompt has {input_length} tokens, and the context {max_context}.",
        max_context=max_context,
        input_length=input_length,
    )


def _parts(data: bytes) -> tuple[str, dict[str, Any]]:
    try:
        error = orjson.loads(data)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return data[:MAX_MESSAGE].decode("utf-8", "replace"), {}
    if isinstance(error, dict):
        return str(error.get("message", "")), error
    return str(error), {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
