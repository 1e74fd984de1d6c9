"""Some seconds of many conversations at once: the short form of `soak`."""

from __future__ import annotations

from pathlib import Path

import anyio

from tests.trust.soak import LATE_FILES, soak

SECONDS = 2.0
VOICES = 24
RATE = 400.0

IDLE_THREADS = 6
"""Worker threads that wait some seconds for work before they end; a leak is one for each of hundreds of acts."""


def test_many_conversations_at_once_leave_nothing_open_and_lose_no_answer(tmp_path: Path) -> None:
    async def some_seconds() -> None:
        found = await soak(
            tmp_path, SECONDS, voices=VOICES, rate=RATE, crash_seconds=0.7, settle_seconds=0.5, long_answers=8
        )
        assert found.faults == []
        assert found.owed == 0
        assert found.acts["talk"] > VOICES / 2
        assert (found.crashes >= 2, found.outcomes["ENGINE_CRASHED"] >= 2) == (True, True)
        assert "INTERNAL_ERROR" not in found.outcomes
        warm, last = found.at_rest
        assert last.files <= warm.files + LATE_FILES
        assert last.threads <= warm.threads + IDLE_THREADS
        assert (found.exit_code, found.left) == (0, 0)

    anyio.run(some_seconds)
