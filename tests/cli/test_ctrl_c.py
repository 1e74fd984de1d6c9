"""Ctrl-C, Ctrl-D and /quit: what each of them ends, and what it leaves as it was."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from sidecar.cli.interrupts import Interruptible
from tests import fake_engine
from tests.cli.conftest import Chat
from tests.cli.terminal import Terminal
from tests.library.gguf_files import write_model

CTRL_C, CTRL_D = "\x03", "\x04"


def last_line(terminal: Terminal) -> str:
    """What was shown last before the program asked again."""
    return terminal.asked().strip().splitlines()[-1]


def test_ctrl_c_stops_the_answer_and_not_the_program(talk: Terminal) -> None:
    talk.enter("tokens=9 stall-after=2")
    talk.until("w1 w2 ")
    talk.press(CTRL_C)
    assert last_line(talk) == "Stopped. The answer so far is kept."
    assert "w1 w2 w3" in talk.ask("tokens=3")
    assert "Messages  4" in talk.ask("/session")


def test_ctrl_c_before_the_first_word_stops_the_answer(talk: Terminal) -> None:
    talk.enter("stall-after=0")
    talk.until("Reading: ")
    talk.press(CTRL_C)
    assert last_line(talk) == "Stopped."
    talk.ask("/new")
    assert "w1 w2 w3" in talk.ask("tokens=3")


def test_ctrl_c_while_the_model_thinks_stops_it(talk: Terminal) -> None:
    talk.enter("reasoning=2 stall-after=0")
    talk.until("r1 r2 ")
    talk.press(CTRL_C)
    assert last_line(talk) == "Stopped. The answer so far is kept."
    talk.ask("/new")
    assert "w1 w2 w3" in talk.ask("tokens=3")


def test_pressing_ctrl_c_again_and_again_does_no_more_harm(talk: Terminal) -> None:
    talk.enter("tokens=9 stall-after=2")
    talk.until("w1 w2 ")
    talk.press(CTRL_C * 5)
    talk.asked()
    assert "w1 w2 w3" in talk.ask("tokens=3")
    assert "Traceback" not in talk.text


def test_ctrl_c_at_the_prompt_says_how_to_leave_and_asks_again(talk: Terminal) -> None:
    talk.until("\n> ")
    talk.press("half a line")
    talk.until("half a line")
    talk.press_until_heard(CTRL_C, "Ctrl-D or /quit ends the chat.")
    talk.asked()
    assert "w1 w2 w3" in talk.ask("tokens=3")


def test_ctrl_d_ends_the_chat_and_says_how_to_go_on_with_it(chat: Chat, ready: Path) -> None:
    terminal = chat()
    terminal.ask("tokens=2")
    terminal.until("\n> ")
    terminal.press(CTRL_D)
    assert terminal.wait() == 0
    told = terminal.text.rpartition("To continue: ")[2].replace("\n", "")
    assert f"--data-dir '{ready}'" in told
    id_ = told.split("--session ")[1].split()[0]

    again = chat("--session", id_)
    assert "tokens=2 · 2 messages" in again.asked()
    assert "w1 w2 w3" in again.ask("tokens=3")
    assert "Messages  4" in again.ask("/session")
    again.enter("/quit")
    assert again.wait() == 0


def test_ctrl_c_while_the_model_is_loading_ends_the_program(chat: Chat, fake_llama_cpp: Path) -> None:
    fake_engine.install(fake_llama_cpp, "--stuck-at", "0.5")
    terminal = chat()
    terminal.until("50%")
    terminal.press(CTRL_C)
    assert terminal.wait() == 130
    assert "Traceback" not in terminal.text
    assert "Stopped" in terminal.screen


def test_ctrl_c_while_another_model_is_loading_brings_the_prompt_back(
    chat: Chat, ready: Path, fake_llama_cpp: Path
) -> None:
    write_model(ready / "models" / "other.gguf")
    terminal = chat("--model", "tiny")
    terminal.asked()
    fake_engine.install(fake_llama_cpp, "--stuck-at", "0.5")
    terminal.enter("/switch other")
    terminal.until("50%")
    terminal.press(CTRL_C)
    assert last_line(terminal) == "Stopped."
    fake_engine.install(fake_llama_cpp)
    shown = terminal.ask("tokens=3")
    assert "tiny · llama-server" in shown
    assert "w1 w2 w3" in shown


def test_ctrl_c_ends_a_single_answer_with_the_shells_exit_code(chat: Chat) -> None:
    terminal = chat("tokens=9 stall-after=2")
    terminal.until("w1 w2 ")
    terminal.press(CTRL_C)
    assert terminal.wait() == 130
    assert "Stopped. The answer so far is kept." in terminal.screen


# --- the loop behind it ------------------------------------------------------------------------------------


def test_an_interrupt_cancels_what_runs_and_nothing_after_it() -> None:
    async def pressed() -> None:
        signal.raise_signal(signal.SIGINT)
        await asyncio.Event().wait()

    async def rests() -> str:
        await asyncio.sleep(0)
        return "done"

    with Interruptible() as loop:
        with pytest.raises(KeyboardInterrupt):
            loop.run(pressed())
        assert loop.run(rests()) == "done"


def test_each_interrupt_cancels_again() -> None:
    caught = 0

    async def stubborn() -> int:
        nonlocal caught
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                caught += 1
        return caught

    with Interruptible() as loop:
        assert loop.run(stubborn()) == 3


def test_an_interrupt_where_nothing_runs_is_raised() -> None:
    with Interruptible(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_tidying_up_is_not_interrupted() -> None:
    async def tidy() -> str:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0)
        return "tidy"

    before = signal.getsignal(signal.SIGINT)
    with Interruptible() as loop:
        assert loop.finish(tidy()) == "tidy"
    assert signal.getsignal(signal.SIGINT) is before
