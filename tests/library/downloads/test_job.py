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
from yarl import URL

from sidecar.contract.config import DownloadsConfig
from sidecar.library.downloads import paths
from sidecar.library.downloads.addresses import Origin, Rules
from sidecar.library.downloads.job import DownloadContext, Job, Wish
from sidecar.library.downloads.progress import Throttle
from sidecar.library.downloads.record import DownloadRecord, FileRecord, Records
from sidecar.library.downloads.transfer import TransferOptions
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
def job(tmp_path: Path) -> Job:
    """A download of one file, which is in its place."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.gguf").write_bytes(DATA)
    file = FileRecord(url=f"{NOWHERE}/a.gguf", name="a.gguf", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
    record = DownloadRecord(
        download_id="0" * 16, created_at=0.0, root=str(tmp_path / "models"), asked="a", url=file.url, files=[file]
    )
    terms = TransferOptions(
        web=Web(lambda: Rules(Origin.of(URL(NOWHERE)), True), lambda: None),
        throttle=Throttle(),
        disk=anyio.CapacityLimiter(2),
        connections=lambda: 1,
        max_bytes_per_second=lambda: None,
        retry_seconds=lambda: 0.0,
    )
    shop = DownloadContext(
        hub=Hub(config_file(downloads=DownloadsConfig(hub_endpoint=NOWHERE)), TokenSource(lambda: None)),
        terms=terms,
        records=Records(tmp_path),
    )
    shop.records.keep(record)
    return Job(record, shop, lambda _: None)


@pytest.mark.parametrize("wish", ["pause", "cancel", "stop"])
async def test_nobody_waits_for_a_large_file_to_be_read_for_nothing(
    job: Job, gate: Gate, wish: Wish, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    missing = paths.DownloadPaths.missing

    class Slow:
        def update(self, data: bytes) -> None:
            gate.pass_through()

        def hexdigest(self) -> str:
            return hashlib.sha256(DATA).hexdigest()

    def watched(place: paths.DownloadPaths) -> list[int]:
        try:
            return missing(place)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        finally:
            over.set()

    over = threading.Event()
    monkeypatch.setattr(paths, "READ_BYTES", 1)
    monkeypatch.setattr(paths, "hashlib", SimpleNamespace(sha256=Slow))
    monkeypatch.setattr(paths.DownloadPaths, "missing", watched)
    try:
        with anyio.fail_after(WAIT_SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(job.run)
                await gate.reached.wait()
                await job.interrupt(wish)
        assert job.state == ("cancelled" if wish == "cancel" else "paused")
    finally:
        gate.open()
    assert await anyio.to_thread.run_sync(over.wait, WAIT_SECONDS)
    assert ended == ["CancelledError"], "the thread reads no further"


@pytest.mark.parametrize("turns", range(6))
async def test_a_model_that_is_in_its_place_is_done_at_whatever_moment_somebody_wants_no_more_of_it(
    job: Job, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget, loop, wanted_no_more = Records.forget, asyncio.get_running_loop(), anyio.Event()

    def last_step(records: Records, record: DownloadRecord) -> None:
        forget(records, record)
        loop.call_soon_threadsafe(cancel_after, turns)

    def cancel_after(turns: int) -> None:
        if turns:
            loop.call_soon(cancel_after, turns - 1)
        else:
            tasks.start_soon(job.interrupt, "cancel")
            wanted_no_more.set()

    monkeypatch.setattr(Records, "forget", last_step)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(job.run)
            await wanted_no_more.wait()
        info = await job.outcome()
    assert (job.state, info.model_path) == ("done", str(Path(job.record.root) / "a.gguf"))
    assert info.finished_at is not None
