"""A browser, pages in it, and sidecars that serve them.

What a page writes to its console as an error fails the test, whatever else it shows.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import psutil
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.app.talking import prepare
from tests.web.browser import Served

CHROMIUM_VARIABLE = "LLAMA_SIDECAR_CHROMIUM"

PATIENCE_MS = 60_000
"""Longest wait for anything on a page; a test that needs it is broken."""

DESKTOP = {"width": 1280, "height": 800}

NOT_OURS = ("net::ERR_", "WebSocket connection to")
"""What a browser itself writes when a sidecar ends, as some tests want."""

Serve = Callable[..., Served]
Open = Callable[..., Page]


def engines(served: Served) -> list[psutil.Process]:
    """The fake engines that a sidecar runs."""
    return [child for child in psutil.Process(served.process.pid).children() if "fake_engine" in str(child.cmdline())]


@pytest.fixture(scope="session")
def browser(shared_programs: list[psutil.Process]) -> Iterator[Browser]:
    """Debian's Chromium, without its sandbox, which needs what containers do not give."""
    expect.set_options(timeout=PATIENCE_MS)
    before = set(psutil.Process().children())
    with sync_playwright() as playwright:
        shared_programs += set(psutil.Process().children()) - before
        program = os.environ[CHROMIUM_VARIABLE]
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def running(browser: Browser) -> Iterator[list[Served]]:
    """The sidecars of a test, which end with it; the browser is there before, as it is when they end."""
    running: list[Served] = []
    yield running
    for served in running:
        served.close()


@pytest.fixture
def serve(running: list[Served], tmp_path: Path, model: Path) -> Serve:
    """Serves pages from a data folder of the test's own, with the real model in its library or with none."""

    def start(
        *, with_model: bool = True, max_tokens: int | None = None, env: Mapping[str, str] = MappingProxyType({})
    ) -> Served:
        folder = tmp_path / "data"
        (folder / "models").mkdir(parents=True)
        chat = {"temperature": 0, "max_tokens": max_tokens}  # a long story is long every time
        # Two threads that wait for each other stand still where a browser takes one of two CPUs.
        (folder / "config.json").write_text(json.dumps({"chat": chat, "server_defaults": {"threads": 1}}))
        if with_model:
            shutil.copy(model, folder / "models" / model.name)
        running.append(Served(folder, env=env))
        return running[-1]

    return start


@pytest.fixture
def serve_fake(running: list[Served], data_dir: Path, fake_llama_cpp: Path) -> Serve:
    """The same with the fake engine, for faults."""
    prepare(data_dir, fake_llama_cpp)

    def start() -> Served:
        running.append(Served(data_dir))
        return running[-1]

    return start


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens the address of a sidecar in a browser of its own, with nothing kept from before."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in NOT_OURS):
            problems.append(message.text)

    def open_(served: Served, **options: object) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, "accept_downloads": True, **options})
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(error.message))
        page.goto(served.address)
        page.get_by_role("navigation", name="Pages").wait_for()
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []
