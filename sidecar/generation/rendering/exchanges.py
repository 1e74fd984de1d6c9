"""Tool exchanges: calls of an answer and the results that follow it, as a template takes them.

Owns that each call has its result and each result its call, the ids of calls, and the form of an exchange as text. A
template renders calls only as a whole: one that is broken would make it refuse every later message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.engines.template_facts import TemplateFacts
from sidecar.generation.call_arguments import accepted, closed
from sidecar.generation.rendering.changes import NO_RESULT, Changes, ChatMessage
from sidecar.generation.rendering.content import Content, joined

SHORT_ID = 9
"""Characters of an id where the template prescribes that: letters and digits (Mistral)."""


class _Call(msgspec.Struct):
    """A call, and its result if there is one."""

    id: str
    name: str
    arguments: str
    result: Content | None = None


def with_exchanges(
    messages: Sequence[ChatMessage], template: TemplateFacts, changes: Changes, *, plain: bool
) -> list[ChatMessage]:
    """The messages, with tool exchanges that the template takes.

    Args:
        messages: the messages, with their content as the model takes it.
        template: what it takes.
        changes: what was changed is added.
        plain: whether all exchanges are sent as text.
    """
    out: list[ChatMessage] = []
    position = 0
    while position < len(messages):
        message = messages[position]
        position += 1
        if message["role"] == "tool":  # its call is not in the answer before it
            changes.add("lost_result")
            out.append({"role": "user", "content": _result_text("", message["content"])})
        elif calls := _calls_of(message):
            results: list[ChatMessage] = []
            while position < len(messages) and messages[position]["role"] == "tool":
                results.append(messages[position])
                position += 1
            lost = _give_results(calls, results)
            as_text = plain or not template.tool_calls
            out += _exchange(message, calls, template, changes, as_text=as_text)
            for result in lost:
                changes.add("lost_result")
                out.append({"role": "user", "content": _result_text("", result["content"])})
        else:
            out.append({name: value for name, value in message.items() if name in ("role", "content")})
    return out


def _exchange(
    message: ChatMessage, calls: list[_Call], template: TemplateFacts, changes: Changes, *, as_text: bool
) -> list[ChatMessage]:
    """An answer with calls, and the results."""
    native: list[_Call] = []
    spoken: list[_Call] = []
    texts: list[str] = []
    for call in calls:
        arguments = accepted(call.arguments)
        if arguments is None:
            changes.add("cut_call")
            # With a result it was carried out, by a host that made sense of it: it stays a call.
            arguments = closed(call.arguments) if call.result is not None else None
        elif as_text:
            changes.add("call_as_text")
        if as_text or arguments is None or not call.name:
            spoken.append(call)
            texts.append(_call_text(call, cut=accepted(call.arguments) is None))
        else:
            call.arguments = arguments
            native.append(call)
    content: Content = message["content"]
    for text in texts:
        content = joined(content, text)
    out = _native(content, message, native, template, changes)
    out += [
        {"role": "user", "content": _result_text(call.name, call.result)} for call in spoken if call.result is not None
    ]
    return out


def _native(
    content: Content, message: ChatMessage, calls: list[_Call], template: TemplateFacts, changes: Changes
) -> list[ChatMessage]:
    """An answer with calls in the template's own form; without any, its text."""
    answer: ChatMessage = {"role": "assistant", "content": content}
    if not calls:
        return [answer]
    if "reasoning_content" in message:
        answer["reasoning_content"] = message["reasoning_content"]
    _give_ids(calls, short=template.short_call_ids)
    out: list[ChatMessage] = []
    for group in [calls] if template.parallel_tool_calls else [[call] for call in calls]:
        answer["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in group
        ]
        out.append(answer)
        for call in group:
            if call.result is None:
                changes.add("missing_result")
            result = NO_RESULT if call.result is None else call.result
            out.append({"role": "tool", "tool_call_id": call.id, "content": result})
        answer = {"role": "assistant", "content": ""}
    return out


def _calls_of(message: ChatMessage) -> list[_Call]:
    calls = message.get("tool_calls")
    if message["role"] != "assistant" or not isinstance(calls, list):
        return []
    found: list[_Call] = []
    for call in calls:
        function: Any = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            id_, name, arguments = call.get("id"), function.get("name"), function.get("arguments")
            found.append(_Call(_text(id_), _text(name).strip(), _text(arguments)))
    return found


def _give_results(calls: list[_Call], results: list[ChatMessage]) -> list[ChatMessage]:
    """Give each call the first result with its id; returns the results that are left."""
    lost: list[ChatMessage] = []
    for result in results:
        wanted = _text(result.get("tool_call_id"))
        call = next((call for call in calls if call.id == wanted and call.result is None), None)
        if call is None:
            lost.append(result)
        else:
            call.result = result["content"]
    return lost


def _give_ids(calls: list[_Call], *, short: bool) -> None:
    """Give each call of an answer an id of its own, in the form that the template takes."""
    used: set[str] = set()
    for place, call in enumerate(calls):
        id_ = call.id or f"call_{place}"
        if id_ in used:
            id_ = f"{id_}_{place}"
        used.add(id_)
        if short and not (len(id_) == SHORT_ID and id_.isascii() and id_.isalnum()):
            id_ = hashlib.sha256(id_.encode()).hexdigest()[:SHORT_ID]
        call.id = id_


def _call_text(call: _Call, *, cut: bool) -> str:
    name = call.name or "without a name"
    if cut and call.result is None:
        return f"[The call of the tool {name} was cut off and not carried out: {call.arguments}]"
    return f"[Call of the tool {name}: {call.arguments or '{}'}]"


def _result_text(name: str, result: Content | None) -> Content:
    return joined(f"[Result of the tool {name}:]" if name else "[Result of a tool:]", result or "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
