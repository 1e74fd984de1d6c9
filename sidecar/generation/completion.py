"""A request for a chat completion in the engine's format.

Owns the engine's format of a conversation and of the settings. No I/O. Knows nothing of where messages are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.contract.sessions import ContextPolicy, SamplingParams

ChatMessage = dict[str, Any]
"""A message in OpenAI's form: `role`, `content` as text or parts, and what belongs to tool calls."""

_SAMPLING = SamplingParams.__struct_fields__


class GenerationRequest(msgspec.Struct, kw_only=True):
    """A request to a model.

    Attributes:
        messages: the conversation, oldest first, without its system prompt.
        system: the system prompt, if there is one. It is never dropped.
        sampling: how tokens are chosen; for `None` the engine's default applies. `max_tokens` bounds the answer.
        policy: what to do if not everything fits into the context.
        server_id: the server to use; default: `last_server_id`, else "default", else the only usable server.
        last_server_id: the server that answered before; used if it still exists.
        tools: functions the model may call, in OpenAI's form.
        tool_choice: as OpenAI's tool_choice.
        response_format: as OpenAI's response_format.
        reasoning: whether a model that can think may do so; default: the model's own.
    """

    messages: Sequence[ChatMessage]
    system: str | None = None
    sampling: SamplingParams = msgspec.field(default_factory=SamplingParams)
    policy: ContextPolicy = "error"
    server_id: str | None = None
    last_server_id: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    reasoning: bool | None = None

    def body(self, messages: Sequence[ChatMessage]) -> dict[str, Any]:
        """The body of the request to the engine, with these messages."""
        body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        for name in _SAMPLING:
            if (value := getattr(self.sampling, name)) is not None:
                body[name] = [value] if name == "stop" and isinstance(value, str) else value
        for name in ("tools", "tool_choice", "response_format"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        if self.reasoning is not None:
            body["chat_template_kwargs"] = {"enable_thinking": self.reasoning}
        body["messages"] = conversation(self.system, messages)
        return body


def conversation(system: str | None, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """A system prompt and messages in the format of engines.

    Empty answers are left out, and consecutive messages of one role are joined: the templates of many models reject two
    user messages in a row.
    """
    out: list[ChatMessage] = [{"role": "system", "content": system}] if system else []
    for message in messages:
        if message == {"role": "assistant", "content": ""}:
            continue
        if out and _can_join(out[-1], message):
            out[-1] = {"role": message["role"], "content": _joined(out[-1]["content"], message["content"])}
        else:
            out.append(message)
    return out


def _can_join(a: ChatMessage, b: ChatMessage) -> bool:
    plain = all(set(message) == {"role", "content"} for message in (a, b))
    return plain and a["role"] == b["role"] and a["role"] in ("user", "assistant")


def _joined(a: str | list[Any], b: str | list[Any]) -> str | list[Any]:
    if isinstance(a, str) and isinstance(b, str):
        return f"{a}\n\n{b}"
    parts: list[Any] = []
    for content in (a, b):
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    return parts
