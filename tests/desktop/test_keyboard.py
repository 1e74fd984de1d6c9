"""The page without a mouse."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.desktop.conftest import Open, Serve
from tests.desktop.test_chat import STORY, send, start

MOST_STOPS = 60


def tab_to(page: Page, name: str) -> None:
    """Go on with Tab until something of this name has the focus."""
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if (
            page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText")
            == name
        ):
            return
    raise AssertionError(f"{name} can not be reached with Tab")


def test_a_model_is_started_asked_and_stopped_by_keyboard_alone(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    page.get_by_role("button", name="Start", exact=True).first.wait_for()
    tab_to(page, "Start")
    page.keyboard.press("Enter")
    page.get_by_text("What is on your mind?").wait_for()
    page.get_by_role("textbox", name="Message", exact=True).wait_for()
    tab_to(page, "Message")
    page.keyboard.type(STORY)
    page.keyboard.press("Enter")
    page.locator(".prose").first.wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Send", exact=True).wait_for()
    expect(page.get_by_text("Stopped here.")).to_be_visible()


def test_every_page_is_reached_by_the_palette(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    for name in ("Servers", "Models", "Monitor", "Logs", "Settings"):
        page.keyboard.press("Control+k")
        expect(page.get_by_role("textbox", name="Find a page, a chat or an action")).to_be_focused()
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        expect(page.locator("main").get_by_role("heading", name=name, level=1)).to_be_visible()


def test_a_page_is_gone_to_by_its_number_while_a_message_is_written(serve_fake: Serve, open_page: Open) -> None:
    page = open_page(serve_fake())
    page.get_by_role("textbox", name="Message", exact=True).press_sequentially("half a")
    page.keyboard.press("Alt+3")
    expect(page.locator("main").get_by_role("heading", name="Models", level=1)).to_be_visible()
    page.keyboard.press("Alt+n")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_have_value("half a")


OUT_OF_REACH = """
() => {
  const stops = "a[href], button, input, select, textarea, label, [tabindex='0']";
  const clicked = (element) => Object.entries(element).some(
    ([name, props]) => name.startsWith("__reactProps$") && props && typeof props.onClick === "function");
  return [...document.querySelectorAll("#root *, [data-portal] *")]
    .filter((element) => clicked(element) && element.checkVisibility() && !element.closest(stops))
    .map((element) => element.outerHTML.slice(0, 200));
}
"""
"""What a click does something on, and the focus never comes to: neither itself nor what it stands in."""

WITHOUT_STOPS = """
() => [...document.querySelectorAll("a[href], button, input, select, textarea")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: false }))
  .filter((element) => element.tabIndex < 0)
  .filter((element) => !element.closest("[role=tablist], [role=radiogroup], [aria-hidden=true]"))
  .map((element) => element.outerHTML.slice(0, 200))
"""
"""Controls that Tab passes over; of tabs and radio buttons it stops at one, and arrows go on."""


def test_whatever_can_be_clicked_is_in_the_keyboard_s_reach(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(max_tokens=20))
    start(page)
    send(page, "Say hello.")
    expect(page.get_by_text("tok/s").first).to_be_visible()
    for name in ("chat", "servers", "models", "models/hub", "models/trash", "monitor", "logs", "settings"):
        page.evaluate("name => { location.hash = `#/${name}` }", name)
        page.get_by_role("main", name=name.partition("/")[0].capitalize()).locator("h1").first.wait_for()
        assert (name, page.evaluate(OUT_OF_REACH), page.evaluate(WITHOUT_STOPS)) == (name, [], [])
