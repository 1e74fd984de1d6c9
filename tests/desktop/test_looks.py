"""What every page looks like, and that everybody can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.desktop.conftest import Open, Serve
from tests.desktop.test_chat import send, start

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "shell" / "node_modules" / "axe-core" / "axe.min.js"

PAGES = ("servers", "models", "monitor", "logs", "settings")
SIZES = {"360": (360, 740), "1280": (1280, 800), "4k": (3840, 2160)}
SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_has_nothing_that_keeps_anybody_out(
    serve: Serve, open_page: Open, screenshots: Path, size: str, colours: str
) -> None:
    width, height = SIZES[size]
    page = open_page(
        serve(max_tokens=60), viewport={"width": width, "height": height}, color_scheme=colours, reduced_motion="reduce"
    )
    start(page)
    send(page, "Write a Python function that adds two numbers.")
    page.get_by_text("tok/s").first.wait_for()
    found: dict[str, str] = {}
    for name in ("chat", *PAGES):
        if name in PAGES:
            page.evaluate("name => { location.hash = `#/${name}` }", name)
        page.locator("main").get_by_role("heading").first.wait_for()
        found |= look(page, screenshots, f"{name}-{size}-{colours}")
    assert not found, "\n".join(f"{where}  {html}" for where, html in found.items())


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_what_opens_above_a_page_keeps_nobody_out(
    serve: Serve, open_page: Open, screenshots: Path, colours: str
) -> None:
    page = open_page(serve(max_tokens=30), color_scheme=colours, reduced_motion="reduce")
    start(page)
    send(page, "Say hello.")
    page.get_by_role("link", name="Say hello.").wait_for()
    found: dict[str, str] = {}

    def opened(name: str) -> None:
        nonlocal found
        found |= look(page, screenshots, f"{name}-{colours}")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("menu")).to_have_count(0)

    page.get_by_label("Settings of this chat").first.click()
    page.get_by_role("dialog").get_by_role("textbox", name="Temperature").wait_for()
    opened("chat-settings")
    page.get_by_label("Menu of Say hello.").click(force=True)
    page.get_by_role("menuitem", name="Delete").wait_for()
    opened("chat-menu")
    page.keyboard.press("Control+k")
    page.get_by_label("Find a page, a chat or an action").first.wait_for()
    opened("palette")
    page.evaluate("location.hash = '#/servers'")
    page.get_by_role("button", name="Start a server").click()
    page.get_by_role("heading", name="Command").wait_for()
    opened("launcher")
    page.evaluate("location.hash = '#/models'")
    page.get_by_role("button", name="Import").click()
    page.get_by_role("dialog").wait_for()
    opened("import")
    page.get_by_role("article").first.get_by_role("button", name="Menu of").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_text("Frees").wait_for()
    opened("delete-model")
    assert not found, "\n".join(f"{where}  {html}" for where, html in found.items())


def look(page: Page, screenshots: Path, name: str) -> dict[str, str]:
    """Keep a picture, and return what axe finds that is serious, or that the page is wider than its window."""
    expect(page.locator("main .mantine-Skeleton-root, [role=dialog] .mantine-Skeleton-root")).to_have_count(0)
    page.screenshot(path=screenshots / f"{name}.png")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    results: Any = page.evaluate("axe.run()")
    assert results["passes"]
    found = {
        f"{name}: {one['id']}": str(one["nodes"][0]["html"])
        for one in results["violations"]
        if one["impact"] in SERIOUS
    }
    if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
        found[f"{name}: wider than its window"] = str(page.evaluate("document.documentElement.scrollWidth"))
    return found
