"""Log lines reach a subscriber complete where they can, and counted where they can not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from sidecar.contract.logs import Level
from sidecar.contract.topics import LogsEvent
from sidecar.events.live_feed import LiveFeed
from sidecar.logs.store import LINES_IN_MEMORY, LogStore
from sidecar.subscriptions.live_logs import LINES_AT_A_TIME, LiveLogs
from tests.chat.scripted import BOUND_SECONDS

pytestmark = pytest.mark.anyio


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    store = LogStore(tmp_path, max_file_bytes=1_000_000, kept_files=1)
    yield store
    store.close()


def told(feed: LiveFeed) -> tuple[list[int], int]:
    """The numbers of the lines that were shown since the last time, and how many were left out."""
    events = [event for _, event in feed.read(0) if isinstance(event, LogsEvent)]
    return [entry.seq for event in events for entry in event.entries], sum(event.dropped for event in events)


@asynccontextmanager
async def shown(logs: LogStore, feed: LiveFeed, source: str | None, min_level: Level) -> AsyncIterator[LiveLogs]:
    """Lines that are shown meanwhile."""
    lines = LiveLogs(logs, feed, source, min_level)
    with anyio.fail_after(BOUND_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lines.run)
            await anyio.wait_all_tasks_blocked()
            yield lines
            tasks.cancel_scope.cancel()


async def test_a_burst_is_shown_a_part_at_a_time_until_all_of_it_was(logs: LogStore) -> None:
    feed, woken = LiveFeed(), asyncio.Event()
    feed.follow(woken.set)
    async with shown(logs, feed, None, "info"):
        logs.source("a").feed(b"x\n" * LINES_AT_A_TIME * 3)
        logs.source("b").feed(b"x\n")
        seen: list[int] = []
        while len(seen) < LINES_AT_A_TIME * 3 + 1:
            await woken.wait()
            woken.clear()
            more, dropped = told(feed)
            assert (0 < len(more) <= LINES_AT_A_TIME, dropped) == (True, 0)
            seen += more
    assert seen == list(range(1, LINES_AT_A_TIME * 3 + 2))


async def test_lines_that_are_gone_before_they_could_be_shown_are_counted(logs: LogStore) -> None:
    feed = LiveFeed()
    async with shown(logs, feed, None, "info") as lines:
        logs.source("a").feed(b"x\n" * (LINES_IN_MEMORY + 7))
        await anyio.lowlevel.checkpoint()
        assert told(feed) == (list(range(8, LINES_AT_A_TIME + 8)), 7)
        logs.source("a").feed(b"x\n" * LINES_IN_MEMORY)
        lines.flush()
        seen, dropped = told(feed)
        assert seen[0] == LINES_IN_MEMORY + 8
        assert dropped == LINES_IN_MEMORY - LINES_AT_A_TIME


async def test_whoever_leaves_has_had_what_there_was_of_the_source_and_level_asked_for(logs: LogStore) -> None:
    logs.source("a").feed(b"E before\n")
    feed = LiveFeed()
    async with shown(logs, feed, "a", "warning") as lines:
        logs.source("a").feed(b"E one\nI two\n")
        logs.source("b").feed(b"E three\n")
        logs.source("a").feed(b"W four\n")
        lines.flush()
        assert told(feed) == ([2, 5], 0)
    logs.source("a").feed(b"E late\n")
    assert told(feed) == ([], 0)
