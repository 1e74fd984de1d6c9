"""The meaning of an engine's error responses.

Pure. The formats are those of llama-server (`error` with `type` and `code`) and of llama-cpp-python.

Both answer HTTP 500 to whatever their code throws: a chat template that refuses a conversation, arguments that are no
JSON, a grammar that does not compile. The same request then fails again, and the engine is well. So an explained 500
is a refusal of the request, unless it names trouble of the engine itself, or comes in the middle of an answer.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from sidecar.contract.errors import ContextTooLong, EngineUnresponsive, InvalidParams, NotSupported, SidecarError
from sidecar.contract.remedies import call, change_params

MAX_MESSAGE = 300
"""Characters of an engine's message that are passed on: enough to understand it, too few for a whole prompt."""

_TOO_LONG = re.compile(r"maximum context length is (?P<max>\d{1,12}).*?requested (?P<length>\d{1,12})", re.DOTALL)
"""The message of llama-cpp-python, which is that of OpenAI."""

_ENGINE_TROUBLE = re.compile(
    r"compute error|invalid input batch|failed to (?:de|en)code|llama_decode"
    r"|out of memory|alloc|speculative|kv cache|internal server error|unknown error|loading model|timed out|timeout",
    re.IGNORECASE,
)
"""What is wrong with the engine rather than with the request (the `send_error` calls of llama-server's
server-context.cpp, and exceptions of the C++ and Python runtimes)."""

_OF_TEMPLATE = re.compile(
    r"jinja|chat template|this template|roles must alternate|role not supported|tool call arguments"
    r"|parse messages|raise_exception|tool call ids",
    re.IGNORECASE,
)
"""The template refuses the conversation."""

_OF_SCHEMA = re.compile(r"grammar|schema|regex|pattern", re.IGNORECASE)
_IN_SCHEMA = re.compile(r"json schema error|parse grammar", re.IGNORECASE)
"""What llama-server adds to its complaint about the template where the request's schema is the cause."""

_OF_TOOLS = re.compile(r"parse tools|tool type|tool function|tool_choice", re.IGNORECASE)
_OF_MEDIA = re.compile(r"image|audio|base64|mtmd|multimodal", re.IGNORECASE)

_JINJA = re.compile(r"Jinja Exception:\s*(?P<said>[^\n]+)")
"""What the template itself says, at the end of a page about where it says so."""

_CACHE_FULL = "Context size has been exceeded"
"""llama-server's message to all running requests when together they have filled the cache that their slots share
(server-context.cpp, `decode`)."""


class CacheFull(EngineUnresponsive):
    """The requests that ran together have filled the cache: the engine has ended all of them."""


def refusal(status: int, data: bytes, *, in_answer: bool = False) -> SidecarError:
    """The error for an engine's error response.

    Args:
        status: the HTTP status.
        data: the body.
        in_answer: whether it ended an answer that had begun; then the request was accepted.
    """
    message, error = _parts(data)
    if error.get("type") == "exceed_context_size_error":
        return context_too_long(_number(error.get("n_ctx")), _number(error.get("n_prompt_tokens")))
    if match := _TOO_LONG.search(message):
        return context_too_long(int(match["max"]), int(match["length"]))
    text = f"The engine refused: {message[:MAX_MESSAGE]}"
    if _CACHE_FULL in message:
        return CacheFull(f"{text} (HTTP {status}).")
    explained = status in (400, 413, 422) or (status == 500 and bool(error.get("message")))
    if in_answer or (status == 500 and _ENGINE_TROUBLE.search(message)):
        return EngineUnresponsive(f"{text} (HTTP {status}).")
    if explained and _OF_TEMPLATE.search(message) and not _IN_SCHEMA.search(message):
        return _of_template(message)
    if status in (404, 501) or "not supported" in message:
        media = (change_params("images", "message"),) if _OF_MEDIA.search(message) else ()
        return NotSupported(
            text,
            hint="Use a model, an engine or a projector that can do this.",
            remedies=(*media, call("switch_model"), call("list_engines")),
        )
    if explained:
        return _of_request(text, message)
    return EngineUnresponsive(f"{text} (HTTP {status}).")


def context_too_long(max_context: int, input_length: int) -> ContextTooLong:
    """The error for a prompt that does not fit."""
    return ContextTooLong(
        f"The prompt has {input_length} tokens, and the context {max_context}.",
        max_context=max_context,
        input_length=input_length,
    )


def _of_template(message: str) -> NotSupported:
    said = _JINJA.search(message)
    return NotSupported(
        f"The model's chat template refused the conversation: {(said['said'] if said else message)[:MAX_MESSAGE]}",
        hint="Continue in a new session, or use another model or chat template.",
        remedies=(call("create_session"), call("switch_model")),
    )


def _of_request(text: str, message: str) -> InvalidParams:
    """The error for a request that is refused for one of its parameters, as far as the message names it."""
    if _OF_TOOLS.search(message):
        return InvalidParams(text, path="$.tools", hint="Correct the tools.", remedies=(change_params("tools"),))
    if _OF_SCHEMA.search(message):
        return InvalidParams(
            text,
            path="$",
            hint="Simplify the schema in response_format or in the parameters of tools.",
            remedies=(change_params("response_format", "tools"),),
        )
    if _OF_MEDIA.search(message):
        return InvalidParams(
            text,
            path="$",
            hint="Send the image or the recording in another format.",
            remedies=(change_params("images", "message"),),
        )
    return InvalidParams(text, path="$", hint="Correct the parameter that the engine's message names.")


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
