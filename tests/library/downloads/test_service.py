"""The list of downloads: what is asked for at the same moment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.downloads import DownloadModelParams
from sidecar.contract.errors import SidecarError
from sidecar.jobs.store import OnRestart
from sidecar.library.downloads.download import DownloadJob
from sidecar.library.downloads.service import Downloads
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from tests.config_files import config_file

pytestmark = pytest.mark.anyio

ASKED = DownloadModelParams(repo="tests/one-GGUF")


@pytest.fixture
async def downloads(tmp_path: Path) -> AsyncIterator[Downloads]:
    """The downloads, none of which has its turn."""
    tokens = TokenSource(lambda: None)
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
