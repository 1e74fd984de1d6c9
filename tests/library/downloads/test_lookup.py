"""What a download consists of is found through huggingface_hub, and without it where a file is named."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.errors import DownloadFailed, NotSupported
from sidecar.library.downloads.answers import Source
from sidecar.library.downloads.files import DownloadRecord
from sidecar.library.downloads.lookup import resolve
from sidecar.library.downloads.web import Web
from sidecar.library.hub import api, client
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from tests.config_files import config_file
from tests.hub_server import COMMIT, HubServer, large_model

pytestmark = [pytest.mark.anyio]

REPO = "tests/looked-up"


@pytest.fixture(scope="module")
def server() -> Iterator[HubServer]:
    with HubServer() as server:
        server.add(REPO, {"m-Q4_K_M.gguf": large_model(5000), "sub/mmproj-F16.gguf": large_model(3000, 2)})
        server.repos[REPO].files["sub/mmproj-F16.gguf"].large = False
        yield server


@pytest.fixture
def hub(server: HubServer) -> Hub:
    return Hub(config_file(downloads=DownloadsConfig(hub_endpoint=server.url)), TokenSource())


@pytest.fixture
async def web(server: HubServer, hub: Hub) -> AsyncIterator[Web]:
    web = Web(config_file(downloads=DownloadsConfig(hub_endpoint=server.url)), hub, TokenSource())
    yield web
    await web.aclose()


def wanted(**changes: Any) -> DownloadRecord:
    return DownloadRecord(job_id="0" * 16, created_at=0.0, root="/models", request="", **({"repo": REPO} | changes))


async def test_every_file_is_pinned_to_a_commit_its_size_and_what_it_must_be(
    server: HubServer, hub: Hub, web: Web
) -> None:
    record = wanted()
    await resolve(record, hub=hub, web=web)
    model, projector = record.files
    assert record.commit == COMMIT
    assert model.url == f"{server.url}/{REPO}/resolve/{COMMIT}/m-Q4_K_M.gguf"
    assert (model.name, model.size, model.sha256) == (
        "m-Q4_K_M.gguf",
        5000,
        server.repos[REPO].files["m-Q4_K_M.gguf"].sha256,
    )
    assert (projector.name, projector.size, projector.sha256) == ("mmproj-F16.gguf", 3000, None)
    assert projector.validator == server.repos[REPO].files["sub/mmproj-F16.gguf"].etag


async def test_a_projector_that_is_named_comes_alone(hub: Hub, web: Web) -> None:
    record = wanted(file="mmproj-F16.gguf")
    await resolve(record, hub=hub, web=web)
    assert [file.name for file in record.files] == ["mmproj-F16.gguf"]


async def test_without_huggingface_hub_a_file_that_is_named_is_found_all_the_same(
    server: HubServer, hub: Hub, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(NotSupported) as refused:
        await resolve(wanted(), hub=hub, web=web)
    assert "aiohttp" in refused.value.hint
    record = wanted(file="m-Q4_K_M.gguf")
    await resolve(record, hub=hub, web=web)
    assert record.commit == COMMIT
    assert record.files[0].sha256 == server.repos[REPO].files["m-Q4_K_M.gguf"].sha256
    assert COMMIT in record.files[0].url


async def test_without_aiohttp_it_is_said_how_to_get_it(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("aiohttp", "yarl"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotSupported) as refused:
        await web.find(Source("https://example.com/a.gguf"))
    assert "aiohttp" in refused.value.hint


async def test_an_answer_without_end_is_not_read_to_its_end(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 100)
    with pytest.raises(DownloadFailed, match="too long or too slow"):
        await hub.repository(REPO)


async def test_a_hub_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    nobody = Hub(config_file(downloads=DownloadsConfig(hub_endpoint="http://127.0.0.1:9")), TokenSource())
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1:9"):
        await nobody.repository(REPO)
    began = anyio.current_time()
    with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1:9"):
        await nobody.search("anything")
    assert anyio.current_time() - began < 10  # and not after all that the library would try


async def test_a_question_whose_client_another_one_closes_is_told_that_the_hub_is_not_reached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    closed = huggingface_hub.get_session()
    closed.close()  # as the library does with the one that all share when one of them cannot connect
    monkeypatch.setattr(api, "keep_to", lambda _, **__: huggingface_hub.set_client_factory(lambda: closed))
    with pytest.raises(DownloadFailed, match="cannot be reached"):
        await hub.search("anything")
