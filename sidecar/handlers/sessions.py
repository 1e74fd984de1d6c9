"""Sessions."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.chat.history import History
from sidecar.chat.service import Chat
from sidecar.contract.config import Config
from sidecar.contract.sessions import (
    CreateSession,
    DeletedSession,
    DeleteSession,
    ExportedSession,
    ExportSession,
    GetMessages,
    GetSession,
    ImportSession,
    ListSessions,
    MessagePage,
    RestoreSession,
    SearchMessages,
    SearchPage,
    Session,
    SessionPage,
    UpdateSession,
)
from sidecar.handlers.call import Call, Handler


class SessionHandlers:
    """The Sessions family."""

    def __init__(self, *, history: History, chat: Chat, config: Callable[[], Config]) -> None:
        self._history = history
        self._chat = chat
        self._config = config

    def methods(self) -> dict[str, Handler]:
        return {
            "create_session": self.create,
            "list_sessions": self.list_sessions,
            "get_session": self.get,
            "get_messages": self.get_messages,
            "update_session": self.update,
            "delete_session": self.delete,
            "restore_session": self.restore,
            "search_messages": self.search,
            "export_session": self.export,
            "import_session": self.bring_in,
        }

    async def create(self, params: CreateSession, call: Call) -> Session:
        return await self._history.create(params, system=self._config().chat.system)

    async def list_sessions(self, params: ListSessions, call: Call) -> SessionPage:
        return await self._history.page(params)

    async def get(self, params: GetSession, call: Call) -> Session:
        return await self._history.get(params.session_id)

    async def get_messages(self, params: GetMessages, call: Call) -> MessagePage:
        return await self._history.message_page(params)

    async def update(self, params: UpdateSession, call: Call) -> Session:
        return await self._history.update(params)

    async def delete(self, params: DeleteSession, call: Call) -> DeletedSession:
        await self._chat.leave(params.session_id)
        deleted = await self._history.delete(params.session_id)
        self._chat.forget(params.session_id)
        return deleted

    async def restore(self, params: RestoreSession, call: Call) -> Session:
        return await self._history.restore(params.session_id)

    async def search(self, params: SearchMessages, call: Call) -> SearchPage:
        return await self._history.search(params)

    async def export(self, params: ExportSession, call: Call) -> ExportedSession:
        return await self._history.export(params)

    async def bring_in(self, params: ImportSession, call: Call) -> Session:
        return await self._history.bring_in(params)
