"""The terminal: nothing but printable text and our own styles reaches it, and what a person types is the person's."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.printable import printable, printable_json
from tests.app.talking import new_session, prepare
from tests.cli.conftest import Chat, chat, ready
from tests.cli.terminal import Terminal, run
from tests.direct_host import DirectHost
from tests.library.gguf_files import write_model

__all__ = ["chat", "ready"]  # fixtures

HOSTILE = (
    "\x1b]52;c;cHduZWQ=\x07\x1b]0;OWNED\x1b\\\x1b[2J\x1b[99;99H\x9b5m\x90q\x9c\x7f\b"
    "\u202eabc\u2066x\u2069\u200by\u200dz\u2028w\ufeff\U000e0041"
)
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|\?2004[lh]|[0-9]*[AK]|2K|1?C)|\x1b[=>]")
"""Sequences of our styles, of progress lines and of readline."""

UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")

NAME = f"evil{HOSTILE.replace(chr(0x2028), '')}".replace("/", "")


def test_only_printable_text_passes_however_it_is_cut() -> None:
    assert printable(HOSTILE) == "]52;c;cHduZWQ=]0;OWNED\\[2J[99;99H5mqabcxyz\nw"
    kept = "é🦙 👩\u200d👧 क्\u200dष می\u200cشود 한글 日本語\t|\n"
    assert printable(kept) == kept
    assert "".join(printable(char) for char in kept) == kept
    assert printable_json('{"a": "\x9b\u202e🦙\U000e0041"}'.encode()) == '{"a": "\\u009b\\u202e🦙\\udb40\\udc41"}'


@given(st.lists(st.text(st.characters(exclude_categories=[]))))
def test_what_passes_has_no_control_character_and_no_invisible_one(pieces: list[str]) -> None:
    for shown in (printable("".join(pieces)), "".join(map(printable, pieces))):
        assert not UNPRINTABLE.search(shown)


def test_nothing_but_printable_text_reaches_a_terminal_from_answers_titles_and_names(
    ready: Path, fake_llama_cpp: Path
) -> None:
    """vercel/ai#20052: the clipboard and the title of the window were set from a tool call's arguments."""
    write_model(ready / "models" / f"{NAME}.gguf")
    prepare(ready, fake_llama_cpp, models={"default": "tiny"})
    with DirectHost(ready, validate=False) as host:
        host.call("create_session", session_id=(session := new_session()), title=f"Title {HOSTILE}", system=HOSTILE)
    with Terminal(ready, ["chat", "--session", session]) as terminal:
        answer = terminal.ask("replay=hostile")
        assert "Sound ]52;c;cHduZWQ=]0;OWNED\\[2J[99;99H5mqabcxyz\nw words é🦙 👩\u200d👧 end" in answer
        assert "→ get]52;c;" in answer
        for command in ("/models", "/sessions", "/session", "/system", "/config", "/switch no-such-model", "/nothing"):
            assert terminal.ask(command)
        terminal.enter("/quit")
        assert terminal.wait() == 0
        assert_printable(terminal)
    for arguments in (
        ["doctor"],
        ["models", "list"],
        ["models", "scan"],
        ["models", "inspect", NAME],
        ["call", "list_sessions"],
        ["call", f"x{HOSTILE}"],
        ["models", f"x{HOSTILE}"],
    ):
        with Terminal(ready, arguments) as terminal:
            terminal.wait()
            assert_printable(terminal)


def assert_printable(terminal: Terminal) -> None:
    left = OURS.sub("", terminal.raw).replace("\r", "").replace("\b", "").replace("\u200d👧", "👧")
    strange = {char for char in left if not char.isprintable() and char not in "\n\t"}
    assert not strange, f"{strange}:\n{left!r}"
    assert "Traceback" not in left
    for sequence in ("\x1b[2J", "\x1b[99", "\x1b[5m"):
        assert sequence not in terminal.raw


def test_lines_that_are_pasted_together_are_one_message(chat: Chat) -> None:
    """openinterpreter#1446: three pasted lines were three messages."""
    terminal = chat()
    terminal.until("\n> ")
    terminal.press("\x1b[200~first line\nsecond line\ntokens=2\x1b[201~")
    terminal.until("tokens=2")
    terminal.press("\n")
    assert terminal.asked().count("tokens/s") == 1
    assert "Messages  2" in terminal.ask("/session")


def test_what_is_typed_during_an_answer_is_not_echoed_into_it_and_is_there_at_the_prompt(chat: Chat) -> None:
    terminal = chat()
    terminal.enter("tokens=40 delay=0.04")
    terminal.until("w3 ")
    terminal.press("tokens=2 ahead\nhalf a li")
    rest = terminal.asked()
    assert " ".join(f"w{n}" for n in range(4, 41)) in rest
    assert "ahead" not in rest
    terminal.until("> tokens=2 ahead")
    assert "w1 w2 \n" in terminal.asked()
    terminal.until("> half a li")
    terminal.press("ne tokens=1\n")
    assert "w1 \n" in terminal.asked()


def test_emptying_the_trash_asks_first(ready: Path) -> None:
    with Terminal(ready, ["models", "delete", "tiny"]) as terminal:
        assert terminal.wait() == 0
        assert "--data-dir" in terminal.text
    done = run(ready, "models", "trash", "--empty")
    assert (done.returncode, "--yes deletes" in done.stderr.decode()) == (2, True)
    with Terminal(ready, ["models", "trash", "--empty"]) as terminal:
        terminal.until("Delete all of them permanently? [y/N] ")
        terminal.press("n\n")
        assert terminal.wait() == 2
        assert "--data-dir" in terminal.text
    assert b"1 model deleted permanently" in run(ready, "models", "trash", "--empty", "--yes").stdout
    assert b"The trash is empty." in run(ready, "models", "restore", "tiny").stderr
    assert b"--model" not in run(ready, "models", "inspect", "nothing").stderr
    assert b"llama-sidecar models download" in run(ready, "chat", "Hello").stderr


def test_a_command_without_an_action_lists_its_actions(data_dir: Path) -> None:
    for command, action in (("models", b"download"), ("engines", b"install")):
        done = run(data_dir, command)
        assert (done.returncode, action in done.stdout, done.stderr) == (0, True, b"")
