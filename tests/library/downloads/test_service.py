"""The list of downloads: requests at the same moment, restarts, and subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.downloads import DownloadModelParams
from sidecar.contract.errors import Cancelled, DownloadFailed, SidecarError
from sidecar.contract.topics import DownloadStateEvent
from sidecar.events.event_log import EventLog
from sidecar.events.live_feed import LiveFeed
from sidecar.jobs.store import JobStore, OnRestart
from sidecar.library.downloads.download import DownloadJob
from sidecar.library.downloads.files import DownloadRecord
from sidecar.library.downloads.service import Downloads
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from tests.config_files import config_file

pytestmark = pytest.mark.anyio

ASKED = DownloadModelParams(repo="tests/one-GGUF")


@pytest.fixture
async def downloads(tmp_path: Path) -> AsyncIterator[Downloads]:
    """The downloads, none of which has its turn."""
    async with started(tmp_path) as downloads:
        yield downloads


@asynccontextmanager
async def started(tmp_path: Path) -> AsyncIterator[Downloads]:
    """Those of one sidecar."""
    tokens = TokenSource()
    config = config_file(downloads=DownloadsConfig(at_once=0, hub_endpoint="http://127.0.0.1:9"))
    downloads = Downloads(
        models=tmp_path / "models",
        records=tmp_path / "downloads",
        config=config,
        hub=Hub(config, tokens),
        tokens=tokens,
    )
    async with downloads.run():
        yield downloads


async def at_once(downloads: Downloads, count: int) -> list[DownloadJob | SidecarError]:
    """What several requests get that come at the same moment."""
    got: list[DownloadJob | SidecarError] = []

    async def ask() -> None:
        try:
            got.append(await downloads.add(ASKED))
        except SidecarError as problem:
            got.append(problem)

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(ask)
    return got


async def test_requests_for_one_model_at_the_same_moment_are_one_download(downloads: Downloads) -> None:
    first, *others = await at_once(downloads, 3)
    assert isinstance(first, DownloadJob)
    assert [other is first for other in others] == [True, True]
    assert [info.download_id for info in await downloads.listed()] == [first.id]


async def test_what_cannot_be_stored_is_refused_to_each_request(downloads: Downloads, tmp_path: Path) -> None:
    (tmp_path / "downloads").write_bytes(b"in the way")
    assert [isinstance(got, SidecarError) for got in await at_once(downloads, 2)] == [True, True]
    assert await downloads.listed() == []


async def test_a_download_that_is_cancelled_while_it_is_resumed_stays_cancelled(
    downloads: Downloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job] = await at_once(downloads, 1)
    assert isinstance(job, DownloadJob)
    await downloads.pause(job.id)
    store = DownloadJob.store

    async def and_meanwhile(stored: DownloadJob, on_restart: OnRestart) -> None:
        await store(stored, on_restart)
        await downloads.cancel(stored.id)

    monkeypatch.setattr(DownloadJob, "store", and_meanwhile)
    assert (await downloads.resume(job.id)).state == "cancelled"


async def states(downloads: Downloads) -> list[tuple[str, bool]]:
    return [(info.state, info.goes_on) for info in await downloads.listed()]


async def test_after_a_restart_only_what_it_has_interrupted_is_queued_again(tmp_path: Path) -> None:
    async with started(tmp_path) as first:
        for name in ("interrupted", "paused"):
            await first.add(DownloadModelParams(repo=f"tests/{name}"))
        await first.pause((await first.listed())[1].download_id)
        assert await states(first) == [("queued", False), ("paused", False)]
    assert await states(first) == [("paused", True), ("paused", False)]
    store = JobStore(tmp_path / "downloads", DownloadRecord)
    failed = DownloadFailed("no network").to_wire()
    store.save(DownloadRecord(root=str(tmp_path), request="failed", on_restart=OnRestart.FAIL, error=failed))
    async with started(tmp_path) as second:
        assert await states(second) == [("paused", True), ("paused", False), ("failed", False)]
        await second.resume_interrupted()
        assert await states(second) == [("queued", False), ("paused", False), ("failed", False)]
        for info in await second.listed():
            await second.cancel(info.download_id)
    assert store.load() == []


async def test_a_feed_shows_every_download_and_each_change_once(downloads: Downloads) -> None:
    def shown(feed: LiveFeed) -> list[str]:
        return [event.download.state for _, event in feed.read(0) if isinstance(event, DownloadStateEvent)]

    download, feed, late = await downloads.add(ASKED), LiveFeed(), LiveFeed()
    stop = downloads.show_in(feed)
    assert shown(feed) == ["queued"]
    await downloads.pause(download.id)
    downloads.show_in(late)
    assert (shown(feed), shown(late)) == (["paused"], ["paused"])
    await downloads.pause(download.id)
    assert shown(feed) == []
    stop()
    await downloads.resume(download.id)
    assert (shown(feed), shown(late)) == ([], ["queued"])


async def test_a_request_that_is_cancelled_pauses_its_download_unless_others_follow_it(downloads: Downloads) -> None:
    async def fetch(scope: anyio.CancelScope) -> None:
        with scope, pytest.raises(Cancelled):
            await downloads.fetch(ASKED, EventLog())

    first, second = anyio.CancelScope(), anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch, first)
        tasks.start_soon(fetch, second)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        assert [info.state for info in await downloads.listed()] == ["queued"]
        second.cancel()
    assert [info.state for info in await downloads.listed()] == ["paused"]
