"""Token counts of texts and requests, without generating an answer.

Chooses the server; its engine's tokenizer counts.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from sidecar.contract.errors import ContextTooLong, SidecarError
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.protocols import Tokenizer
from sidecar.generation.advice import Overlong
from sidecar.generation.completion import ChatMessage, GenerationRequest
from sidecar.generation.context import Fit, exchange_starts, fit
from sidecar.generation.honouring.target import target_of
from sidecar.generation.prompt import Prompt
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager

T = TypeVar("T")


class TokenCounter:
    """Counts with the tokenizers of servers. A server that sleeps is woken.

    Each method also returns how many tokens prompt and answer may use together, and raises SidecarError if no server
    can count, or if counting fails.
    """

    def __init__(self, servers: ServerManager) -> None:
        self._servers = servers

    async def text(self, text: str, *, server_id: str | None = None) -> tuple[int, int]:
        """Exact tokens of a text, without a template."""
        server = await self._servers.choose(server_id, None)
        return await _count(server, lambda engine: engine.count_text(text)), max_context_of(server)

    async def request(self, request: GenerationRequest) -> tuple[int, int]:
        """Exact tokens of a request, rendered with the model's template."""
        server = await self._servers.choose(request.server_id, request.last_server_id)

        def count(engine: Tokenizer) -> Coroutine[Any, Any, int]:
            return Prompt(request, target_of(server)).count(engine, request.messages)

        return await _count(server, count), max_context_of(server)

    async def fit(self, request: GenerationRequest) -> tuple[Fit, int]:
        """Which messages of a request would be sent, and which dropped."""
        server = await self._servers.choose(request.server_id, request.last_server_id)

        def count(_: Tokenizer) -> Coroutine[Any, Any, Fit]:
            return fit_request(request, server, Prompt(request, target_of(server)))

        return await _count(server, count), max_context_of(server)


def max_context_of(server: Server) -> int:
    """Tokens that prompt and answer may use together; 0 before the engine has reported it."""
    return server.actual.context_per_message if server.actual else 0


async def fit_request(request: GenerationRequest, server: Server, prompt: Prompt) -> Fit:
    """Which messages of a request fit into a server's context, counted by its engine.

    Raises:
        EngineGone: the engine closed the connection.
        SidecarError: it cannot count.
    """

    async def count(messages: Sequence[ChatMessage]) -> int:
        return await prompt.count(server.ready_client(), messages)

    return await fit(
        request.messages,
        policy=request.policy,
        max_context=max_context_of(server),
        max_tokens=request.sampling.max_tokens,
        count=count,
    )


async def overlong(request: GenerationRequest, server: Server, refused: ContextTooLong) -> Overlong:
    """What is known of a request that was refused for its length; of earlier messages, whether they are the reason."""
    starts = exchange_starts(request.messages)
    newest: int | None = None
    if len(starts) > 1:
        try:
            prompt = Prompt(request, target_of(server))
            newest = await prompt.count(server.ready_client(), request.messages[starts[-1] :])
        except (SidecarError, EngineGone):  # then it is not known
            newest = None
    actual = server.actual
    divided = actual is not None and actual.shared_context is None
    return Overlong(
        max_context=refused.data["max_context"] or max_context_of(server),
        input_length=refused.data["input_length"],
        newest=newest,
        has_earlier=len(starts) > 1,
        has_tools=bool(request.tools),
        trained=actual.trained_context if actual else None,
        parts=actual.slots if actual and divided else 1,
    )


async def _count(server: Server, count: Callable[[Tokenizer], Coroutine[Any, Any, T]]) -> T:
    """The result of a count by a server's engine, once that is ready.

    Raises:
        SidecarError: it cannot count; if its engine closed the connection, why.
    """
    async for _ in server.until_ready():
        pass
    try:
        return await count(server.ready_client())
    except EngineGone as broken:
        raise await server.explain_broken_connection(broken) from None
