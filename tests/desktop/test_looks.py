"""What every page looks like, and that everybody can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.desktop.conftest import Open, Serve
from tests.desktop.test_chat import send, start, stop

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "shell" / "node_modules" / "axe-core" / "axe.min.js"

PAGES = ("chat", "servers", "models", "monitor", "logs", "settings")
SIZES = {"360": (360, 740), "1280": (1280, 800), "4k": (3840, 2160)}
SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_has_nothing_that_keeps_anybody_out(
    serve: Serve, open_page: Open, screenshots: Path, size: str, colours: str
) -> None:
    width, height = SIZES[size]
    page = open_page(
        serve(), viewport={"width": width, "height": height}, color_scheme=colours, reduced_motion="reduce"
    )
    start(page)
    send(page, "Write a Python function that adds two numbers.")
    page.locator(".prose").first.wait_for()
    stop(page)
    found: dict[str, Any] = {}
    for name in PAGES:
        page.evaluate("name => { location.hash = `#/${name}` }", name)
        page.locator("main").get_by_role("heading").first.wait_for()
        page.screenshot(path=screenshots / f"{name}-{size}-{colours}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width} px"
        found |= {f"{name}: {rule}": where for rule, where in _findings(page).items()}
    assert found == {}


def _findings(page: Page) -> dict[str, Any]:
    """What axe finds that is serious."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    results = page.evaluate("axe.run()")
    return {one["id"]: one["nodes"][0]["html"] for one in results["violations"] if one["impact"] in SERIOUS}
