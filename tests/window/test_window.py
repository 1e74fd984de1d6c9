"""The app in its window: start a model, chat, and every way to quit, after which nothing runs any more."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.window.conftest import Open, Window, ended
from tests.window.webdriver import Driver

STORY = "Tell a long story about a lighthouse keeper, in ten paragraphs."

LINK = """
document.getElementById("link")?.remove();
const link = Object.assign(document.createElement("a"), {
  id: "link", textContent: "a link", href: arguments[0], target: "_blank",
  style: "position: fixed; inset: 40% auto auto 50%",
});
document.body.append(link);
"""
"""A link as those of answers are."""

OPENED_SECONDS = 30.0

# As it is shown in the end: until the page has what Markdown needs, the text is there plain.
PROSE = "//*[contains(@class, 'prose') and not(contains(@class, 'plain'))]"
SOME_PROSE = f"{PROSE}[string-length(normalize-space()) > 20]"
MESSAGE = "//textarea[@aria-label='Message']"


def button(name: str) -> str:
    return f"//button[@aria-label='{name}' or normalize-space()='{name}']"


def text(words: str) -> str:
    return f"//*[contains(text(), '{words}')]"


def start(page: Driver) -> None:
    """Start the model that is proposed."""
    page.click(button("Start"))
    page.find(text("What is on your mind?"))


def send(page: Driver, message: str) -> None:
    page.type(MESSAGE, message + "\ue007")


def stop(page: Driver) -> None:
    page.click(button("Stop the answer"))
    page.find(button("Send"))


def in_an_answer(window: Window) -> list[psutil.Process]:
    """Has the window in the middle of an answer; all processes that are there then."""
    start(window.page)
    send(window.page, STORY)
    window.page.find(SOME_PROSE)
    processes = window.processes()
    assert any("engine" in " ".join(one.cmdline()) for one in processes), [one.cmdline() for one in processes]
    return processes


def test_a_model_is_started_and_answers_and_nothing_is_left_when_the_window_is_closed(
    open_window: Open, screenshots: Path
) -> None:
    window = open_window()
    start(window.page)
    send(window.page, STORY)
    window.page.find(SOME_PROSE)
    stop(window.page)
    (screenshots / f"{window.name}.png").write_bytes(window.page.screenshot())
    processes = window.processes()
    (shown,) = window.desk.windows()
    window.desk.ask_to_close(shown)
    assert ended(processes)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_is_left_of_an_app_that_is_ended_in_the_middle_of_an_answer(
    open_window: Open, how: signal.Signals
) -> None:
    window = open_window()
    processes = in_an_answer(window)
    window.process.send_signal(how)
    assert ended(processes)


def test_a_second_start_shows_the_window_that_is_there(open_window: Open) -> None:
    window = open_window()
    window.page.find(button("Start"))
    (shown,) = window.desk.windows()
    window.desk.take_focus()
    before = window.processes()
    assert window.start_again() == 0
    assert window.desk.gets_focus(shown)
    assert [one.id for one in window.desk.windows()] == [shown.id]
    assert {one.pid for one in window.processes()} == {one.pid for one in before}


def test_a_reload_in_the_middle_of_an_answer_loses_nothing_and_shows_nothing_twice(open_window: Open) -> None:
    window = open_window()
    in_an_answer(window)
    before = window.page.text(PROSE)
    window.page.reload()
    window.page.find(f"{PROSE}[string-length(normalize-space()) > {len(before)}]")
    assert window.page.text(PROSE).startswith(before[: len(before) // 2])
    assert window.page.count(PROSE) == 1
    stop(window.page)
    shown = window.page.text(PROSE)
    window.page.reload()
    assert window.page.text(PROSE) == shown


def test_a_link_is_opened_in_the_browser_and_the_window_stays_with_its_page(open_window: Open) -> None:
    window = open_window()
    window.page.find(button("Start"))
    window.page.run(LINK, "file:///etc/passwd")
    window.page.click("//a[text()='a link']")
    window.page.run(LINK, "https://example.com/docs?a=1&b=2")
    window.page.click("//a[text()='a link']")
    deadline = time.monotonic() + OPENED_SECONDS
    while not window.opened.exists() or not window.opened.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert window.opened.read_text().splitlines() == ["https://example.com/docs?a=1&b=2"]
    assert len(window.desk.windows()) == 1
    window.page.find(button("Start"))


def test_after_a_kill_of_the_sidecar_the_page_says_so_and_the_next_one_answers(open_window: Open) -> None:
    window = open_window()
    in_an_answer(window)
    os.kill(window.sidecar().pid, signal.SIGKILL)
    window.page.find("//*[@role='alert']")
    assert window.page.text(PROSE)
    window.page.click(button("Start"))
    window.page.find("//*[text()='ready']")
    send(window.page, "What is a llama?")
    window.page.find(f"({PROSE})[2]")


def test_a_sidecar_that_can_not_be_started_is_told_and_tried_again_on_demand(open_window: Open, tmp_path: Path) -> None:
    program = tmp_path / "llama-sidecar"
    window = open_window([str(program)])
    note = window.page.text("//*[@role='status'][contains(., 'Try now')]")
    assert str(program) in note
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sidecar "$@"\n')
    program.chmod(0o755)
    window.page.click(button("Try now"))
    window.page.find(button("Start"))
