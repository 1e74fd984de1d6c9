"""A request for a chat completion in the engine's format.

Owns the engine's format of the settings; `rendering` owns that of the conversation. No I/O. Knows nothing of where
messages are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.contract.chat import ToolMode
from sidecar.contract.sampling import SamplingParams
from sidecar.contract.sessions import ContextPolicy
from sidecar.generation.rendering.changes import ChatMessage

__all__ = ["ChatMessage", "GenerationRequest"]


class GenerationRequest(msgspec.Struct, kw_only=True):
    """A request to a model.

    Attributes:
        messages: the conversation, oldest first, without its system prompt.
        new: how many of the last messages are being sent now; the others are history, which is adapted to the model.
        system: the system prompt, if there is one. It is never dropped.
        sampling: how tokens are chosen; for `None` the engine's default applies. `max_tokens` bounds the answer.
        policy: what to do if not everything fits into the context.
        server_id: the server to use; default: `last_server_id`, else "default", else the only usable server.
        last_server_id: the server that answered before; used if it still exists.
        tools: functions the model may call, in OpenAI's form.
        tool_choice: as OpenAI's tool_choice.
        tool_mode: how the tools reach the model (`honouring.tool_form`).
        response_format: as OpenAI's response_format.
        reasoning: whether a model that can think may do so; default: the model's own.
        continues: whether the last message is an answer whose text the model writes on, rather than one before its own.
    """

    messages: Sequence[ChatMessage]
    new: int = 0
    system: str | None = None
    sampling: SamplingParams = msgspec.field(default_factory=SamplingParams)
    policy: ContextPolicy = "error"
    server_id: str | None = None
    last_server_id: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tool_mode: ToolMode = "auto"
    response_format: dict[str, Any] | None = None
    reasoning: bool | None = None
    continues: bool = False

    def body(self, messages: Sequence[ChatMessage]) -> dict[str, Any]:
        """The body of the request to an engine: these messages, as it takes them (`prompt`). What differs between
        engines is added by `honouring.adaptation`."""
        body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
        body["messages"] = list(messages)
        return body
