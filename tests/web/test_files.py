"""The page's files: what is served, over a real server in this process, and what is not."""

from __future__ import annotations

import http.client
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from anyio import to_thread

import sidecar
from sidecar.dispatch.hosts import Hosts
from sidecar.dispatch.requests import RequestTasks
from sidecar.services import Lifetime
from sidecar.transport.framing import MAX_LINE_BYTES
from sidecar.transport.web.files import PageFiles, page_folder
from sidecar.transport.web.server import WebTransport, listen

pytestmark = pytest.mark.anyio

SECRET = "the secret beside the page"

ELSEWHERE = (
    "/../secret.txt",
    "/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/assets/..%2f..%2f..%2fsecret.txt",
    "/assets/..\\..\\secret.txt",
    "//etc/passwd",
    "/etc/passwd",
    "/file:///etc/passwd",
    "/assets/%00",
    "/assets/",
    "/assets",
    "/.env",
    "/notes",
    "/link.txt",
    "/linked/secret.txt",
    "/index.html/",
    "/INDEX.HTML",
)
"""Paths that a page has no business with, as nobody's client would tidy them up."""


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A built page, and things around it that are none of anybody's business."""
    folder = tmp_path / "shell" / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>The page</title>")
    (folder / "assets" / "index-a1.js").write_text("export {};")
    (folder / "assets" / "with blank.css").write_text("a{}")
    (folder / ".env").write_text(SECRET)
    (folder / "notes").write_text(SECRET)
    (tmp_path / "secret.txt").write_text(SECRET)
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "linked").symlink_to(tmp_path)
    return folder


class Site:
    """The door with a page behind it."""

    def __init__(self, address: str) -> None:
        self._address = urlsplit(address).netloc

    async def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        return await to_thread.run_sync(self._get, path, headers)

    def _get(self, path: str, headers: dict[str, str]) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        connection.putrequest("GET", path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        found = response.status, response.headers, response.read().decode()
        connection.close()
        return found


@pytest.fixture
async def site(dist: Path) -> AsyncIterator[Site]:
    tasks = RequestTasks()
    door = WebTransport(listen(None), PageFiles(dist), max_message_bytes=1000)
    async with anyio.create_task_group() as serving:
        serving.start_soon(
            door.serve, Hosts(handlers={}, tasks=tasks, lifetime=Lifetime(owned=False), max_line_bytes=MAX_LINE_BYTES)
        )
        await anyio.wait_all_tasks_blocked()
        yield Site(door.new_link())
        door.stop_reading()
        await door.drain()


async def test_the_page_and_its_files_are_served(site: Site) -> None:
    status, headers, text = await site.get("/")
    assert (status, headers["Content-Type"], text) == (200, "text/html; charset=utf-8", "<title>The page</title>")
    assert headers["Cache-Control"] == "no-cache"
    status, headers, text = await site.get("/assets/index-a1.js")
    assert (status, headers["Content-Type"], text) == (200, "text/javascript; charset=utf-8", "export {};")
    assert "immutable" in headers["Cache-Control"]
    assert (await site.get("/assets/with%20blank.css"))[0] == 200


async def test_nothing_else_is_served(site: Site) -> None:
    for path in ELSEWHERE:
        status, _, text = await site.get(path)
        assert (path, status, SECRET in text) == (path, 404, False)


async def test_a_page_that_was_built_anew_is_served_after_a_reload(site: Site, dist: Path) -> None:
    (dist / "assets" / "index-a1.js").rename(dist / "assets" / "index-b2.js")
    assert (await site.get("/"))[0] == 200
    assert (await site.get("/assets/index-b2.js"))[0] == 200
    assert (await site.get("/assets/index-a1.js"))[0] == 404


async def test_a_page_that_is_not_built_says_how_to_build_it(site: Site, dist: Path) -> None:
    (dist / "index.html").unlink()
    status, _, text = await site.get("/")
    assert (status, "make web" in text) == (503, True)


def test_the_page_of_the_source_tree_goes_before_that_of_the_package(tmp_path: Path, monkeypatch: Any) -> None:
    package = tmp_path / "sidecar"
    monkeypatch.setattr(sidecar, "__file__", str(package / "__init__.py"))
    assert page_folder() == package / "page"
    (tmp_path / "shell" / "dist").mkdir(parents=True)
    assert page_folder() == package / "page"
    (tmp_path / "shell" / "dist" / "index.html").touch()
    assert page_folder() == tmp_path / "shell" / "dist"
