"""Whether the clock can be trusted to delete something permanently.

Owns the record of when the sidecar was last started, and the judgement. A clock that is ten years ahead for one evening
must not purge what was deleted the day before: after a jump nothing is purged until the sidecar has been used on some
days of the new time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from sidecar.host import file_io
from sidecar.storage.atomic_files import write_atomically

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0

JUMP_SECONDS = 30 * DAY_SECONDS
"""The longest time between two starts after which the clock is believed immediately: most holidays are shorter."""

DAYS_OF_USE = 7
"""Days with a start after a jump until the clock is believed: a wrong one is corrected sooner."""

MAX_RECORD_BYTES = 4096


class LastStart(msgspec.Struct, frozen=True):
    """The record.

    Attributes:
        at: when the sidecar was last started, Unix seconds; while in doubt, the start that counted last.
        doubtful_days: days with a start that are still needed.
    """

    at: float
    doubtful_days: int = 0


class PurgeClock:
    """The judgement of this run, made once.

    Args:
        path: the record.
        clock: the time, in Unix seconds.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._trusted: bool | None = None

    def may_purge(self, newest: float | None) -> bool:
        """Whether what is due by the clock may be purged. Blocks on the disk.

        Args:
            newest: the newest time among what is stored, which counts where there is no record yet.
        """
        with self._lock:
            if self._trusted is None:
                known = self._read() or (None if newest is None else LastStart(newest))
                last, self._trusted = judge(known, self._clock())
                if last is not known:
                    self._write(last)
                if not self._trusted:
                    logger.warning("the clock has jumped; what was deleted is kept until it has been right for a week")
            return self._trusted

    def _read(self) -> LastStart | None:
        try:
            return msgspec.json.decode(file_io.read_bytes(self._path, MAX_RECORD_BYTES), type=LastStart)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _write(self, last: LastStart) -> None:
        try:
            write_atomically(self._path, msgspec.json.encode(last))
        except OSError as error:
            logger.warning("the time of this start cannot be recorded: %s", error.strerror)


def judge(known: LastStart | None, now: float) -> tuple[LastStart, bool]:
    """The record after a start at a time, and whether that time is to be trusted. Pure."""
    if known is None:
        return LastStart(now), True
    gap = now - known.at
    if gap > JUMP_SECONDS:
        return LastStart(now, DAYS_OF_USE), False
    if 0 <= gap < DAY_SECONDS:
        return known, not known.doubtful_days
    left = max(0, known.doubtful_days - (gap > 0))
    return LastStart(now, left), not left
