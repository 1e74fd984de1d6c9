"""A conversation as the model at hand takes it.

Owns the steps. The stored messages stay as they are: another model may take them. Form only (joined messages, ids, the
place of the system prompt) is changed silently; where something else is sent than what was said, it is counted, and the
result of the request has a warning.

    content     images and sound that the model does not take become notes
    exchanges   each tool call with its result, in a form that the template takes
    roles       what is none of system, user, assistant and tool becomes the user's
    turns       user and assistant alternate where the template can refuse
    system      its own message, or at the head of the first one

`plain` is the last resort, after a refusal: text only, and nothing but user and assistant in turns. Every chat template
takes that.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sidecar.engines.template_facts import TemplateFacts
from sidecar.generation.rendering.changes import NO_ANSWER, Changes, ChatMessage
from sidecar.generation.rendering.content import content_of, joined
from sidecar.generation.rendering.exchanges import with_exchanges
from sidecar.generation.rendering.order import in_strict_turns, in_turns, with_system

_SYSTEM_ROLES = ("system", "developer")
_ROLES = ("user", "assistant", "tool")


class Rendered(msgspec.Struct, frozen=True):
    """A conversation that an engine takes.

    Attributes:
        messages: for the engine, the system prompt among them.
        changes: where they say something else than the conversation does.
    """

    messages: list[ChatMessage]
    changes: Changes


def rendered(
    system: str | None,
    messages: Sequence[ChatMessage],
    template: TemplateFacts,
    *,
    new: int = 0,
    plain: bool = False,
) -> Rendered:
    """A conversation, rendered for a model.

    Args:
        system: the system prompt.
        messages: the messages, oldest first.
        template: what the model takes.
        new: how many of the last messages are being sent now: what they have is refused rather than replaced.
        plain: whether to send text only.

    Raises:
        NotSupported: a new message has what the model cannot take.
    """
    changes = Changes()
    asked = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=-1)
    read: list[ChatMessage] = []
    for place, message in enumerate(messages):
        is_new = place >= len(messages) - new
        content = content_of(message, template, changes, new=is_new, plain=plain)
        keeps_reasoning = template.reasoning and place > asked and bool(message.get("tool_calls"))
        read.append(_read(message | {"content": content}, keeps_reasoning=keeps_reasoning))
    strict = plain or template.can_refuse
    system, read = _with_roles(system, read, changes, strict=strict or not template.system_role)
    turns = in_turns(with_exchanges(read, template, changes, plain=plain))
    if strict:
        turns = in_strict_turns(turns, changes)
    if plain:
        changes.add("plain")
    return Rendered(with_system(system, turns, role=template.system_role and not plain), changes)


def _read(message: ChatMessage, *, keeps_reasoning: bool) -> ChatMessage:
    """A message with the members that matter. An answer that is only reasoning keeps its turn."""
    if message["role"] != "assistant":
        return message
    reasoning = message.pop("reasoning_content", None)
    if reasoning and keeps_reasoning:
        message["reasoning_content"] = reasoning
    elif reasoning and not message["content"] and not message.get("tool_calls"):
        message["content"] = NO_ANSWER
    return message


def _with_roles(
    system: str | None, messages: list[ChatMessage], changes: Changes, *, strict: bool
) -> tuple[str | None, list[ChatMessage]]:
    """The system prompt with the messages that continue it, and messages in roles that are known."""
    out: list[ChatMessage] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role in _ROLES:
            out.append(message)
        elif role in _SYSTEM_ROLES and not out and isinstance(content, str):
            system = f"{system}\n\n{content}" if system else content
        elif role in _SYSTEM_ROLES and not strict:
            out.append({"role": "system", "content": content})
        else:
            changes.add("role")
            out.append({"role": "user", "content": joined(f"[{role}:]", content)})
    return system, out
