"""Models in the browser: fetched from a hub, deleted and brought back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.desktop.conftest import Open, Serve
from tests.hub_server import HubServer, large_model

SIZE = 3_000_000
SLOW = 200_000
"""Bytes a second: a quarter of a minute for the model, until a test has seen what there is to see of that."""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.add("tests/lantern", {"lantern-Q4_K_M.gguf": large_model(SIZE, 0)})
        yield hub


@pytest.fixture
def page(hub: HubServer, serve: Serve, open_page: Open, tmp_path: Path) -> Page:
    """The models of a sidecar that has none, and whose hub is ours."""
    env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "", "HF_HOME": str(tmp_path / "hf")}
    page = open_page(serve(with_model=False, env=env))
    page.evaluate("location.hash = '#/models/hub'")
    return page


def begin(page: Page) -> None:
    page.get_by_role("textbox", name="Search the hub").fill("lantern")
    page.get_by_role("button", name="tests/lantern").click()
    page.get_by_role("button", name="Download").first.click()


def test_a_model_is_found_fetched_with_its_progress_and_listed(page: Page, hub: HubServer) -> None:
    hub.rate = SLOW
    begin(page)
    downloads = page.get_by_role("region", name="Downloads")
    expect(downloads.get_by_role("progressbar")).to_be_visible()
    hub.rate = None
    expect(downloads.get_by_role("button", name="Start it")).to_be_visible()
    page.get_by_role("tab", name="Library").click()
    expect(page.get_by_role("article", name="lantern-Q4_K_M")).to_be_visible()
    downloads.get_by_role("button", name="Hide lantern").click()
    expect(downloads).to_have_count(0)


def test_a_download_rests_and_goes_on(page: Page, hub: HubServer) -> None:
    hub.rate = SLOW
    begin(page)
    downloads = page.get_by_role("region", name="Downloads")
    downloads.get_by_role("button", name="Pause").click()
    downloads.get_by_role("button", name="Resume").click()
    hub.rate = None
    expect(downloads.get_by_role("button", name="Start it")).to_be_visible()


def test_a_model_is_deleted_after_what_goes_was_told_and_is_brought_back(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.evaluate("location.hash = '#/models'")
    card = page.get_by_role("article").first
    card.get_by_role("button", name="Menu of").click()
    page.get_by_role("menuitem", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Frees")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("article")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("article")).to_have_count(1)
