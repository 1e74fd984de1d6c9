"""Chat."""

from __future__ import annotations

import anyio

from sidecar.chat.history import History
from sidecar.chat.journals import Journals
from sidecar.chat.service import Chat
from sidecar.chat.turn import Turn, result_or_raise
from sidecar.contract.chat import (
    AckParams,
    AckResult,
    CancelMessageParams,
    CancelMessageResult,
    CountTokensParams,
    CountTokensResult,
    EditMessageParams,
    PreviewContextParams,
    PreviewContextResult,
    RegenerateMessageParams,
    ResumeSessionParams,
    SendMessageParams,
    TurnResult,
)
from sidecar.handlers.call import Call, Handler
from sidecar.services import Services


class ChatHandlers:
    """The Chat family."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def methods(self) -> dict[str, Handler]:
        return {
            "send_message": self.send,
            "regenerate_message": self.regenerate,
            "edit_message": self.edit,
            "cancel_message": self.cancel,
            "count_tokens": self.count_tokens,
            "preview_context": self.preview_context,
            "resume_session": self.resume,
            "ack": self.ack,
        }

    async def send(self, params: SendMessageParams, call: Call) -> TurnResult:
        return await _follow(self._chat.send(params), call)

    async def regenerate(self, params: RegenerateMessageParams, call: Call) -> TurnResult:
        return await _follow(self._chat.regenerate(params), call)

    async def edit(self, params: EditMessageParams, call: Call) -> TurnResult:
        return await _follow(self._chat.edit(params), call)

    async def cancel(self, params: CancelMessageParams, call: Call) -> CancelMessageResult:
        return await self._chat.cancel(params.session_id)

    async def count_tokens(self, params: CountTokensParams, call: Call) -> CountTokensResult:
        return await self._chat.count_tokens(params)

    async def preview_context(self, params: PreviewContextParams, call: Call) -> PreviewContextResult:
        return await self._chat.preview_context(params)

    async def resume(self, params: ResumeSessionParams, call: Call) -> TurnResult:
        after_seq = params.after_seq or 0
        turn = await self._chat.resume(params.session_id, after_seq)
        if after_seq > turn.events.last_seq:  # a seq of an earlier turn: the host has seen nothing of this one
            after_seq = 0
        call.follow(turn.events, after_seq=turn.events.resume_point(after_seq))
        return await turn.result()

    async def ack(self, params: AckParams, call: Call) -> AckResult:
        return await self._chat.ack(params.session_id, params.seq)


def register(services: Services) -> dict[str, Handler]:
    config, database = services.config, services.database
    services.history = History(database, retention_days=lambda: config.config.storage.deleted_retention_days)
    services.journals = Journals(services.data_dir.turns, lambda: database.cipher)
    services.chat = chat = Chat(
        history=services.history, journals=services.journals, fleet=services.servers, config=lambda: config.config
    )
    services.run_until_stop.append(chat.run)
    services.background.append(chat.tidy)
    return ChatHandlers(chat).methods()


async def _follow(turn: Turn, call: Call) -> TurnResult:
    """Show a turn's events and wait for its end; a request that is cancelled stops its turn."""
    call.follow(turn.events)
    try:
        return await turn.result()
    except anyio.get_cancelled_exc_class():
        await turn.cancel()
        return result_or_raise(turn.outcome)
