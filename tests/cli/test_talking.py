"""A conversation in a terminal: answers as they come, thinking, and everything that can go wrong with one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests import fake_engine
from tests.cli.conftest import Chat
from tests.cli.terminal import Terminal
from tests.library.gguf_files import write_model

FIGURES = "3 tokens · 100.0 tokens/s · first after "


def test_the_chat_shows_its_load_and_then_says_what_answers_and_how_to_leave(chat: Chat, fake_llama_cpp: Path) -> None:
    fake_engine.install(fake_llama_cpp, "--ready-after", "1.5")
    terminal = chat()
    terminal.until("Loading the model")
    terminal.asked()
    welcome = [line for line in terminal.screen.splitlines() if line]
    assert welcome[0].startswith("tiny · llama-server · context ")
    assert welcome[1:] == ["/help lists commands. Ctrl-C stops an answer, Ctrl-D ends the chat.", ">"]
    terminal.enter("/q")
    assert terminal.wait() == 0
    assert "To continue" not in terminal.text  # there is nothing to continue


def test_an_answer_is_printed_with_its_figures(talk: Terminal) -> None:
    shown = talk.ask("tokens=3").splitlines()
    assert "w1 w2 w3 " in shown
    assert FIGURES in shown[-1]


def test_thinking_stands_apart_from_the_answer(talk: Terminal) -> None:
    shown = talk.ask("tokens=2 reasoning=3").splitlines()
    at = shown.index("Thinking:")
    assert shown[at : at + 4] == ["Thinking:", "r1 r2 r3 ", "", "w1 w2 "]


def test_a_tool_call_is_shown(talk: Terminal) -> None:
    assert '→ get_time({"zone": "UTC"})' in talk.ask("tool=get_time")


def test_what_a_model_writes_is_shown_as_it_is(talk: Terminal) -> None:
    answer = "[bold]x[/] [/foo] :smile: é🦙 \\"
    assert answer in talk.ask(f"text={answer}").splitlines()


def test_earlier_messages_are_part_of_the_conversation(talk: Terminal) -> None:
    first = talk.ask("tokens=3").splitlines()[-1]
    second = talk.ask("tokens=3").splitlines()[-1]
    used = [int(line.split("context ")[1].split()[0]) for line in (first, second)]
    assert used[0] < used[1]


def test_an_answer_that_goes_wrong_is_told_and_the_chat_goes_on(talk: Terminal) -> None:
    shown = talk.ask("tokens=9 error-after=2").splitlines()
    at = shown.index("w1 w2 ")
    assert "the fake engine fails" in shown[at + 1]
    assert "Try again" in shown[at + 2]
    assert "w1 w2 w3" in talk.ask("tokens=3")


def test_a_message_that_does_not_fit_is_told_with_numbers_and_ways_out(chat: Chat) -> None:
    terminal = chat("--ctx-size", "30")
    shown = " ".join(terminal.ask("x " * 35).split())
    assert "The prompt has 37 tokens, and the context 30." in shown
    assert "--ctx-size" in shown  # and no /new: this message alone is too long
    assert "w1" in terminal.ask("tokens=1")


def test_an_engine_that_dies_is_told_and_the_next_message_finds_it_started_again(
    chat: Chat, fake_llama_cpp: Path
) -> None:
    terminal = chat()
    terminal.ask("/system Be brief.")
    shown = terminal.ask("tokens=9 die-after=2")
    assert "w1 w2 \nThe engine ended while it was in use" in shown
    assert "(exit code 42)" in " ".join(shown.split())
    assert "the engine is started again" in " ".join(shown.split())
    assert "w1 w2 w3" in terminal.ask("tokens=3")
    session = terminal.ask("/session")
    assert "Messages  4" in session
    assert "Be brief." in session
    fake_engine.install(fake_llama_cpp, "--ready-after", "1")
    terminal.ask("tokens=1 die-after=1")
    shown = terminal.ask("tokens=3")
    assert shown.index("it is started again") < shown.index("tiny · llama-server") < shown.index("w1 w2 w3")
    fake_engine.install(fake_llama_cpp, "--say-on-load", "std::bad_alloc", "--exit-on-load", "3")
    terminal.ask("tokens=1 die-after=1")
    for _ in range(2):  # each time, and the chat goes on
        shown = terminal.ask("tokens=1")
        assert "there was not enough memory" in shown
        assert "--ctx-size" in shown
        assert "| " in shown  # the end of the engine's log
    fake_engine.install(fake_llama_cpp)
    assert "w1 w2" in terminal.ask("tokens=2")


def test_another_model_is_loaded_and_stays_when_the_engine_has_to_be_started_again(chat: Chat, ready: Path) -> None:
    write_model(ready / "models" / "other.gguf")
    terminal = chat("--model", "tiny")
    terminal.ask("tokens=2")
    assert "other · llama-server" in terminal.ask("/switch other")
    assert "● other  in use" in terminal.ask("/models")
    terminal.ask("tokens=1 die-after=1")
    assert "other · llama-server" in terminal.ask("tokens=2")
    terminal.ask("tokens=1 die-after=1")
    assert "tiny · llama-server" in terminal.ask("/switch tiny")
    assert "Messages  8" in terminal.ask("/session")


def test_the_end_of_the_sidecar_is_told_and_ends_the_chat(chat: Chat) -> None:
    terminal = chat()
    terminal.enter("stall-after=1")
    terminal.until("w1 ")
    sidecar_of(terminal).send_signal(signal.SIGKILL)
    assert terminal.wait() == 1
    assert "connection to the sidecar broke" in terminal.screen
    assert "Traceback" not in terminal.text


def test_the_end_of_the_sidecar_between_two_messages_is_told_with_the_next_one(chat: Chat) -> None:
    terminal = chat()
    terminal.asked()
    sidecar = sidecar_of(terminal)
    sidecar.send_signal(signal.SIGKILL)
    terminal.enter("tokens=1")
    assert terminal.wait() == 1
    assert "connection to the sidecar broke" in terminal.screen
    assert "Traceback" not in terminal.text


def test_a_narrow_terminal_cuts_no_names_and_no_commands(chat: Chat, ready: Path) -> None:
    name = "a-model-with-quite-a-long-name-in-it-Q4_K_M"
    write_model(ready / "models" / f"{name}.gguf")
    terminal = chat("--model", "tiny", columns=40)
    assert name in terminal.ask("/models").replace("\n", "")
    shown = terminal.ask("/help")
    assert "/resources" in shown
    assert "KEY=VALUE" in shown
    assert max(map(len, shown.splitlines())) <= 40
    assert "w1 w2 w3" in terminal.ask("tokens=3")


def test_a_closed_window_leaves_no_process(chat: Chat) -> None:
    terminal = chat()
    terminal.enter("stall-after=1")
    terminal.until("w1 ")
    left = psutil.Process(terminal.process.pid).children(recursive=True)
    assert len(left) == 3  # the sidecar, its engine and its watchdog
    terminal.close()
    assert psutil.wait_procs(left, timeout=10)[1] == []


def test_answers_can_be_piped_on_while_a_person_types(chat: Chat) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.buffer.raw.readall(); sys.exit(0)"], stdin=subprocess.PIPE
    ) as reader:
        assert reader.stdin is not None
        terminal = chat(stdout=reader.stdin.fileno())
        terminal.ask("tokens=3")
        terminal.enter("/quit")
        assert terminal.wait() == 0
        assert "w1 w2 w3" not in terminal.text
        reader.stdin.close()


def sidecar_of(terminal: Terminal) -> psutil.Process:
    [sidecar] = psutil.Process(terminal.process.pid).children()
    return sidecar
