"""Operations on sessions.

Owns the transactions on the history: each method is one, and changes are published.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from sidecar.chat import export, idempotency, messages, search, sessions
from sidecar.chat.idempotency import SentBefore, SentRequest
from sidecar.chat.journal import Journals
from sidecar.chat.messages import StoredMessage, new_id
from sidecar.contract.errors import SidecarError
from sidecar.contract.sessions import (
    CreateSessionParams,
    DeleteSessionResult,
    ExportSessionParams,
    ExportSessionResult,
    GetMessagesParams,
    GetMessagesResult,
    ImportSessionParams,
    ListDeletedSessionsParams,
    ListDeletedSessionsResult,
    ListSessionsParams,
    ListSessionsResult,
    SearchMessagesParams,
    SearchMessagesResult,
    Session,
    SessionConfig,
    UpdateSessionParams,
)
from sidecar.events.changes import Changes
from sidecar.storage.config import ConfigFile
from sidecar.storage.connection import cipher_of
from sidecar.storage.database import Database, Work
from sidecar.storage.interruptible_query import QueryTimeout
from sidecar.storage.purge_clock import PurgeClock

DAY_SECONDS = 86_400.0

SEARCH_SECONDS = 2.0
"""Longest search: a hundred times the duration of a usual search in a million messages."""


class SessionChange(NamedTuple):
    """A session's new state; `None` when it was deleted."""

    session_id: str
    session: Session | None


class History:
    """The sessions and their messages.

    Args:
        database: where they are stored.
        journals: have the events of interrupted answers. They are encrypted like the history.
        config: the system prompt of new sessions, and how long deleted ones are kept.

    Attributes:
        changes: of sessions.
    """

    def __init__(
        self, database: Database, *, journals: Journals, config: ConfigFile, purge_clock: PurgeClock | None = None
    ) -> None:
        self._database = database
        self._journals = journals
        self._config = config
        self._purge_clock = purge_clock
        self.changes: Changes[SessionChange] = Changes()
        self._is_ready = False
        self._is_tidying = False
        self._is_untidy = False

    async def ready(self) -> None:
        """Wait until the history can be used and has the interrupted answers, and journals can be read.

        Raises:
            SidecarError: why it cannot.
        """
        if self._is_tidying or not self._is_ready:
            await self._database.run(lambda _: None)
            self._journals.use_cipher(self._database.cipher)
            self._is_ready = True
        if self._is_untidy:  # the clean-up at start failed: there was no key, or the disk was full
            await self.tidy()

    async def encrypt(self, sealed: bool) -> None:
        """Encrypt the history and its journals from now on, or write them in plain text again.

        It completes even if the caller is cancelled. If it fails, nothing has changed.

        Raises:
            NotSupported: there is no keyring that could keep the key.
            StorageError: the key cannot be had, or the file cannot be read or written.
            DiskFull: there is no room.
        """

        async def switch() -> None:
            await self._database.encrypt(sealed)
            self._journals.use_cipher(self._database.cipher)

        await asyncio.shield(asyncio.ensure_future(switch()))

    async def tidy(self) -> None:
        """Clean up once at start: store and mark interrupted answers, remove sessions deleted long ago."""
        before = time.time() - self._retention_seconds

        def work(db: Any) -> None:
            for session_id, message_id in messages.running(db):
                partial = self._journals.partial_answer(session_id, message_id, cipher_of(db))
                messages.interrupt(db, session_id, message_id, *partial)
            newest = db.execute("SELECT max(updated_at) FROM sessions").fetchone()[0]
            if self._purge_clock is None or self._purge_clock.may_purge(newest):
                sessions.mark_for_purge(db, deleted_before=before)
            idempotency.forget_old(db)
            self._is_untidy = False  # here, so that an answer that begins now is not marked as interrupted

        self._is_tidying = True
        try:
            await self._database.run(work)
        except BaseException:
            self._is_untidy = True
            raise
        finally:
            self._is_tidying = False
        while await self._database.run(sessions.purge):
            continue  # requests that arrived meanwhile go first
        with suppress(SidecarError):  # without the key nothing can be read: requests get the error
            await self.ready()

    @property
    def _retention_seconds(self) -> float:
        return self._config.config.storage.deleted_retention_days * DAY_SECONDS

    async def create(self, params: CreateSessionParams) -> Session:
        """Create an empty session. If no system prompt is given, it has the config's."""
        system = self._config.config.chat.system if params.system is None else params.system
        session_id = params.session_id or new_id()

        def work(db: Any) -> Session:
            sessions.insert(
                db,
                session_id=session_id,
                title=params.title,
                system=system,
                server_id=params.server_id,
                config=params.config or SessionConfig(),
            )
            return sessions.get(db, session_id)

        return self._published(await self._database.run(work))

    async def get(self, session_id: str) -> Session:
        """A session. Raises SessionNotFound."""
        return await self._database.run(lambda db: sessions.get(db, session_id))

    async def open(self, session_id: str) -> tuple[Session | None, list[StoredMessage]]:
        """A session to continue and its branch in use, oldest first; `None` where it does not exist yet.

        Raises:
            InvalidParams: it is deleted.
        """

        def work(db: Any) -> tuple[Session | None, list[StoredMessage]]:
            session = sessions.find(db, session_id)
            if session is None:
                sessions.require_free(db, session_id)
                return None, []
            return session, messages.branch(db, session_id, session.head)

        return await self._database.run(work)

    async def page(self, params: ListSessionsParams) -> ListSessionsResult:
        """Sessions, the last used first."""
        return await self._database.run(
            lambda db: sessions.page(
                db,
                query=params.query,
                archived=bool(params.archived),
                limit=params.limit or params.defaults["limit"],
                cursor=params.cursor,
            )
        )

    async def branch(self, session_id: str, last: str | None) -> list[StoredMessage]:
        """The messages from the root to `last`, oldest first."""
        return await self._database.run(lambda db: messages.branch(db, session_id, last))

    async def message(self, session_id: str, message_id: str) -> StoredMessage:
        """One message. Raises SessionNotFound."""
        return await self._database.run(lambda db: messages.get(db, session_id, message_id))

    async def is_last(self, session_id: str, message_id: str) -> bool:
        """Whether a message is the end of its branch. Raises SessionNotFound."""
        return await self._database.run(lambda db: messages.leaf_below(db, session_id, message_id) == message_id)

    async def sent_before(self, session_id: str, request: SentRequest) -> SentBefore | None:
        """What is stored of a request that was sent before. Raises InvalidParams if it was another one."""
        return await self._database.run(lambda db: idempotency.find(db, session_id, request))

    async def message_page(self, params: GetMessagesParams) -> GetMessagesResult:
        """The messages of a branch, oldest first."""

        def work(db: Any) -> GetMessagesResult:
            session = sessions.get(db, params.session_id)
            last = session.head
            if params.branch is not None:
                last = messages.leaf_below(db, params.session_id, params.branch)
            start = last
            if params.before is not None:
                start = messages.get(db, params.session_id, params.before).parent_id
            limit = params.limit
            found = messages.branch(db, params.session_id, start, limit=limit + 1 if limit else None)
            has_more = limit is not None and len(found) > limit
            shown = found[1:] if has_more else found
            messages.fill_in_siblings(db, params.session_id, shown)
            return GetMessagesResult(
                session_id=params.session_id,
                branch=last,
                messages=[message.as_contract() for message in shown],
                has_more=has_more,
            )

        return await self._database.run(work)

    async def update(self, params: UpdateSessionParams, *, removed: Iterable[str] = ()) -> Session:
        """Change a session; `removed` names the settings of its config that it has no longer."""

        def work(db: Any) -> Session:
            changes: dict[str, Any] = {}
            if params.title is not None:
                changes |= {"title": params.title, "title_is_own": True}
            if params.system is not None:
                changes["system"] = params.system or None
            for name in ("server_id", "archived"):
                if (value := getattr(params, name)) is not None:
                    changes[name] = value
            if params.config is not None:
                before = sessions.get(db, params.session_id).config
                changes["config"] = sessions.merged(before, params.config, removed=removed)
            if params.branch is not None:
                changes["head"] = messages.leaf_below(db, params.session_id, params.branch)
            return sessions.update(db, params.session_id, changes)

        return self._published(await self._database.run(work))

    async def delete(self, session_id: str) -> DeleteSessionResult:
        """Delete a session; it can be restored for a while."""
        deleted_at = await self._database.run(lambda db: sessions.delete(db, session_id))
        self._publish(session_id, None)
        return DeleteSessionResult(session_id=session_id, purge_at=deleted_at + self._retention_seconds)

    async def deleted_page(self, params: ListDeletedSessionsParams) -> ListDeletedSessionsResult:
        """Deleted sessions, the last deleted first."""
        return await self._database.run(
            lambda db: sessions.deleted_page(
                db,
                limit=params.limit or params.defaults["limit"],
                cursor=params.cursor,
                kept_seconds=self._retention_seconds,
            )
        )

    async def restore(self, session_id: str) -> Session:
        """Undo `delete`."""
        return self._published(await self._database.run(lambda db: sessions.restore(db, session_id)))

    async def search(self, params: SearchMessagesParams) -> SearchMessagesResult:
        """Messages that contain all the words.

        Raises:
            InvalidParams: the search took too long.
        """

        def read(db: Any) -> SearchMessagesResult:
            return search.search(
                db,
                params.query,
                session_id=params.session_id,
                limit=params.limit or params.defaults["limit"],
                cursor=params.cursor,
            )

        try:
            return await self._database.read(read, seconds=SEARCH_SECONDS)
        except QueryTimeout:
            raise search.took_too_long(SEARCH_SECONDS) from None

    async def export(self, params: ExportSessionParams) -> ExportSessionResult:
        """A session as text."""

        def work(db: Any) -> ExportSessionResult:
            session = sessions.get(db, params.session_id)
            if params.format == "markdown":
                return export.as_markdown(session, messages.branch(db, params.session_id, session.head))
            return export.as_json(session, messages.all_of(db, params.session_id))

        return await self._database.run(work)

    async def import_session(self, params: ImportSessionParams) -> Session:
        """A session from its exported JSON."""
        exported = export.read_json(params.content)
        return self._published(await self._database.run(lambda db: export.insert(db, exported)))

    def change(self, session_id: str, work: Work[None]) -> asyncio.Future[Session | None]:
        """Start a change of a session's messages; it completes even if the caller is cancelled.

        The future has the session once the change is committed; `None` where the session is gone.
        """

        def change_and_read(db: Any) -> Session | None:
            work(db)
            return sessions.find(db, session_id)

        change = self._database.submit(change_and_read)
        change.add_done_callback(lambda done: self._publish_outcome(session_id, done))
        return change

    def _publish_outcome(self, session_id: str, change: asyncio.Future[Session | None]) -> None:
        if not change.cancelled() and change.exception() is None:
            self._publish(session_id, change.result())

    def _published(self, session: Session) -> Session:
        self._publish(session.session_id, session)
        return session

    def _publish(self, session_id: str, session: Session | None) -> None:
        if self.changes.subscriptions:
            self.changes.publish(SessionChange(session_id, session))
