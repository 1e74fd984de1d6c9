"""Servers in the browser: started with what was set, followed while they load, stopped, several at once."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests import fake_engine
from tests.desktop.conftest import Open, Serve, engines
from tests.desktop.test_chat import start

OUT_OF_MEMORY = (
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 9100.00 MiB on device 0: cudaMalloc failed: out of memory"
)
"""As llama.cpp writes it."""


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


def test_a_start_shows_how_far_it_is_and_can_be_cancelled(
    serve_fake: Serve, open_page: Open, fake_llama_cpp: Path
) -> None:
    served = serve_fake()
    fake_engine.install(fake_llama_cpp, "--stuck-at", "0.5")
    page = open_page(served)
    page.evaluate("location.hash = '#/servers'")
    page.get_by_role("button", name="Start", exact=True).click()
    stages = page.get_by_role("status", name="Progress of the start")
    expect(stages).to_contain_text("50 %")
    page.get_by_role("article", name="Server default").get_by_role("button", name="Cancel").click()
    expect(stages).to_have_count(0)
    expect(page.get_by_role("article", name="Server default")).to_have_count(0)
    assert engines(served) == []


def test_a_start_that_fails_says_why_and_what_to_do(serve_fake: Serve, open_page: Open, fake_llama_cpp: Path) -> None:
    served = serve_fake()
    fake_engine.install(fake_llama_cpp, "--exit-on-load", "1", "--say-on-load", OUT_OF_MEMORY)
    page = open_page(served)
    page.evaluate("location.hash = '#/servers'")
    page.get_by_role("button", name="Start", exact=True).click()
    alert = page.get_by_role("article", name="Server default").get_by_role("alert")
    expect(alert).to_contain_text("memory")
    expect(alert.get_by_role("button", name="Show log")).to_be_visible()
