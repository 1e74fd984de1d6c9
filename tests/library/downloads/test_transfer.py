"""One file over a network of every kind: it comes whole and right, or it is said why not."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from sidecar.contract.errors import (
    AddressNotAllowed,
    ChecksumMismatch,
    DownloadFailed,
    HubAccessDenied,
    ModelInvalid,
    ModelNotFound,
    SidecarError,
)
from sidecar.library.downloads.answers import Changed, Source
from sidecar.library.downloads.blocks import BLOCK_BYTES
from sidecar.library.downloads.partial import PartialFile
from sidecar.library.downloads.transfer import BandwidthLimit
from sidecar.library.downloads.web import BUFFER_BYTES
from tests.hub_server import SEND_BUFFER_BYTES, HubFile, HubServer, large_model
from tests.library.downloads.fetching import NAME, Fetcher, fetching

pytestmark = [pytest.mark.anyio]

SIZE = 2 * BLOCK_BYTES + 12_345
DATA = large_model(SIZE)
SHA256 = hashlib.sha256(DATA).hexdigest()
ON_ITS_WAY = 2 * BUFFER_BYTES + SEND_BUFFER_BYTES
"""Of a connection that breaks: it is fetched again."""

LARGE = large_model(20_000_000, 2)


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def hub(server: HubServer) -> HubServer:
    server.requests.clear()
    server.forget_sent()
    server.rate = None
    return server


@pytest.fixture
async def fetcher(hub: HubServer, tmp_path: Path) -> AsyncIterator[Fetcher]:
    async with fetching(hub, tmp_path, DATA) as fetcher:
        yield fetcher


async def sent(fetcher: Fetcher) -> int:
    """Bytes of the file that were sent, without those that its size was asked with."""
    probes = [one for one in fetcher.hub.asked(NAME) if one.headers.get("range") == "bytes=0-0"]
    served = [one for one in probes if "/resolve/" not in one.path]
    await anyio.to_thread.run_sync(fetcher.hub.settled)
    return fetcher.hub.sent[NAME] - len(served)


# --- what goes well ----------------------------------------------------------------------------------------------


async def test_a_large_file_comes_in_several_parts_and_each_byte_once(hub: HubServer, tmp_path: Path) -> None:
    async with fetching(hub, tmp_path, LARGE) as fetcher:
        assert await fetcher.fetch(sha256=fetcher.file.sha256) == hashlib.sha256(LARGE).hexdigest()
        assert fetcher.read() == LARGE
        assert fetcher.requests == 3
        assert await sent(fetcher) == len(LARGE)


async def test_a_server_that_knows_no_parts_gives_the_whole(fetcher: Fetcher) -> None:
    fetcher.file.faults.ranges = False
    assert await fetcher.fetch() == SHA256
    assert fetcher.read() == DATA


async def test_a_server_that_does_not_tell_the_size_gives_the_whole(fetcher: Fetcher) -> None:
    fetcher.file.faults.ranges = fetcher.file.faults.length = False
    assert await fetcher.fetch(fetcher.elsewhere, known=False) == SHA256
    assert fetcher.read() == DATA


async def test_a_bound_on_the_speed_is_kept(fetcher: Fetcher) -> None:
    fetcher.rate = SIZE * 2
    began = anyio.current_time()
    assert await fetcher.fetch() == SHA256
    assert anyio.current_time() - began >= 0.4


# --- connections that end ----------------------------------------------------------------------------------------


@pytest.mark.case(36)
@pytest.mark.parametrize("fault", ["resets", "cuts"])
async def test_a_connection_that_breaks_is_followed_by_another_that_goes_on(fetcher: Fetcher, fault: str) -> None:
    getattr(fetcher.file.faults, fault).extend([300_000, 500_000, 0, 700_000])
    assert await fetcher.fetch(sha256=SHA256) == SHA256
    assert fetcher.read() == DATA
    assert fetcher.requests == 5
    assert await sent(fetcher) <= SIZE + 4 * ON_ITS_WAY


@pytest.mark.parametrize("fault", ["stalls", "trickles"])
async def test_a_connection_that_brings_nothing_or_next_to_nothing_is_given_up(
    hub: HubServer, tmp_path: Path, fault: str
) -> None:
    async with fetching(hub, tmp_path, DATA, stall_seconds=1.0) as fetcher:
        getattr(fetcher.file.faults, fault).append(0.03 if fault == "trickles" else 100_000)
        assert await fetcher.fetch() == SHA256
        assert fetcher.requests == 2
        assert fetcher.waits


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_asked_again(fetcher: Fetcher, status: int) -> None:
    fetcher.file.faults.cuts.append(1000)
    fetcher.file.faults.later_statuses.append((status, {"Retry-After": "0"}))
    assert await fetcher.fetch() == SHA256
    assert fetcher.requests == 3
    assert any("busy" in reason for reason in fetcher.waits)


async def test_an_address_whose_time_is_over_is_asked_for_anew(hub: HubServer, tmp_path: Path) -> None:
    async with fetching(hub, tmp_path, LARGE) as fetcher:
        fetcher.connections = 1
        fetcher.file.faults.uses = 2  # once for its size, once for a part
        assert await fetcher.fetch() == hashlib.sha256(LARGE).hexdigest()
        assert await sent(fetcher) == len(LARGE)
        assert len(hub.asked("/resolve/")) >= 3


async def test_a_server_that_stays_away_is_given_up_after_the_time_for_it(fetcher: Fetcher) -> None:
    fetcher.retry_seconds = 0.6
    fetcher.file.faults.resets.extend([0] * 100)
    with pytest.raises(DownloadFailed) as failed:
        await fetcher.fetch()
    assert failed.value.retryable
    assert fetcher.waits


async def test_a_file_that_comes_only_whole_begins_again_but_not_for_ever(fetcher: Fetcher) -> None:
    fetcher.file.faults.ranges = False
    fetcher.file.faults.resets.extend([1_500_000])
    assert await fetcher.fetch() == SHA256
    fetcher.partial(SIZE).remove()
    fetcher.file.faults.resets.extend([200_000] * 100)
    with pytest.raises(DownloadFailed, match="only from its beginning"):
        await fetcher.fetch()


# --- what was interrupted ----------------------------------------------------------------------------------------


async def test_what_was_interrupted_goes_on_where_it_was(fetcher: Fetcher) -> None:
    fetcher.hub.rate = 4_000_000
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fetcher.fetch)
            await anyio.to_thread.run_sync(fetcher.hub.wait_for_sent, SIZE // 2)
            scope.cancel()
    came = fetcher.partial(SIZE).received()
    assert came > SIZE // 4
    fetcher.hub.rate = None
    assert await fetcher.fetch(sha256=SHA256) == SHA256
    assert fetcher.read() == DATA
    assert await sent(fetcher) <= SIZE + ON_ITS_WAY


async def test_what_a_power_cut_has_taken_is_found_and_only_that_is_fetched_again(fetcher: Fetcher) -> None:
    assert await fetcher.fetch() == SHA256
    with (fetcher.folder / "0.part").open("r+b") as file:
        file.seek(BLOCK_BYTES + 1000)
        file.write(bytes(4096))
    fetcher.hub.forget_sent()
    fetcher.hub.requests.clear()
    assert await fetcher.fetch(sha256=SHA256) == SHA256
    assert fetcher.read() == DATA
    assert await sent(fetcher) == BLOCK_BYTES


async def test_a_disk_that_keeps_nothing_is_told_from_a_server_that_sends_rubbish(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PartialFile, "read_block", lambda self, index: bytes(self.blocks.length(index)))
    with pytest.raises(SidecarError) as failed:
        await fetcher.fetch()
    assert failed.value.name == "STORAGE_ERROR"


# --- what is not what it should be -------------------------------------------------------------------------------


@pytest.mark.case(36)
async def test_a_wrong_hash_is_found(fetcher: Fetcher) -> None:
    fetcher.file.faults.told_sha256 = "0" * 64
    with pytest.raises(ChecksumMismatch) as failed:
        await fetcher.fetch(sha256="0" * 64)
    assert SHA256 in failed.value.message


@pytest.mark.case(36)
@pytest.mark.parametrize("told", [SIZE + 1, SIZE - 1, 10**16])
async def test_another_size_than_the_hub_s_is_refused_before_anything_is_fetched(fetcher: Fetcher, told: int) -> None:
    fetcher.file.faults.told_size = told
    with pytest.raises(DownloadFailed, match="according to the hub"):
        await fetcher.fetch()
    assert fetcher.requests == 0


async def test_what_begins_otherwise_than_a_model_is_refused_early(hub: HubServer, tmp_path: Path) -> None:
    async with fetching(hub, tmp_path, b"<!doctype html>" + LARGE) as fetcher:
        with pytest.raises(ModelInvalid):
            await fetcher.fetch()
        assert await sent(fetcher) < len(LARGE)


async def test_a_page_that_is_smaller_than_any_model_is_refused(hub: HubServer, tmp_path: Path) -> None:
    async with fetching(hub, tmp_path, b"<html>please log in</html>") as fetcher:
        with pytest.raises(ModelInvalid):
            await fetcher.fetch(fetcher.elsewhere)


async def test_another_part_than_was_asked_for_is_not_taken(hub: HubServer, tmp_path: Path) -> None:
    async with fetching(hub, tmp_path, LARGE) as fetcher:
        fetcher.retry_seconds = 0.3
        fetcher.file.faults.wrong_range = True
        with pytest.raises(DownloadFailed, match="another part"):
            await fetcher.fetch()


async def test_a_file_that_was_packed_on_the_way_is_refused(fetcher: Fetcher) -> None:
    fetcher.file.faults.encoding = "gzip"
    with pytest.raises(DownloadFailed):
        await fetcher.fetch()


async def test_a_file_that_is_another_one_now_is_not_mixed_with_the_old(fetcher: Fetcher) -> None:
    fetcher.connections = 1
    fetcher.file.faults.cuts.append(1_000_000)
    changed = HubFile(large_model(SIZE, 7))

    class Once(list[str]):
        def append(self, reason: str) -> None:
            fetcher.hub.files[NAME] = changed

    fetcher.waits = Once()
    with pytest.raises(Changed):
        await fetcher.fetch(fetcher.elsewhere)


# --- where redirects lead ----------------------------------------------------------------------------------------


@pytest.mark.case(36)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f.1", "10.0.0.1"])
async def test_a_redirect_into_this_machine_or_network_is_refused_and_nobody_is_asked(
    fetcher: Fetcher, host: str
) -> None:
    with HubServer() as inside:
        inside.files["secret.gguf"] = HubFile(DATA)
        for scheme in ("http", "https"):
            fetcher.file.faults.location = f"{scheme}://{host}:{inside.port}/files/secret.gguf"
            with pytest.raises(AddressNotAllowed):
                await fetcher.fetch()
        assert inside.requests == []


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "https://", "https://user:word@example.com/a", "https://a b/", "\\\\x\\y"]
)
async def test_a_redirect_to_what_is_no_address_is_refused(fetcher: Fetcher, location: str) -> None:
    fetcher.file.faults.location = location
    with pytest.raises(AddressNotAllowed):
        await fetcher.fetch()


async def test_redirects_in_a_circle_have_an_end(fetcher: Fetcher) -> None:
    with pytest.raises(DownloadFailed, match="redirects more than 8 times"):
        await fetcher.fetch(Source(f"{fetcher.hub.url}/circle/"))
    assert len(fetcher.hub.asked("circle")) < 12


async def test_the_token_goes_to_the_hub_and_to_nobody_else(hub: HubServer, tmp_path: Path) -> None:
    with HubServer() as elsewhere:
        elsewhere.files[NAME] = HubFile(DATA)
        async with fetching(hub, tmp_path, DATA, private=True, token="hf_secret") as fetcher:
            fetcher.file.faults.location = f"{elsewhere.url}/files/{NAME}"
            assert await fetcher.fetch() == SHA256
        assert {one.headers.get("authorization") for one in hub.requests} == {"Bearer hf_secret"}
        assert elsewhere.requests
        assert {one.headers.get("authorization") for one in elsewhere.requests} == {None}


# --- refusals ----------------------------------------------------------------------------------------------------


async def test_a_gated_repository_is_explained(fetcher: Fetcher) -> None:
    fetcher.hub.repos["tests/one-GGUF"].gated = True
    with pytest.raises(HubAccessDenied) as denied:
        await fetcher.fetch()
    assert denied.value.data == {"repo": "tests/one-GGUF", "gated": True}
    assert "HF_TOKEN" in denied.value.hint


@pytest.mark.parametrize(("path", "error"), [("none.gguf", ModelNotFound), ("../x.gguf", SidecarError)])
async def test_a_file_that_is_not_there_is_told(fetcher: Fetcher, path: str, error: type[SidecarError]) -> None:
    with pytest.raises(error):
        await fetcher.fetch(Source(f"{fetcher.hub.url}/tests/one-GGUF/resolve/main/{path}", "tests/one-GGUF"))
    with pytest.raises(DownloadFailed) as failed:
        await fetcher.fetch(Source(f"{fetcher.hub.url}/files/{path}"))
    assert failed.value.data == {"http_status": 404}


# --- the bound on the speed ---------------------------------------------------------------------------------------


def test_a_bound_is_kept_by_all_that_share_it() -> None:
    limit = BandwidthLimit()
    assert limit.delay(500, 1000, now=10.0) == pytest.approx(0.5)
    assert limit.delay(500, 1000, now=10.0) == pytest.approx(1.0)
    assert limit.delay(500, 1000, now=11.0) == pytest.approx(0.5)
    # What was not used is not saved up.
    assert limit.delay(1000, 1000, now=100.0) == pytest.approx(1.0)


def test_a_bound_that_is_taken_away_delays_nothing() -> None:
    limit = BandwidthLimit()
    limit.delay(1_000_000, 1000, now=0.0)
    assert limit.delay(1_000_000, None, now=1.0) == 0.0
    assert limit.delay(1000, 1000, now=1.0) == pytest.approx(1.0)
