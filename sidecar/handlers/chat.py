"""Chat."""

from __future__ import annotations

from sidecar.chat.editing import Editor
from sidecar.chat.history import History
from sidecar.chat.journal import Journals
from sidecar.chat.service import Chat
from sidecar.contract.chat import (
    AckParams,
    AckResult,
    CancelMessageParams,
    CancelMessageResult,
    ContinueMessageParams,
    CountTokensParams,
    CountTokensResult,
    DeleteMessageParams,
    EditMessageParams,
    PreviewContextParams,
    PreviewContextResult,
    RegenerateMessageParams,
    ResumeSessionParams,
    SendMessageParams,
    TurnResult,
    UpdateMessageParams,
)
from sidecar.contract.sessions import Message, Session
from sidecar.generation.generation import Generator
from sidecar.handlers.call import Call, Handler
from sidecar.services import Services


class ChatHandlers:
    """The Chat family."""

    def __init__(self, chat: Chat, editor: Editor) -> None:
        self._chat = chat
        self._editor = editor

    def methods(self) -> dict[str, Handler]:
        return {
            "send_message": self.send,
            "regenerate_message": self.regenerate,
            "edit_message": self.edit,
            "continue_message": self.continue_,
            "delete_message": self.delete,
            "update_message": self.update,
            "cancel_message": self.cancel,
            "count_tokens": self.count_tokens,
            "preview_context": self.preview_context,
            "resume_session": self.resume,
            "ack": self.ack,
        }

    async def send(self, params: SendMessageParams, call: Call) -> TurnResult:
        turn = self._chat.send(params)
        call.follow(turn.events)
        return await turn.result_or_cancel()

    async def regenerate(self, params: RegenerateMessageParams, call: Call) -> TurnResult:
        turn = self._chat.regenerate(params)
        call.follow(turn.events)
        return await turn.result_or_cancel()

    async def edit(self, params: EditMessageParams, call: Call) -> TurnResult:
        turn = self._chat.edit(params)
        call.follow(turn.events)
        return await turn.result_or_cancel()

    async def continue_(self, params: ContinueMessageParams, call: Call) -> TurnResult:
        turn = self._chat.continue_(params)
        call.follow(turn.events)
        return await turn.result_or_cancel()

    async def delete(self, params: DeleteMessageParams, call: Call) -> Session:
        return await self._editor.delete(params)

    async def update(self, params: UpdateMessageParams, call: Call) -> Message:
        return await self._editor.update(params)

    async def cancel(self, params: CancelMessageParams, call: Call) -> CancelMessageResult:
        return await self._chat.cancel(params.session_id)

    async def count_tokens(self, params: CountTokensParams, call: Call) -> CountTokensResult:
        return await self._chat.count_tokens(params)

    async def preview_context(self, params: PreviewContextParams, call: Call) -> PreviewContextResult:
        return await self._chat.preview_context(params)

    async def resume(self, params: ResumeSessionParams, call: Call) -> TurnResult:
        turn, after_seq = await self._chat.resume(params.session_id, params.after_seq or 0)
        call.follow(turn.events, after_seq=after_seq)
        return await turn.result()

    async def ack(self, params: AckParams, call: Call) -> AckResult:
        return await self._chat.ack(params.session_id, params.seq)


def register(services: Services) -> dict[str, Handler]:
    config, journals = services.config, Journals(services.data_dir.turns)
    services.history = history = History(
        services.database, journals=journals, config=config, purge_clock=services.purge_clock
    )
    services.generator = generator = Generator(services.servers, config)
    services.chat = chat = Chat(history=history, journals=journals, generator=generator, config=config)
    services.run_until_stop.append(chat.run)
    services.background.append(chat.tidy)
    return ChatHandlers(chat, Editor(history, journals)).methods()
