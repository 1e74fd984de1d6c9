"""What a message would cost, without sending it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sidecar.chat.context import fit
from sidecar.chat.turn_plan import TurnPlanner
from sidecar.contract.chat import (
    CountTokensParams,
    CountTokensResult,
    DroppedMessage,
    PreviewContextParams,
    PreviewContextResult,
    TurnParams,
)
from sidecar.contract.errors import InvalidParams
from sidecar.engines.client.engine_client import EngineGone
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager

T = TypeVar("T")


async def count_tokens(params: CountTokensParams, *, jobs: TurnPlanner, fleet: ServerManager) -> CountTokensResult:
    """Exact tokens of a text or a conversation.

    Raises:
        InvalidParams: nothing is given to count, or more than one thing.
    """
    has_conversation = params.session_id is not None or params.message is not None
    if has_conversation == (params.text is not None):
        raise InvalidParams("Give either text, or session_id and message.", path="$.text")
    if params.text is not None:
        server = await fleet.choose(params.server_id, None)
        text = params.text
        tokens = await _asked(server, lambda: server.ready_link().count_text(text))
    else:
        job = await jobs.to_imagine(params.session_id, params.message, TurnParams(server_id=params.server_id))
        server = job.server
        tokens = await _asked(server, lambda: job.count(job.question.conversation))
    return CountTokensResult(tokens=tokens, max_context=server.actual.context_per_message if server.actual else 0)


async def preview_context(params: PreviewContextParams, *, jobs: TurnPlanner) -> PreviewContextResult:
    """What would be sent and what left out."""
    wanted = TurnParams(server_id=params.server_id, context_policy=params.context_policy, max_tokens=params.max_tokens)
    job = await jobs.to_imagine(params.session_id, params.message, wanted)
    new = {message.message_id for message in job.question.new_messages}
    fitted = await _asked(
        job.server,
        lambda: fit(
            job.question.conversation,
            policy=job.policy,
            max_context=job.max_context,
            max_tokens=job.max_tokens,
            count=job.count,
        ),
    )
    reason = f"the conversation outgrows the context of {job.max_context} tokens, and the policy is {job.policy}"
    return PreviewContextResult(
        policy=job.policy,
        fits=fitted.fits,
        max_context=job.max_context,
        input_length=fitted.tokens,
        reserved=fitted.reserved,
        sent_messages=[m.message_id for m in fitted.sent if m.message_id not in new] if fitted.fits else [],
        dropped=[DroppedMessage(message_id=m.message_id, role=m.role, reason=reason) for m in fitted.dropped],
    )


async def _asked(server: Server, ask: Callable[[], Awaitable[T]]) -> T:
    """A server's answer; one that sleeps is woken for the question.

    Raises:
        SidecarError: why there is none, where the engine hangs up.
    """
    await server.be_ready_again()
    try:
        return await ask()
    except EngineGone as broken:
        raise await server.explain_broken_connection(broken) from None
