"""What a request would cost, without an answer to it.

Owns the questions about tokens; an engine's tokenizer answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.protocols import Tokenizer
from sidecar.generation.completion import ChatMessage, GenerationRequest
from sidecar.generation.context import Fit, fit
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager

T = TypeVar("T")


class TokenCounter:
    """Counts by the tokenizers of servers. Where one has unloaded its model, it loads it again.

    Each method returns with its result how many tokens prompt and answer may use together, and raises SidecarError
    where there is no server that could count, or why it did not.
    """

    def __init__(self, servers: ServerManager) -> None:
        self._servers = servers

    async def text(self, text: str, *, server_id: str | None = None) -> tuple[int, int]:
        """Exact tokens of a text, without a template."""
        server = await self._servers.choose(server_id, None)
        return await _ask(server, lambda engine: engine.count_text(text)), max_context_of(server)

    async def request(self, request: GenerationRequest) -> tuple[int, int]:
        """Exact tokens of a request, with the model's template around it."""
        server = await self._servers.choose(request.server_id, request.last_server_id)
        body = request.body(request.messages)
        return await _ask(server, lambda engine: engine.count_chat(body)), max_context_of(server)

    async def fit(self, request: GenerationRequest) -> tuple[Fit, int]:
        """What of a request would be sent, and what left out."""
        server = await self._servers.choose(request.server_id, request.last_server_id)
        return await _ask(server, lambda _: fit_request(request, server)), max_context_of(server)


def max_context_of(server: Server) -> int:
    """Tokens that prompt and answer may use together; 0 before the engine has reported it."""
    return server.actual.context_per_message if server.actual else 0


async def fit_request(request: GenerationRequest, server: Server) -> Fit:
    """What of a request fits into a server's context, by its engine's own count.

    Raises:
        EngineGone: the engine hung up.
        SidecarError: it cannot count.
    """

    async def count(messages: Sequence[ChatMessage]) -> int:
        return await server.ready_client().count_chat(request.body(messages))

    return await fit(
        request.messages,
        policy=request.policy,
        max_context=max_context_of(server),
        max_tokens=request.sampling.max_tokens,
        count=count,
    )


async def _ask(server: Server, ask: Callable[[Tokenizer], Coroutine[Any, Any, T]]) -> T:
    """A server's answer to a small question.

    Raises:
        SidecarError: why there is none, where the engine hangs up.
    """
    async for _ in server.until_ready():
        pass
    try:
        return await ask(server.ready_client())
    except EngineGone as broken:
        raise await server.explain_broken_connection(broken) from None
