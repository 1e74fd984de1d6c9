"""What an answer that has ended says about its request.

Owns the judgement of an answer by what was asked for: tool calls, format, reasoning; and what of a request has no
effect on the engine at hand. Each finding is a warning of the result; none quotes what was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import orjson

from sidecar.contract.remedies import call, change_params
from sidecar.contract.sessions import ToolCall
from sidecar.contract.warnings import ResultWarning, warning_of
from sidecar.generation.completion import ChatMessage, GenerationRequest
from sidecar.generation.honouring.adaptation import sampling_of
from sidecar.generation.honouring.request_shape import schema_of
from sidecar.generation.honouring.target import Target
from sidecar.generation.honouring.tool_form import PACKAGE
from sidecar.generation.sampling import not_honoured

MAX_JUDGED_CHARACTERS = 1_000_000
"""The longest answer whose format is judged; a second of work at most."""

_JSON_BEGINS = re.compile(r"\s*(?:[\[{\"0-9-]|tr?u?e?$|fa?l?s?e?$|nu?l?l?$|$)")
"""The beginning of a JSON text that can be cut."""

_CONTROL = re.compile(
    r"<\|[^|<>\s]{1,40}\|>|<\uff5c[^\uff5c<>\s]{1,40}\uff5c>|<(?:start|end)_of_[a-z_]{1,20}>|\[/?(?:INST|[A-Z_]{3,20})\]|<</?SYS>>"
    r"|</?s>|<(?:bos|eos)>|<\|[a-z_]{1,20}>|<[a-z_]{1,20}\|>"
)
"""The spellings of control tokens in the templates of llama.cpp's models/templates: those that delimit turns. Tags of
thoughts and calls are not among them: they end no turn, and people write about them."""


class Ended(Protocol):
    """An answer that has ended."""

    @property
    def content(self) -> str: ...
    @property
    def reasoning(self) -> str: ...
    @property
    def tool_calls(self) -> list[ToolCall]: ...
    @property
    def finish_reason(self) -> str | None: ...


def findings(request: GenerationRequest, target: Target, answer: Ended) -> list[ResultWarning]:
    """What of a request was not honoured."""
    found = [_tools(request, target, answer), _format(request, answer), _reasoning(request, target, answer)]
    found += [_template(target), _special_tokens(request, target)]
    found.append(not_honoured(target.engine, sampling_of(request, target).unknown))
    return [one for one in found if one is not None]


def _tools(request: GenerationRequest, target: Target, answer: Ended) -> ResultWarning | None:
    tools = {tool["function"]["name"]: tool["function"].get("parameters") for tool in request.tools or ()}
    if not tools:
        return None
    choice, called = request.tool_choice, [one.function.name for one in answer.tool_calls]
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    problem: str | None = None
    if choice == "none" and called:
        problem = "The model called a function, though `tool_choice` is none."
    elif not called and (named or choice == "required"):
        ends = " until its length limit" if answer.finish_reason == "length" else ""
        problem = f"The model was to call {f'the function {named!r}' if named else 'a function'}, and wrote text{ends}."
    elif named and set(called) != {named}:
        problem = f"The model was to call the function {named!r}, and called another one."
    elif any(name not in tools for name in called):
        problem = "The model called a function that is not among the tools."
    elif any(_arguments_problem(one, tools[one.function.name]) for one in answer.tool_calls):
        problem = "The arguments of a tool call do not follow the function's parameters."
    elif target.engine == PACKAGE and request.tool_mode != "json" and not called and choice in (None, "auto"):
        problem = "llama-cpp-python does not read tool calls from an answer: if the model made one, it is in the text."
        return warning_of("TOOLS_NOT_HONOURED", problem, call("list_engines"), change_params("tool_choice"))
    return warning_of("TOOLS_NOT_HONOURED", problem) if problem else None


def _arguments_problem(one: ToolCall, parameters: Any) -> str | None:
    from sidecar.generation.schema.automaton import NotJudged
    from sidecar.generation.schema.conformance import Judge  # late: few requests need it

    try:
        return Judge(parameters).problem(orjson.loads(one.function.arguments or "{}"))
    except (orjson.JSONDecodeError, NotJudged):  # a cut call has its own warning
        return None


def _format(request: GenerationRequest, answer: Ended) -> ResultWarning | None:
    given = request.response_format
    if given is None or given.get("type") == "text" or answer.tool_calls:
        return None
    if len(answer.content) > MAX_JUDGED_CHARACTERS:
        return None
    from sidecar.generation.schema.automaton import NotJudged
    from sidecar.generation.schema.conformance import Judge  # late: few requests need it

    try:
        value = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        if answer.finish_reason == "length" and _JSON_BEGINS.match(answer.content):
            remedies = (change_params("max_tokens"), call("regenerate_message"))
            return warning_of("FORMAT_NOT_HONOURED", "The answer ended before its JSON was complete.", *remedies)
        return warning_of("FORMAT_NOT_HONOURED", "The answer is no JSON.")
    place = schema_of(given)
    schema = place[0] if place is not None else {"type": "object"}
    try:
        problem = Judge(schema).problem(value)
    except NotJudged:
        return warning_of("FORMAT_NOT_HONOURED", "The answer is too large to be compared with its schema.")
    return (
        warning_of("FORMAT_NOT_HONOURED", f"The answer does not follow the schema at {problem}.") if problem else None
    )


def _reasoning(request: GenerationRequest, target: Target, answer: Ended) -> ResultWarning | None:
    template = target.template
    if answer.reasoning.strip():
        if request.reasoning is False:
            return warning_of("REASONING_NOT_HONOURED", "The model reasoned, though `reasoning` is false.")
        if target.reasoning_budget == 0:
            remedy = call("restart_server", server_id=target.server_id)
            what = "The model reasoned, though the server's `reasoning_budget` is 0."
            return warning_of("REASONING_NOT_HONOURED", what, remedy, call("switch_model"))
    elif request.reasoning is True and target.reasoning_budget == 0:
        what = "The model did not reason: the server's `reasoning_budget` is 0."
        remedy = call("restart_server", server_id=target.server_id)
        return warning_of("REASONING_NOT_HONOURED", what, remedy, change_params("reasoning"))
    elif (
        request.reasoning is True and template.known and not template.switches and "think" not in template.text.lower()
    ):
        return warning_of("REASONING_NOT_HONOURED", "The model does not reason: its chat template knows no reasoning.")
    return None


def _template(target: Target) -> ResultWarning | None:
    if target.has_template:
        return None
    what = "The model has no chat template. It is likely a base model, which continues texts and does not answer them."
    return warning_of("NO_CHAT_TEMPLATE", what)


def _special_tokens(request: GenerationRequest, target: Target) -> ResultWarning | None:
    tokens = set(_CONTROL.findall(target.template.text))
    if not tokens:
        return None
    found = sum(any(token in text for token in tokens) for text in _being_said(request))
    if not found:
        return None
    what = "A message contains the spelling of a control token of the model, which may read it as that token."
    return warning_of("SPECIAL_TOKENS_IN_TEXT", what)


def _being_said(request: GenerationRequest) -> Iterator[str]:
    """The system prompt, and the texts since the last answer: those before had their own warning."""
    yield request.system or ""
    for message in reversed(request.messages):
        if message["role"] == "assistant":
            return
        yield from _texts(message)


def _texts(message: ChatMessage) -> Sequence[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [part.get("text") or "" for part in content or () if part.get("type") == "text"]
