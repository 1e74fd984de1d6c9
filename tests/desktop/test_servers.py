"""Servers in the browser: started with what was set, followed while they load, stopped, several at once."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.desktop.conftest import Open, Serve
from tests.desktop.test_chat import start


def launcher(page: Page) -> None:
    page.get_by_role("button", name="Start a server").click()
    page.get_by_role("heading", name="Command").wait_for()


def test_the_plan_and_the_command_follow_what_is_set(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    start(page)
    page.evaluate("location.hash = '#/servers'")
    launcher(page)
    page.get_by_text("It fits").wait_for()
    page.get_by_label("Context size").fill("8192")
    page.keyboard.press("Tab")
    expect(page.get_by_text('"ctx_size": 8192')).to_be_visible()
    expect(page.get_by_text("context 8,192")).to_be_visible()


def test_a_second_server_runs_beside_the_first_and_is_stopped(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    start(page)
    page.evaluate("location.hash = '#/servers'")
    launcher(page)
    page.get_by_role("button", name="Start", exact=True).click()
    second = page.get_by_role("article", name="Server server-2")
    expect(second).to_contain_text("ready")
    second.get_by_role("button", name="Log", exact=True).click()
    expect(second.get_by_text("model", exact=False).first).to_be_visible()
    second.get_by_role("button", name="Stop").click()
    expect(second).to_have_count(0)
    expect(page.get_by_role("article", name="Server default")).to_contain_text("ready")


def test_a_start_can_be_cancelled_while_it_loads(serve_fake: Serve, open_page: Open) -> None:
    page = open_page(serve_fake())
    page.evaluate("location.hash = '#/servers'")
    page.get_by_label("Further arguments").fill("--never-ready")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Start", exact=True).click()
    stages = page.get_by_role("status", name="Progress of the start")
    stages.get_by_role("button", name="Cancel").click()
    expect(stages).to_have_count(0)
    expect(page.get_by_role("article", name="Server default")).to_have_count(0)
