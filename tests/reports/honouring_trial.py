"""A chat with a model and its engine that a test describes, for reports about what is honoured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from sidecar.contract.chat import SendMessageParams, TurnResult
from sidecar.contract.errors import SessionNotFound, SidecarError
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.client.chat_chunk import ChatChunk, Choice, Delta, FunctionDelta, ToolCallDelta
from sidecar.engines.template_facts import facts_of
from tests.chat.rows import new_id
from tests.chat.scripted import END, Answer, Stage, text

PLAIN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
WITH_TOOLS = "{% for tool in tools %}{{ tool }}{% endfor %}" + PLAIN

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": parameters}}
    for name, parameters in (
        ("get_time", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}),
        ("roll", {"type": "object", "properties": {}}),
    )
]
NAMED = {"type": "function", "function": {"name": "get_time"}}


def says(
    *pieces: str, reasoning: tuple[str, ...] = (), calls: dict[str, str] | None = None, ends: str = "stop"
) -> Answer:
    """An answer of an engine."""

    async def answer(request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        for piece in reasoning:
            yield [ChatChunk(choices=[Choice(delta=Delta(reasoning_content=piece))])]
        yield [text(piece) for piece in pieces]
        for index, (name, arguments) in enumerate((calls or {}).items()):
            call = ToolCallDelta(index=index, id=f"c{index}", function=FunctionDelta(name=name, arguments=arguments))
            yield [ChatChunk(choices=[Choice(delta=Delta(tool_calls=[call]))])]
        yield [msgspec.structs.replace(END, choices=[Choice(finish_reason=ends)])]

    return answer


class Trial:
    """A model, and what it answers."""

    def __init__(self, stage: Stage, template: str = PLAIN, **settings: Any) -> None:
        self.stage = stage
        server = stage.server
        server.template = facts_of(template)
        server.launch.settings = ServerSettings(**settings)

    async def ask(self, answer: Answer | None = None, message: str = "Hi", **params: Any) -> TurnResult:
        self.stage.server.answers = [answer or says("Hello")]
        return await self.stage.chat.send(SendMessageParams(message=message, **params)).result()

    async def codes(self, answer: Answer | None = None, message: str = "Hi", **params: Any) -> list[str]:
        """The codes of the warnings; each has remedies, and none of the message in it."""
        result = await self.ask(answer, message, **params)
        assert all(one.remedies and message not in one.message for one in result.warnings)
        return [one.code for one in result.warnings]

    async def refusal(self, **params: Any) -> SidecarError:
        """The error of a message of which nothing is sent or stored."""
        sent, session_id = len(self.stage.server.requests), new_id()
        with pytest.raises(SidecarError) as caught:
            await self.ask(session_id=session_id, **params)
        with pytest.raises(SessionNotFound):
            await self.stage.history.get(session_id)
        assert len(self.stage.server.requests) == sent
        return caught.value

    @property
    def sent(self) -> dict[str, Any]:
        """The body of the last request."""
        return self.stage.server.requests[-1]
