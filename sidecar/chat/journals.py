"""The journals of the sessions that were used last, so that a host that comes back misses nothing.

Owns which files there are, one a session for its running or last turn, and how they are read. What is written into
them is `journal`'s business. A file is believed up to the first record that does not follow.
"""

from __future__ import annotations

import base64
import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Union
from weakref import WeakSet

import anyio
import anyio.to_thread
import msgspec

from sidecar.chat.journal import Journal, about
from sidecar.contract.chat import TURN_EVENTS
from sidecar.contract.errors import SidecarError
from sidecar.events.event_log import Entry, EventLog, Text, TextStatus
from sidecar.storage.cipher import Cipher

logger = logging.getLogger(__name__)

KEPT_JOURNALS = 64
"""Sessions whose last turn can be resumed event by event, or more where more turns run at once: some 100 KB each for a
long answer. What was said in older ones comes from the history, whole."""

SUFFIX = ".jsonl"

_TEXT: tuple[TextStatus, ...] = ("token", "reasoning")

_AnyEvent: Any = Union[TURN_EVENTS]  # noqa: UP007 - made from a tuple


class Kept(msgspec.Struct, frozen=True):
    """What a journal tells of a turn.

    Attributes:
        message_id: the answer's.
        events: as they were told; without the last one where the sidecar was killed before.
    """

    message_id: str
    events: EventLog

    def text(self, status: str) -> str:
        """All text of a kind."""
        entries = [entry for _, entry in self.events.peek(0)]
        return "".join(entry.text for entry in entries if isinstance(entry, Text) and entry.status == status)


class Journals:
    """The journals of the sessions that were used last.

    Args:
        folder: where they are.
        cipher: how records are sealed, once the history is open; `None` where they are not.
    """

    def __init__(self, folder: Path, cipher: Callable[[], Cipher | None] = lambda: None) -> None:
        self._folder = folder
        self._cipher = cipher
        self._used: OrderedDict[Path, str | None] | None = None
        self._written: WeakSet[Journal] = WeakSet()
        self._acknowledging = anyio.Lock()  # so that none reads what another has written in part

    def begin(self, session_id: str, message_id: str, events: EventLog) -> Journal:
        """Begin to write a session's newest turn, in the place of its last one."""
        path = self._path(session_id)
        used = self._by_use()
        used[path] = message_id
        used.move_to_end(path)
        journal = Journal(path, message_id, events, self._cipher)
        self._written.add(journal)
        running = {journal.path for journal in self._written if journal.is_open}  # what they tell is nowhere else yet
        ended = [path for path in used if path not in running]
        for path in ended[: max(len(used) - KEPT_JOURNALS, 0)]:
            del used[path]
            self._remove(path)
        return journal

    def read(self, session_id: str) -> Kept | None:
        """What is kept of a session's last turn; `None` where nothing is, or nothing that can be used. Blocks."""
        path = self._path(session_id)
        try:
            lines = path.read_bytes().split(b"\n")[:-1]  # behind the last LF: half a record
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("%s can not be read: %s", path.name, error.strerror)
            return None
        return _restored(self._opened(path, lines))

    def said(self, session_id: str, message_id: str) -> tuple[str, str | None]:
        """Content and reasoning of an answer that broke off, as far as they are known. Blocks."""
        kept = self.read(session_id)
        if kept is None or kept.message_id != message_id:
            return "", None
        return kept.text("token"), kept.text("reasoning") or None

    async def acknowledge(self, session_id: str, seq: int | None) -> int:
        """Let go of the events of a turn that has ended, but for its last one; returns how many are kept: none where
        meanwhile another turn has begun, or the session was deleted."""
        path, used = self._path(session_id), self._by_use()
        async with self._acknowledging:
            answer = used.get(path)
            kept = await anyio.to_thread.run_sync(self.read, session_id)
            if kept is None or path not in used or used[path] != answer:  # what was read need not be there any more
                return 0
            kept.events.forget(seq)
            Journal(path, kept.message_id, kept.events, self._cipher).close()
        return kept.events.kept

    def forget(self, session_id: str) -> None:
        """Remove what is kept of a session's last turn."""
        path = self._path(session_id)
        self._by_use().pop(path, None)
        self._remove(path)

    def follow_history(self) -> None:
        """Leave no journal in plain text where the history is encrypted. Those of turns that run begin anew; the others
        are removed, since what they tell is in the history. Blocks.

        Raises:
            SidecarError: whether it is encrypted can not be said.
        """
        if self._cipher() is None:
            return
        for journal in self._written:
            journal.flush()
        for path in list(self._by_use()):
            if _is_plain(path):
                self._by_use().pop(path)
                self._remove(path)

    def _opened(self, path: Path, lines: list[bytes]) -> Iterator[dict[str, Any]]:
        """The records up to the first that can not be used."""
        cipher, message_id = self._cipher(), ""
        for number, line in enumerate(lines):
            try:
                if cipher is not None:
                    line = cipher.open(base64.b64decode(line), about(path, message_id, number))
                record = json.loads(line)
            except (ValueError, RecursionError, SidecarError):
                return
            if not isinstance(record, dict):
                return
            message_id = message_id or str(record.get("message_id", ""))
            yield record

    def _path(self, session_id: str) -> Path:
        # Hosts may write an id either way, and some file systems do not tell them apart.
        return self._folder / f"{session_id.lower()}{SUFFIX}"

    def _by_use(self) -> OrderedDict[Path, str | None]:
        """The files, and the answers that turns of this process write there."""
        if self._used is None:
            found = [(path.stat().st_mtime, path) for path in self._folder.glob(f"*{SUFFIX}")]
            self._used = OrderedDict.fromkeys(path for _, path in sorted(found))
        return self._used

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s can not be removed: %s", path.name, error.strerror)


def _is_plain(path: Path) -> bool:
    """Whether a journal is not sealed. Its first record is a JSON object then, and base64 has no brace."""
    try:
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return True


def _restored(records: Iterator[dict[str, Any]]) -> Kept | None:
    """The turn that records tell of, up to the first that does not follow."""
    message_id = next(records, {}).get("message_id")
    if not isinstance(message_id, str):
        return None
    entries: dict[int, Entry] = {}
    last: int | None = None
    for record in records:
        seq = record.get("seq")
        if not isinstance(seq, int) or (last is not None and seq not in (last, last + 1)):
            break
        if not _take_in(entries, seq, record):
            break
        last = seq
    first = next(iter(entries), 1)
    return Kept(message_id, EventLog.restored(list(entries.values()), after_seq=first - 1))


def _take_in(entries: dict[int, Entry], seq: int, record: dict[str, Any]) -> bool:
    """Add a record to the events of a turn; False where it can not be used."""
    for status in _TEXT:
        if isinstance(text := record.get(status), str):
            if isinstance(known := entries.get(seq), Text) and known.status == status:
                known.add(text)
            else:
                entries[seq] = Text(status, text)
            return True
    try:
        entries[seq] = msgspec.convert(record.get("event"), _AnyEvent)
    except msgspec.ValidationError:
        return False
    return True
