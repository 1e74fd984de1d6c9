"""The events of turns, written to disk before hosts receive them.

Owns the files, one per session for its running or last turn, and writes each event to its file before it is published:
so a turn is resumed under the same numbers after the sidecar was killed. Nothing is synced here: what has to survive a
power cut is in the history. Knows nothing of engines or of what a turn does; how a file is read is `replay`'s.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections import OrderedDict
from pathlib import Path
from weakref import WeakSet

import anyio
import anyio.to_thread
import msgspec

from sidecar.chat import replay
from sidecar.chat.replay import JournaledTurn, about
from sidecar.events.event_log import Entry, EventLog, Text
from sidecar.host import file_io
from sidecar.storage.cipher import Cipher

logger = logging.getLogger(__name__)

KEPT_JOURNALS = 64
"""Sessions whose last turn can be resumed event by event, or more if more turns run concurrently: some 100 KB each for
a long answer. For older sessions the history has the whole answer."""

SUFFIX = ".jsonl"

_quoted = json.encoder.encode_basestring_ascii
"""A text as JSON that escapes everything: no character can break a line or be refused. One per token."""


class Journal:
    """The file of one turn: append-only JSON lines, each of them encrypted if the history is.

    Events are published through it: each is first written and then added to the log. That is one write for each event;
    tokens that arrive together are one event.

    Args:
        path: the file.
        message_id: the answer's.
        events: the turn's log; what is in it already is written first.
        cipher: encrypts records; `None` for plain text.
    """

    def __init__(self, path: Path, message_id: str, events: EventLog, cipher: Cipher | None) -> None:
        self.path = path
        self._message_id = message_id
        self._events = events
        self._cipher = cipher
        self._records = 0
        self._fd: int | None = None
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._fd = file_io.open_file(path, flags)
        except OSError as error:
            self._give_up(error)
        self._write_all()

    @property
    def is_open(self) -> bool:
        """Whether it is being written: the turn is not over, and no write failed."""
        return self._fd is not None

    def publish(self, *entries: Entry) -> None:
        """Write events, and then add them to the turn's log, one by one."""
        for entry in entries:
            self._write(_record(self._events.next_seq(entry), entry))
            if isinstance(entry, Text):
                self._events.append_text(entry.status, entry.text)
            else:
                self._events.append(entry)

    def use_cipher(self, cipher: Cipher | None) -> None:
        """Write everything again with this cipher, and use it for later records."""
        self._cipher = cipher
        if self._fd is not None:
            try:
                os.ftruncate(self._fd, 0)
            except OSError as error:
                self._give_up(error)
            self._records = 0
            self._write_all()

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write_all(self) -> None:
        """Write the first record, and those of all events that there are."""
        records = [json.dumps({"message_id": self._message_id}) + "\n"]
        records += [_record(seq, entry) for seq, entry in self._events.peek(0)]
        self._write(*records)

    def _write(self, *records: str) -> None:
        if self._fd is None:
            return
        if self._cipher is None:
            data = "".join(records).encode()
        else:
            data = b"".join(self._sealed(self._cipher, record) for record in records)
        try:
            os.write(self._fd, data)
        except OSError as error:
            self._give_up(error)

    def _sealed(self, cipher: Cipher, record: str) -> bytes:
        sealed = cipher.encrypt(record.encode(), about(self.path, self._message_id, self._records))
        self._records += 1
        return base64.b64encode(sealed) + b"\n"

    def _give_up(self, error: OSError) -> None:
        """Continue without a journal: the answer matters more than its replay."""
        logger.warning("a turn cannot be resumed after a restart, its journal is not written: %s", error.strerror)
        self.close()
        self.path.unlink(missing_ok=True)


class Journals:
    """The journals of the last used sessions, so that a host that reconnects misses nothing.

    Records are in plain text until `use_cipher`.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cipher: Cipher | None = None
        self._used: OrderedDict[Path, str | None] | None = None
        self._begun: WeakSet[Journal] = WeakSet()
        self._acknowledging = anyio.Lock()  # so that no thread reads what another has partly written

    def begin(self, session_id: str, message_id: str, events: EventLog) -> Journal:
        """Begin to write a session's newest turn, replacing its last one."""
        path = self._path(session_id)
        used = self._by_use()
        used[path] = message_id
        used.move_to_end(path)
        journal = Journal(path, message_id, events, self._cipher)
        self._begun.add(journal)
        # Those of running turns stay: the history has less of their partial answers.
        running = {journal.path for journal in self._begun if journal.is_open}
        ended = [path for path in used if path not in running]
        for path in ended[: max(len(used) - KEPT_JOURNALS, 0)]:
            del used[path]
            self._remove(path)
        return journal

    def read(self, session_id: str) -> JournaledTurn | None:
        """What is kept of a session's last turn; `None` where nothing usable is. Blocks."""
        return replay.read(self._path(session_id), self._cipher)

    def partial_answer(self, session_id: str, message_id: str, cipher: Cipher | None) -> tuple[str, str | None]:
        """Content and reasoning of an interrupted answer, as far as they are known. Blocks; thread-safe."""
        kept = replay.read(self._path(session_id), cipher)
        if kept is None or kept.message_id != message_id:
            return "", None
        return kept.text("token"), kept.text("reasoning") or None

    async def acknowledge(self, session_id: str, seq: int | None) -> int:
        """Drop the events of a turn that has ended, except its last one; returns how many are kept: none if another
        turn has begun meanwhile, or the session was deleted."""
        path, used = self._path(session_id), self._by_use()
        async with self._acknowledging:
            answer = used.get(path)
            kept = await anyio.to_thread.run_sync(self.read, session_id)
            if kept is None or path not in used or used[path] != answer:  # the file may have changed since it was read
                return 0
            kept.events.forget(seq)
            Journal(path, kept.message_id, kept.events, self._cipher).close()
        return kept.events.kept

    def forget(self, session_id: str) -> None:
        """Remove what is kept of a session's last turn."""
        path = self._path(session_id)
        self._by_use().pop(path, None)
        self._remove(path)

    def use_cipher(self, cipher: Cipher | None) -> None:
        """Encrypt records with this cipher, or write them in plain text if it is `None`. Blocks.

        With a cipher, no journal in plain text stays: those of running turns are written again, and the others are
        removed, since the history has their answers.
        """
        if cipher is None and self._cipher is None:
            return
        self._cipher = cipher
        for journal in self._begun:
            journal.use_cipher(cipher)
        if cipher is not None:
            for path in list(self._by_use()):
                if replay.is_plain(path):
                    self._by_use().pop(path)
                    self._remove(path)

    def _path(self, session_id: str) -> Path:
        # Hosts may write an id in either case, and on some file systems these are one name.
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
            logger.warning("%s cannot be removed: %s", path.name, error.strerror)


def _record(seq: int, entry: Entry) -> str:
    if isinstance(entry, Text):
        return f'{{"seq":{seq},"{entry.status}":{_quoted(entry.text)}}}\n'
    return json.dumps({"seq": seq, "event": msgspec.to_builtins(entry)}) + "\n"
