"""One download without a hub: what was asked for is there already, or will be at this very moment."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from sidecar.contract.config import DownloadsConfig
from sidecar.jobs.job import Interruption
from sidecar.jobs.lane import Lane
from sidecar.jobs.store import JobStore
from sidecar.library.downloads import files
from sidecar.library.downloads.download import DownloadContext, DownloadJob
from sidecar.library.downloads.files import DownloadRecord, FileRecord
from sidecar.library.downloads.transfer import BandwidthLimit, TransferOptions
from sidecar.library.downloads.web import Web
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from tests.config_files import config_file
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio

NOWHERE = "http://127.0.0.1:9"
DATA = b"a model"


class Gate:
    """A place in a thread that a test waits for and lets it pass."""

    def __init__(self) -> None:
        self.reached = anyio.Event()
        self._open = threading.Event()

    def pass_through(self) -> None:
        anyio.from_thread.run_sync(self.reached.set)
        assert self._open.wait(WAIT_SECONDS)

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def gate() -> Gate:
    return Gate()


@pytest.fixture
def download(tmp_path: Path) -> DownloadJob:
    """A download of one file, which is in its place."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.gguf").write_bytes(DATA)
    file = FileRecord(url=f"{NOWHERE}/a.gguf", name="a.gguf", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
    record = DownloadRecord(
        job_id="0" * 16, created_at=0.0, root=str(tmp_path / "models"), request="a", url=file.url, files=[file]
    )
    tokens = TokenSource()
    config = config_file(downloads=DownloadsConfig(hub_endpoint=NOWHERE, allow_private_addresses=True))
    hub = Hub(config, tokens)
    options = TransferOptions(
        web=Web(config, hub, tokens), config=config, bandwidth=BandwidthLimit(), disk=anyio.CapacityLimiter(2)
    )
    context = DownloadContext(
        hub=hub, tokens=tokens, options=options, store=JobStore(tmp_path, DownloadRecord), feeds=[]
    )
    context.store.save(record)
    return DownloadJob(record, context)


@pytest.mark.parametrize("reason", ["pause", "cancel", "stop"])
async def test_nobody_waits_for_a_large_file_to_be_read_for_nothing(
    download: DownloadJob, gate: Gate, reason: Interruption, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    missing = files.DownloadPaths.missing

    class Slow:
        def update(self, data: bytes) -> None:
            gate.pass_through()

        def hexdigest(self) -> str:
            return hashlib.sha256(DATA).hexdigest()

    def watched(place: files.DownloadPaths) -> list[int]:
        try:
            return missing(place)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        finally:
            over.set()

    over = threading.Event()
    monkeypatch.setattr(files, "READ_BYTES", 1)
    monkeypatch.setattr(files, "hashlib", SimpleNamespace(sha256=Slow))
    monkeypatch.setattr(files.DownloadPaths, "missing", watched)
    try:
        with anyio.fail_after(WAIT_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(download.run, Lane(1))
                await gate.reached.wait()
                await download.interrupt(reason)
        assert download.job.state == ("cancelled" if reason == "cancel" else "paused")
    finally:
        gate.open()
    assert await anyio.to_thread.run_sync(over.wait, WAIT_SECONDS)
    assert ended == ["CancelledError"], "the thread reads no further"


@pytest.mark.parametrize("turns", range(6))
async def test_a_model_that_is_in_its_place_is_done_at_whatever_moment_somebody_wants_no_more_of_it(
    download: DownloadJob, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove, loop, interrupted = JobStore.remove, asyncio.get_running_loop(), anyio.Event()

    def last_step(store: JobStore[DownloadRecord], record: DownloadRecord) -> None:
        remove(store, record)
        loop.call_soon_threadsafe(cancel_after, turns)

    def cancel_after(turns: int) -> None:
        if turns:
            loop.call_soon(cancel_after, turns - 1)
        else:
            tasks.start_soon(download.interrupt, "cancel")
            interrupted.set()

    monkeypatch.setattr(JobStore, "remove", last_step)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(download.run, Lane(1))
            await interrupted.wait()
        info = await download.outcome()
    assert (info.state, info.model_path) == ("done", str(Path(download.record.root) / "a.gguf"))
    assert info.finished_at is not None
