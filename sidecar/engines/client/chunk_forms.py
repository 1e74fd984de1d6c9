"""The forms in which engines send a chunk.

Owns what odd members of one mean. Only what the typed decoder refuses, or finds empty, gets here: the members are then
read one by one.

    what engines send                                   what it means
    ------------------------------------------------    -----------------------------------------------
    content: null, missing, ""                          nothing
    content: a list of parts                            the texts of its parts; parts that think are reasoning
    reasoning in place of reasoning_content             reasoning
    message in place of delta                           the whole answer, or what is missing of it
    text in a choice                                    content (the older completions API)
    function_call                                       a tool call without an id
    tool_calls: an object                               a list with this call
    a call without `function` around its members        the same call
    arguments: an object                                its JSON
    index: null, a string, missing                      the call's place in its list
    usage, timings with null or other types             what of it is a number
    one half of a surrogate pair                        a half character; the answer joins it
    bytes that are no UTF-8                             U+FFFD
    error, detail, object: "error"                      the engine's error
    choices other than the first                        nothing: we request one

Everything else is skipped, or is no chat completion.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from sidecar.engines.client.chat_chunk import (
    ChatChunk,
    Choice,
    Delta,
    EngineTimings,
    FunctionDelta,
    PromptDetails,
    PromptProgress,
    ToolCallDelta,
    UsageCount,
    decode,
)

NOT_A_CHUNK = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)
"""The exceptions of `chunk_of`. ValueError is that of Python's own decoder, also for numbers of thousands of digits."""

_EMPTY = ChatChunk()
_TEXT_PARTS = frozenset({"text", "output_text"})
_THINKING_PARTS = frozenset({"thinking", "reasoning", "reasoning_text"})


def chunk_of(payload: bytes | bytearray) -> ChatChunk:
    """A chunk in any of the forms above.

    Raises:
        NOT_A_CHUNK: the payload is no JSON object, or no part of a chat completion.
    """
    try:
        chunk = decode(payload)
    except NOT_A_CHUNK:
        return _lenient(json.loads(payload.decode("utf-8", "replace")))  # which takes halves of characters
    return chunk if chunk != _EMPTY else _lenient(msgspec.json.decode(payload))


def _lenient(value: Any) -> ChatChunk:
    if not isinstance(value, dict):
        raise msgspec.ValidationError("it is no JSON object")
    listed = value.get("choices") or []
    if not isinstance(value.get("choices", listed), list | None):
        raise msgspec.ValidationError("its choices are no list")
    return ChatChunk(
        choices=[_choice(choice) for choice in listed if choice is not None],
        usage=_usage(value.get("usage")),
        timings=_timings(value.get("timings")),
        prompt_progress=_progress(value.get("prompt_progress")),
        error=_error(value, is_empty=not listed),
    )


def _choice(value: Any) -> Choice:
    if not isinstance(value, dict):
        raise msgspec.ValidationError("a choice is no object")
    reason, message = value.get("finish_reason"), value.get("message")
    return Choice(
        index=_count(value.get("index")),
        delta=_delta(value.get("delta")),
        finish_reason=str(reason) if reason else None,
        message=None if message is None else _delta(message),
        text=_text(value.get("text")),
    )


def _delta(value: Any) -> Delta:
    if value is None:
        return Delta()
    if not isinstance(value, dict):
        raise msgspec.ValidationError("a delta is no object")
    content, thoughts = value.get("content"), ""
    if isinstance(content, list):
        content, thoughts = _joined_parts(content)
    calls, call = value.get("tool_calls"), value.get("function_call")
    listed = [calls] if isinstance(calls, dict) else calls or []
    if not isinstance(listed, list):
        raise msgspec.ValidationError("its tool calls are no list")
    return Delta(
        content=_text(content),
        reasoning_content=_text(value.get("reasoning_content")) or thoughts or None,
        reasoning=value["reasoning"] if isinstance(value.get("reasoning"), str) else None,
        tool_calls=[_call(one) for one in listed if one is not None] or None,
        function_call=_function(call) if isinstance(call, dict) else None,
    )


def _joined_parts(parts: list[Any]) -> tuple[str, str]:
    """The text and the reasoning in content parts, as Mistral's API streams them."""
    texts: dict[bool, list[str]] = {False: [], True: []}
    for part in parts:
        if isinstance(part, str):
            texts[False].append(part)
        elif isinstance(part, dict):
            kind = part.get("type", "text")
            inner = part.get("text") or part.get("thinking") or part.get("reasoning") or ""
            if isinstance(inner, list):
                inner = _joined_parts(inner)[0]
            if isinstance(inner, str) and kind in _TEXT_PARTS | _THINKING_PARTS:
                texts[kind in _THINKING_PARTS].append(inner)
    return "".join(texts[False]), "".join(texts[True])


def _call(value: Any) -> ToolCallDelta:
    if not isinstance(value, dict):
        raise msgspec.ValidationError("a tool call is no object")
    function, index, id_ = value.get("function", value), value.get("index"), value.get("id")
    if isinstance(index, str) and index.isascii() and index.isdigit():
        index = int(index)
    return ToolCallDelta(
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
        id=str(id_) if isinstance(id_, str | int) and not isinstance(id_, bool) else None,
        function=_function(function) if isinstance(function, dict) else None,
    )


def _function(value: dict[str, Any]) -> FunctionDelta:
    arguments = value.get("arguments", value.get("parameters"))
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return FunctionDelta(name=_text(value.get("name")), arguments=arguments)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise msgspec.ValidationError(f"a {type(value).__name__} is where a text belongs")


def _usage(value: Any) -> UsageCount | None:
    if not isinstance(value, dict) or not isinstance(value.get("prompt_tokens", value.get("completion_tokens")), int):
        return None
    details = value.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return UsageCount(
        prompt_tokens=_count(value.get("prompt_tokens")),
        completion_tokens=_count(value.get("completion_tokens")),
        prompt_tokens_details=PromptDetails(cached_tokens=_count(cached)) if cached is not None else None,
    )


def _timings(value: Any) -> EngineTimings | None:
    if not isinstance(value, dict):
        return None
    counts = {name: _count(value.get(name)) for name in ("cache_n", "prompt_n", "predicted_n")}
    rates: dict[str, Any] = {name: value.get(name) for name in ("prompt_per_second", "predicted_per_second")}
    return EngineTimings(**counts, **{name: rate for name, rate in rates.items() if _is_number(rate)})


def _progress(value: Any) -> PromptProgress | None:
    if not isinstance(value, dict) or not all(_is_number(value.get(name)) for name in ("total", "processed")):
        return None
    return PromptProgress(*(_count(value.get(name)) for name in ("total", "processed", "cache")))


def _error(value: dict[str, Any], *, is_empty: bool) -> dict[str, Any] | str | None:
    error = value.get("error")
    if not error and is_empty:
        error = value if value.get("object") == "error" else value.get("detail")  # vLLM's; FastAPI's
    if not error or isinstance(error, dict | str):
        return error or None
    return json.dumps(error, ensure_ascii=False)


def _count(value: Any) -> int:
    return max(int(value), 0) if _is_number(value) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
