"""The history database: one file, one connection, one thread; and the key-value store in it.

Owns how work reaches the connection. Knows no table but `facts`: `migrations` has the schema, `connection` makes
commits durable, `integrity` and `salvage` deal with a damaged file.

One connection for everything, locked against all others. Work runs on one thread in the order of its submission, so the
event loop never waits for the disk; a long search yields to other work (`interruptible_query`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio

from sidecar.contract.errors import StorageError
from sidecar.contract.life import Notice
from sidecar.storage import integrity
from sidecar.storage.cipher import Cipher
from sidecar.storage.config import ConfigFile
from sidecar.storage.connection import HistoryConnection, as_sidecar_error, connect
from sidecar.storage.encryption import Encryption
from sidecar.storage.interruptible_query import InterruptibleQuery, QueryYielded
from sidecar.storage.salvage import recovery

logger = logging.getLogger(__name__)

T = TypeVar("T")

NOTICES_SECONDS = 2.0
"""How long a host's first request waits for the integrity check of a history that was not closed (at most
`integrity.EXAMINE_SECONDS`), or for its salvage, which has no bound."""

KEYRING_AT_THE_END_SECONDS = 1.0
"""How long work that was submitted just before shutdown waits for the keyring; the whole shutdown has 4.8 s (`app`)."""

Work = Callable[[sqlite3.Connection], T]
"""A function of the connection; its changes are committed together, or not at all if it raises."""


class Database:
    """The history file, opened by the first piece of work.

    Args:
        path: the file.
        config: whether text is to be encrypted, read when the file is opened. Without a config the file stays as it is.
    """

    def __init__(self, path: Path, config: ConfigFile | None = None) -> None:
        self._path = path
        self._is_suspect = integrity.is_suspect(path)
        self._notices: list[Notice] = []
        self._encryption = Encryption(path, config)
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: HistoryConnection | None = None
        self._identity: tuple[int, int] | None = None
        self._closing: asyncio.Event | None = None
        self._reading = anyio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether the file is open and its text can be read and written."""
        return self._connection is not None and self._connection.refusal is None

    async def run(self, work: Work[T]) -> T:
        """Run a piece of work in a transaction and wait for it.

        Submitted work is done even if the waiting task is cancelled, so that no message is lost on its way to the
        disk.

        Raises:
            StorageError: the file cannot be opened, read or written.
            DiskFull: the disk is full.
        """
        return await _done(self.submit(work))

    def submit(self, work: Work[T]) -> asyncio.Future[T]:
        """Submit a piece of work; the future has its outcome, as `run` would."""
        return self._submit(lambda: self._transact(work))

    async def read(self, work: Work[T], *, seconds: float) -> T:
        """Run a query that may take long. All other work goes first, and one such query runs at a time.

        A query that yields to other work starts again. It ends as soon as the waiting task is cancelled.

        Args:
            work: what is done with the connection.
            seconds: the timeout of all tries together.

        Raises:
            QueryTimeout: the query takes longer.
            StorageError: as `run`.
        """
        async with self._reading:
            query = InterruptibleQuery(work, seconds=seconds, waiting=self._queue)
            try:
                while True:
                    try:
                        return await self.submit(query)
                    except QueryYielded:
                        continue
            finally:
                query.cancel()

    async def encrypt(self, encrypt: bool) -> None:
        """Encrypt all text, present and future, or convert it to plain text again.

        On failure the file stays as it was. An answer that is being stored meanwhile is stored in any case.

        Raises:
            NotSupported: there is no keyring for the key.
            StorageError: the key is not available, or the file cannot be read or written.
            DiskFull: the disk is full.
        """
        await _done(self._submit(lambda: self._encryption.switch(self._connection or self._open(), encrypt)))

    @property
    def cipher(self) -> Cipher | None:
        """What text is encrypted with; `None` for plain text. From any thread; it may change at any time.

        Raises:
            SidecarError: the history is not open yet, or its key is not available.
        """
        if self._connection is None:
            raise StorageError("The history is not open yet.")
        return self._connection.cipher

    def _submit(self, do: Callable[[], T]) -> asyncio.Future[T]:
        if self._closing is not None:
            raise RuntimeError("the history is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                result = do()
            except BaseException as error:  # noqa: BLE001 - carried over to the waiting task
                if damage := integrity.damage_in(error):
                    integrity.mark(self._path, damage)
                _deliver(loop, future, None, as_sidecar_error(error))
            else:
                _deliver(loop, future, result, None)

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="history", daemon=True)
            self._thread.start()
        self._queue.put(job)
        return future

    async def notices(self) -> list[Notice]:
        """What the person should know about the file; waits for its integrity check, at most NOTICES_SECONDS."""
        if self._is_suspect and self._closing is None:
            opened = self.submit(lambda _: None)
            opened.add_done_callback(lambda done: done.cancelled() or done.exception())  # the next work raises it
            await asyncio.wait([opened], timeout=NOTICES_SECONDS)
            if not opened.done():
                return [*self._notices, recovery.under_way()]
        return [*self._notices, *self._encryption.notices]

    async def close(self) -> None:
        """Finish the submitted work and close the file; further work is refused. Safe to call twice."""
        if self._closing is None:
            loop, done = asyncio.get_running_loop(), asyncio.Event()
            self._closing = done
            loop.call_later(KEYRING_AT_THE_END_SECONDS, self._encryption.cancel)

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
        self._require_file()
        try:
            if connection.refusal is not None:
                self._encryption.settle(connection)
            connection.execute("BEGIN")
            result = work(connection)
            connection.execute("COMMIT")
            self._require_file()
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return result

    def _require_file(self) -> None:
        """Check that the open file is still the one at its path: what is committed to a deleted one is lost.

        Raises:
            StorageError: it was deleted, moved away or replaced.
        """
        try:
            found = self._path.stat()
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._identity:
            raise StorageError(
                "The history file was deleted or moved while it was open; nothing more can be kept in it.",
                hint="Put the data folder back, or start llama-sidecar again with a new history.",
            )

    def _open(self) -> HistoryConnection:
        try:
            if self._is_suspect:
                integrity.examine(self._path)
            connection = connect(self._path)
        except (integrity.Damaged, sqlite3.Error) as error:
            if (damage := integrity.damage_in(error)) is None:
                raise
            self._is_suspect = True
            self._notices.append(recovery.recover(self._path, damage))
            connection = connect(self._path)
        self._is_suspect = False
        self._connection = connection
        found = self._path.stat()
        self._identity = found.st_dev, found.st_ino
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class KeyValueStore:
    """Small values kept between runs, by name: the table `facts`, except `encryption`, which `reencrypt` owns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> Any:
        """The value of a name; `None` where it is missing or unreadable. Raises as `Database.run`."""
        row = await self._database.run(
            lambda db: db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        )
        try:
            return json.loads(row[0]) if row else None
        except (ValueError, RecursionError):
            logger.warning("the value kept as %s cannot be read and is ignored", name)
            return None

    async def set(self, name: str, value: Any) -> None:
        """Store a value that `json` can write. Raises as `Database.run`."""
        text = json.dumps(value)  # not orjson, which refuses a path that is not UTF-8
        await self._database.run(
            lambda db: db.execute(
                "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, text)
            )
        )


def _deliver(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[T], result: T | None, error: BaseException | None
) -> None:
    if isinstance(error, StopIteration) or (error is not None and not isinstance(error, Exception)):
        # A future refuses StopIteration, so its task would wait forever; the others would end the loop or the task.
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
    except RuntimeError:  # the loop has ended, and with it every waiting task
        return


async def _done(outcome: asyncio.Future[T]) -> T:
    try:
        return await asyncio.shield(outcome)
    except asyncio.CancelledError:
        outcome.add_done_callback(_log_failure)
        raise


def _log_failure(outcome: asyncio.Future[T]) -> None:
    """Log the failure of work whose caller no longer waits, so that it is not lost."""
    if not outcome.cancelled() and (error := outcome.exception()) is not None:
        logger.error("history: work whose caller was cancelled failed: %s", error)
