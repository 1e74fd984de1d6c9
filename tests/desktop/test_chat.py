"""A chat in the browser: from no model to an answer, and whatever may happen to it on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.desktop.conftest import Open, Serve, engines
from tests.desktop.trial import long_session
from tests.raw_host import RawHost

STORY = "Tell a long story about a lighthouse keeper, in ten paragraphs."


def start(page: Page) -> None:
    """Start the model that is proposed."""
    page.get_by_role("button", name="Start", exact=True).first.click()
    page.get_by_text("What is on your mind?").wait_for()


def send(page: Page, message: str) -> None:
    page.get_by_role("textbox", name="Message", exact=True).fill(message)
    page.keyboard.press("Enter")


def stop(page: Page) -> None:
    page.get_by_role("button", name="Stop the answer").click()
    page.get_by_role("button", name="Send", exact=True).wait_for()


def answer(page: Page) -> str:
    """The last one as it is shown in the end: until the page has what Markdown needs, the text is there plain."""
    return str(page.locator(".prose:not(.plain)").last.inner_text())


def test_a_model_is_started_and_answers(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(max_tokens=30))
    start(page)
    send(page, "What is a llama? One sentence.")
    expect(page.locator(".said")).to_have_text("What is a llama? One sentence.")
    expect(page.get_by_text("tok/s").first).to_be_visible()
    assert answer(page)
    expect(page.get_by_role("link", name="What is a llama? One sentence.")).to_be_visible()


def test_a_reload_in_the_middle_of_an_answer_loses_nothing_and_shows_nothing_twice(
    serve: Serve, open_page: Open
) -> None:
    page = open_page(serve())
    start(page)
    send(page, STORY)
    page.locator(".prose").first.wait_for()
    before = answer(page)
    page.reload()
    page.locator(".prose").first.wait_for()
    expect(page.locator(".prose")).to_have_count(1)
    page.wait_for_function("text => document.querySelector('.prose').innerText.length > text.length", arg=before)
    assert answer(page).startswith(before[: len(before) // 2])
    stop(page)
    shown = answer(page)
    page.reload()
    page.locator(".prose").first.wait_for()
    expect(page.locator(".prose")).to_have_text(shown, use_inner_text=True)
    expect(page.locator(".said")).to_have_count(1)


def test_an_answer_is_stopped_and_keeps_its_text(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    start(page)
    send(page, STORY)
    page.locator(".prose").first.wait_for()
    stop(page)
    expect(page.get_by_text("Stopped here.")).to_be_visible()
    assert answer(page)


def test_answering_again_makes_a_branch_and_both_can_be_seen(serve: Serve, open_page: Open) -> None:
    page = open_page(serve())
    start(page)
    send(page, STORY)
    page.locator(".prose").first.wait_for()
    stop(page)
    page.get_by_label("Answer again").last.click(force=True)
    page.locator("article[aria-busy=true] .prose").wait_for()
    stop(page)
    page.get_by_text("2/2").wait_for()
    page.get_by_label("Branch before").click(force=True)
    page.get_by_text("1/2").wait_for()


def test_a_message_that_was_stopped_before_its_answer_began_can_be_answered(serve_fake: Serve, open_page: Open) -> None:
    page = open_page(serve_fake())
    start(page)
    send(page, "tokens=3 hold-after=0")
    stop(page)
    expect(page.locator(".prose")).to_have_count(0)
    page.get_by_label("Answer it").click(force=True)
    stop(page)
    expect(page.locator(".said")).to_have_count(1)


def test_a_chat_is_deleted_and_brought_back(serve: Serve, open_page: Open) -> None:
    page = open_page(serve(max_tokens=30))
    start(page)
    send(page, "Say hello.")
    link = page.get_by_role("link", name="Say hello.")
    link.wait_for()
    page.get_by_role("button", name="Send", exact=True).wait_for()
    page.get_by_label("Menu of Say hello.").click(force=True)
    page.get_by_role("menuitem", name="Delete").click()
    expect(link).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(link).to_be_visible()


def test_a_chat_can_be_set_up_before_anything_is_said_in_it(serve_fake: Serve, open_page: Open) -> None:
    page = open_page(serve_fake())
    start(page)
    page.get_by_role("textbox", name="Message", exact=True).fill("tokens=2")
    page.get_by_label("Settings of this chat").first.click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".prose")).to_have_text("w1 w2")
    page.get_by_label("Settings of this chat").first.click()
    expect(page.get_by_label("System prompt")).to_have_value("Be brief.")


def test_a_second_page_of_the_same_chat_sees_what_is_said_in_the_first(serve_fake: Serve, open_page: Open) -> None:
    page = open_page(serve_fake())
    start(page)
    send(page, "tokens=2")
    expect(page.get_by_text("tok/s").first).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(".prose")).to_have_text("w1 w2")
    send(page, "tokens=3")
    expect(other.locator(".prose").last).to_have_text("w1 w2 w3")
    send(other, "tokens=4")
    expect(page.locator(".prose").last).to_have_text("w1 w2 w3 w4")
    expect(page.locator(".said")).to_have_count(3)


def test_a_message_found_by_search_is_gone_to_however_far_up_it_stands(
    serve_fake: Serve, open_page: Open, data_dir: Path
) -> None:
    with RawHost(data_dir) as host:
        host.call("import_session", content=json.dumps(long_session(1500)))
    page = open_page(serve_fake())
    page.get_by_label("Search chats and messages").fill("question 200")
    page.get_by_role("region", name="Messages found").get_by_role("link", name=re.compile("Question 200$")).click()
    expect(page.locator(".said", has_text=re.compile("^Question 200$"))).to_be_in_viewport()
    expect(page.locator("[aria-current] .said")).to_have_text("Question 200")


def test_prices_are_no_formulas_and_formulas_are_drawn(serve_fake: Serve, open_page: Open) -> None:
    page = open_page(serve_fake())
    start(page)
    send(page, "text=from $20 up to $30 a month, as $x^2$ is")
    expect(page.locator(".prose .katex")).to_have_count(1)
    expect(page.locator(".prose")).to_contain_text("from $20 up to $30 a month, as")


def test_an_engine_that_is_killed_is_told_with_what_to_do_and_what_it_said_stays(
    serve_fake: Serve, open_page: Open
) -> None:
    served = serve_fake()
    page = open_page(served)
    start(page)
    send(page, "tokens=50 stall-after=3")
    page.locator(".prose").first.wait_for()
    (engine,) = engines(served)
    engine.kill()
    expect(page.get_by_role("alert").first).to_contain_text("killed from outside")
    assert answer(page).split() == ["w1", "w2", "w3"]
