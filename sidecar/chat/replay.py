"""Reading of turns' journals.

Owns which part of a file is valid: everything up to the first record out of sequence. Writes nothing.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import msgspec

from sidecar.contract.chat import TURN_EVENTS
from sidecar.contract.errors import SidecarError
from sidecar.events.event_log import Entry, EventLog, Text, TextStatus
from sidecar.host import file_io
from sidecar.storage.cipher import Cipher

logger = logging.getLogger(__name__)

_TEXT: tuple[TextStatus, ...] = ("token", "reasoning")

_AnyEvent: Any = Union[TURN_EVENTS]  # noqa: UP007 - made from a tuple


class JournaledTurn(msgspec.Struct, frozen=True):
    """A turn as read from its journal.

    Attributes:
        message_id: the answer's.
        events: as they were published; without the last one where the sidecar was killed before.
    """

    message_id: str
    events: EventLog

    def text(self, status: str) -> str:
        """All text of the events with a status."""
        entries = [entry for _, entry in self.events.peek(0)]
        return "".join(entry.text for entry in entries if isinstance(entry, Text) and entry.status == status)


def read(path: Path, cipher: Cipher | None) -> JournaledTurn | None:
    """The turn in a file; `None` where there is no file, or nothing usable. Blocks."""
    try:
        lines = file_io.read_bytes(path).split(b"\n")[:-1]  # behind the last LF: a partial record
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("%s cannot be read: %s", path.name, error.strerror)
        return None
    return _restored(_records(path, lines, cipher))


def is_plain(path: Path) -> bool:
    """Whether a journal is not encrypted. Its first record is a JSON object then, and base64 has no brace."""
    try:
        return file_io.read_bytes(path, 1) == b"{"
    except OSError:
        return True


def about(path: Path, message_id: str, number: int) -> str:
    """The associated data of an encrypted record, so that none can replace another. The first one has the id of
    the message."""
    return f"turn {path.stem} {message_id if number else ''} {number}"


def _records(path: Path, lines: list[bytes], cipher: Cipher | None) -> Iterator[dict[str, Any]]:
    """The records up to the first invalid one."""
    message_id = ""
    for number, line in enumerate(lines):
        try:
            if cipher is not None:
                line = cipher.decrypt(base64.b64decode(line), about(path, message_id, number))
            record = json.loads(line)
        except (ValueError, RecursionError, SidecarError):
            return
        if not isinstance(record, dict):
            return
        message_id = message_id or str(record.get("message_id", ""))
        yield record


def _restored(records: Iterator[dict[str, Any]]) -> JournaledTurn | None:
    """The turn of these records, up to the first one out of sequence."""
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
    return JournaledTurn(message_id, EventLog.restored(list(entries.values()), after_seq=first - 1))


def _take_in(entries: dict[int, Entry], seq: int, record: dict[str, Any]) -> bool:
    """Add a record to the events of a turn; False where it cannot be used."""
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
