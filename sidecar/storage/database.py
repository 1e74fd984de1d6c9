"""The history database: one file, one connection, one thread.

Owns the connection and how work reaches it. Knows no table but its version; `migrations` has the schema, `journal`
how commits are kept, `recovery` what is done about a damaged file.

One connection for everything, locked against all others. Work runs in the order it is handed in, on one thread, so
the event loop never waits for the disk; a long search lets the others go first (`looking`).
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio

from sidecar.contract.errors import DiskFull, PermissionDenied, StorageError
from sidecar.contract.life import Notice
from sidecar.storage import integrity, migrations, wal
from sidecar.storage.atomic_files import refusal
from sidecar.storage.cipher import Cipher
from sidecar.storage.config import ConfigFile
from sidecar.storage.encryption import Encryption, HistoryConnection
from sidecar.storage.interruptible_query import InterruptibleQuery, QueryYielded
from sidecar.storage.salvage import recovery

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 2.0
"""How long a host's first question waits for the look at a history that was not closed (`recovery.EXAMINE_SECONDS` at
the most), or is being saved, which takes as long as it takes."""

KEYRING_AT_THE_END_SECONDS = 1.0
"""How long work handed in just before the end still waits for the keyring; all of the end has 4.8 s (`app`)."""

Work = Callable[[sqlite3.Connection], T]
"""Something to do with the connection; its changes are committed together, or not at all if it raises."""


class Database:
    """The history file. Opened by the first piece of work.

    Args:
        path: the file.
        config: says whether text is to be encrypted; read when the file is opened. Without one the file stays as it is.
    """

    def __init__(self, path: Path, config: ConfigFile | None = None) -> None:
        self._path = path
        self._is_doubtful = integrity.is_suspect(path)
        self._notices: list[Notice] = []
        self._sealing = Encryption(path, config)
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: HistoryConnection | None = None
        self._closing: asyncio.Event | None = None
        self._looking = anyio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the file has been opened and not been closed, and what is said in it can be read and written."""
        return self._connection is not None and self._connection.refusal is None

    async def run(self, work: Work[T]) -> T:
        """Do a piece of work in a transaction and wait for it.

        Once handed in it is done, even if whoever waits for it is cancelled: a message on its way to the disk
        must not be lost half-way.

        Raises:
            StorageError: the file cannot be opened, read or written.
            DiskFull: there is no room.
        """
        return await _done(self.submit(work))

    def submit(self, work: Work[T]) -> asyncio.Future[T]:
        """Hand in a piece of work; the future has its outcome, as `run` would."""
        return self._hand_in(lambda: self._transact(work))

    async def look(self, work: Work[T], *, seconds: float) -> T:
        """Do a piece of work that only reads and may take long; all other work goes first. One of its kind at a time.

        Where it has to give way it begins anew. It ends as soon as whoever waits for it is cancelled.

        Args:
            work: what is done with the connection.
            seconds: the longest that it may take, all tries together.

        Raises:
            TookTooLong: it takes longer.
            StorageError: as `run`.
        """
        async with self._looking:
            look = InterruptibleQuery(work, seconds=seconds, others_wait=lambda: not self._queue.empty())
            try:
                while True:
                    try:
                        return await self.submit(look)
                    except QueryYielded:
                        continue
            finally:
                look.give_up()

    async def encrypt(self, sealed: bool) -> None:
        """Encrypt all that was said and is said from now on, or write it in plain text again.

        Where that fails, all is as it was before; an answer that is being kept meanwhile is kept in any case.

        Raises:
            NotSupported: there is no keyring that could keep the key.
            StorageError: the key cannot be had, or the file cannot be read or written.
            DiskFull: there is no room.
        """
        await _done(self._hand_in(lambda: self._sealing.switch(self._connection or self._open(), sealed)))

    @property
    def cipher(self) -> Cipher | None:
        """What is said is sealed with this; `None`: it is kept in plain text. From any thread, and it may change.

        Raises:
            SidecarError: the history is not open yet, or its key cannot be had.
        """
        if self._connection is None:
            raise StorageError("The history is not open yet.")
        return self._connection.cipher

    def _hand_in(self, do: Callable[[], T]) -> asyncio.Future[T]:
        if self._closing is not None:
            raise RuntimeError("the history is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = do()
            except BaseException as error:  # noqa: BLE001 - carried over to the waiting task
                if damage := recovery.damage_in(error):
                    recovery.mark(self._path, damage)
                _tell(loop, future, None, _as_sidecar_error(error))
            else:
                _tell(loop, future, result, None)

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="history", daemon=True)
            self._thread.start()
        self._queue.put(job)
        return future

    async def notices(self) -> list[Notice]:
        """What the person should know of the file; waits for a look at it that is under way, at most LOOK_SECONDS."""
        if self._is_doubtful and self._closing is None:
            opened = self.submit(lambda _: None)
            opened.add_done_callback(lambda done: done.cancelled() or done.exception())  # told to who needs the file
            await asyncio.wait([opened], timeout=LOOK_SECONDS)
            if not opened.done():
                return [*self._notices, recovery.under_way()]
        return [*self._notices, *self._sealing.notices]

    async def close(self) -> None:
        """Finish what was handed in and close the file; nothing is taken any more. Safe to call twice."""
        if self._closing is None:
            loop, done = asyncio.get_running_loop(), asyncio.Event()
            self._closing = done
            loop.call_later(KEYRING_AT_THE_END_SECONDS, self._sealing.give_up)

            def job() -> None:
                try:
                    self._close()
                except sqlite3.Error as error:
                    logger.error("history: closing: %s", error)
                finally:
                    loop.call_soon_threadsafe(done.set)

            if self._thread is None:
                done.set()
            self._queue.put(job)
            self._queue.put(None)
        await self._closing.wait()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job()

    def _transact(self, work: Work[T]) -> T:
        connection = self._connection or self._open()
        try:
            self._sealing.settle(connection)
            connection.execute("BEGIN")
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> HistoryConnection:
        try:
            if self._is_doubtful:
                recovery.examine(self._path)
            connection = self._connect()
        except (recovery.Damaged, sqlite3.Error) as error:
            damage = str(error) if isinstance(error, recovery.Damaged) else recovery.damage_in(error)
            if damage is None:
                raise
            self._is_doubtful = True
            self._notices.append(recovery.recover(self._path, damage))
            connection = self._connect()
        self._is_doubtful = False
        self._connection = connection
        return connection

    def _connect(self) -> HistoryConnection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, factory=HistoryConnection
        )
        try:
            self._path.chmod(0o600)
            exclusive = wal.lock(connection)
            recovery.require_schema(connection)
            migrations.check_version(connection)  # before anything is written
            wal.set_up(connection, exclusive=exclusive)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -8192")  # 8 MiB
            migrations.migrate(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], result: T | None, error: BaseException | None
) -> None:
    if isinstance(error, StopIteration) or (error is not None and not isinstance(error, Exception)):
        # No future takes the first, so that its task would wait for ever; the others would end the loop or the task.
        error = RuntimeError(f"work raised {error!r}")

    def set_outcome() -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    try:
        loop.call_soon_threadsafe(set_outcome)
    except RuntimeError:  # the loop has ended; nobody waits any more
        return


async def _done(outcome: asyncio.Future[T]) -> T:
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        outcome.add_done_callback(_log_failure)
        raise


def _log_failure(outcome: asyncio.Future[T]) -> None:
    """Nobody waits for this work any more; that it failed must be known all the same."""
    if not outcome.cancelled() and (error := outcome.exception()) is not None:
        logger.error("history: work whose caller was cancelled failed: %s", error)


def _as_sidecar_error(error: BaseException) -> BaseException:
    if isinstance(error, OSError):
        return refusal(error, "The history was not changed")
    if damage := recovery.damage_in(error):
        return StorageError(
            f"The history file is damaged: {damage}.",
            hint="Start llama-sidecar again: what can be read is saved into a new history then, and this one is kept.",
        )
    if not isinstance(error, sqlite3.Error):
        return error
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return DiskFull("The disk is full; the history was not changed.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return PermissionDenied(f"The history file cannot be written: {error}.")
    if name.startswith("SQLITE_BUSY"):
        return StorageError("Another program has the history open.", hint="Close it and try again.")
    logger.error("history: %s (%s)", error, name or type(error).__name__)
    return StorageError(
        f"The history file could not be used: {error}.",
        hint="Look at the log of source 'sidecar'; keep a copy of history.db before you repair or remove it.",
    )
