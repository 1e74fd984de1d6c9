"""Sessions."""

from __future__ import annotations

from sidecar.chat.history import History
from sidecar.chat.service import Chat
from sidecar.chat.sessions import cursor_after
from sidecar.contract.sessions import (
    CreateSessionParams,
    DeleteSessionParams,
    DeleteSessionResult,
    ExportSessionParams,
    ExportSessionResult,
    GetMessagesParams,
    GetMessagesResult,
    GetSessionParams,
    ImportSessionParams,
    ListDeletedSessionsParams,
    ListDeletedSessionsResult,
    ListSessionsParams,
    ListSessionsResult,
    RestoreSessionParams,
    SearchMessagesParams,
    SearchMessagesResult,
    Session,
    UpdateSessionParams,
)
from sidecar.generation.sampling import check
from sidecar.handlers.call import Call, Handler
from sidecar.handlers.pages import fitting
from sidecar.services import Services


class SessionHandlers:
    """The Sessions family."""

    def __init__(self, *, history: History, chat: Chat) -> None:
        self._history = history
        self._chat = chat

    def methods(self) -> dict[str, Handler]:
        return {
            "create_session": self.create,
            "list_sessions": self.list_sessions,
            "get_session": self.get,
            "get_messages": self.get_messages,
            "update_session": self.update,
            "delete_session": self.delete,
            "list_deleted_sessions": self.list_deleted,
            "restore_session": self.restore,
            "search_messages": self.search,
            "export_session": self.export,
            "import_session": self.import_session,
        }

    async def create(self, params: CreateSessionParams, call: Call) -> Session:
        if params.config is not None:
            check(params.config, path_of_all="$.config")
        return await self._history.create(params)

    async def list_sessions(self, params: ListSessionsParams, call: Call) -> ListSessionsResult:
        result = await self._history.page(params)
        shown = result.sessions[: fitting(result.sessions, call)]
        if len(shown) == len(result.sessions):
            return result
        last = shown[-1]
        return ListSessionsResult(sessions=shown, next_cursor=cursor_after(last.updated_at, last.session_id))

    async def get(self, params: GetSessionParams, call: Call) -> Session:
        return await self._history.get(params.session_id)

    async def get_messages(self, params: GetMessagesParams, call: Call) -> GetMessagesResult:
        result = await self._history.message_page(params)
        count = fitting(result.messages[::-1], call)  # the newest ones, as with `limit`
        if count < len(result.messages):
            result.messages, result.has_more = result.messages[-count:], True
        return result

    async def update(self, params: UpdateSessionParams, call: Call) -> Session:
        if params.config is not None:
            check(params.config, path_of_all="$.config")
        given = call.params.get("config") or {}
        return await self._history.update(params, removed=[name for name, value in given.items() if value is None])

    async def delete(self, params: DeleteSessionParams, call: Call) -> DeleteSessionResult:
        return await self._chat.delete(params.session_id)

    async def list_deleted(self, params: ListDeletedSessionsParams, call: Call) -> ListDeletedSessionsResult:
        return await self._history.deleted_page(params)

    async def restore(self, params: RestoreSessionParams, call: Call) -> Session:
        return await self._history.restore(params.session_id)

    async def search(self, params: SearchMessagesParams, call: Call) -> SearchMessagesResult:
        return await self._history.search(params)

    async def export(self, params: ExportSessionParams, call: Call) -> ExportSessionResult:
        return await self._history.export(params)

    async def import_session(self, params: ImportSessionParams, call: Call) -> Session:
        return await self._history.import_session(params)


def register(services: Services) -> dict[str, Handler]:
    return SessionHandlers(history=services.history, chat=services.chat).methods()
