"""`llama-sidecar chat` without a conversation: a message as an argument or on stdin, answers into pipes and files."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests import fake_engine
from tests.app.talking import words
from tests.cli.conftest import Chat
from tests.cli.terminal import Terminal, run
from tests.library.gguf_files import write_model
from tests.program import PROGRAM


def sessions_on_disk(data_dir: Path) -> list[tuple[str, str, str | None]]:
    """The start of the id, title and system prompt of each session."""
    with closing(sqlite3.connect(data_dir / "history.db")) as db:
        return db.execute("SELECT substr(id, 1, 8), title, system FROM sessions").fetchall()


def flat(text: bytes) -> str:
    return " ".join(text.decode().split())


def test_a_message_is_answered_on_stdout_and_everything_else_is_on_stderr(ready: Path) -> None:
    done = run(ready, "chat", "tokens=3 reasoning=2")
    assert (done.returncode, done.stdout.decode()) == (0, f"{words(3)}\n")
    said = done.stderr.decode()
    assert "\x1b" not in said
    for part in (
        "tiny · llama-server",
        "Thinking:\nr1 r2 \n",
        "3 tokens · 100.0 tokens/s",
        "To continue: llama-sidecar",
    ):
        assert part in said


def test_a_message_on_stdin_is_sent_as_a_whole_and_a_pipe_gets_every_byte_of_the_answer(ready: Path) -> None:
    done = run(ready, "chat", stdin="text=first line\nsecond \x1b[31m line é🦙".encode() + b"\xff\n")
    assert (done.returncode, done.stdout.decode()) == (0, "first line\nsecond \x1b[31m line é🦙\ufffd\n")


def test_an_answer_in_a_terminal_can_not_steer_it_and_is_followed_by_the_shell(chat: Chat) -> None:
    terminal = chat("text=a\x1b[31mred\x07")
    assert terminal.wait() == 0
    assert "a[31mred\n" in terminal.raw.replace("\r", "")
    assert "\x07" not in terminal.raw
    assert "\na[31mred\n1 tokens · 100.0 tokens/s" in terminal.screen
    assert "\n> " not in terminal.screen


@pytest.mark.parametrize("stdin", [b"", b" \n"])
def test_no_message_is_told_before_anything_is_started(ready: Path, stdin: bytes) -> None:
    done = run(ready, "chat", stdin=stdin)
    assert (done.returncode, done.stdout) == (2, b"")
    assert flat(done.stderr).startswith("error: There is no message. Give one")
    assert not (ready / "history.db").exists()


@pytest.mark.parametrize(("arguments", "code"), [(["tokens=2"], 0), ([], 2)])
def test_a_closed_stdin_is_no_obstacle(ready: Path, arguments: list[str], code: int) -> None:
    command = [*PROGRAM, "--data-dir", str(ready), "chat", *arguments]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command], capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.decode().strip()) == (code, words(2).strip() if arguments else "")
    assert b"Traceback" not in done.stderr


def test_a_reader_who_leaves_ends_it_without_a_complaint(ready: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*PROGRAM, "--data-dir", str(ready), "chat", "tokens=9"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(write)
    assert done.returncode == 141
    assert b"BrokenPipe" not in done.stderr


def test_the_demo_streams_an_answer_and_its_speed_and_reads_no_stdin(ready: Path) -> None:
    done = run(ready, "chat", "--demo", stdin=b"not this")
    assert (done.returncode, done.stdout.decode()) == (0, f"{words(8)}\n")
    said = done.stderr.decode()
    assert said.index("tiny · llama-server") < said.index("> In two sentences") < said.index("100.0 tokens/s")
    assert b"not this" not in done.stderr


# --- sessions ----------------------------------------------------------------------------------------------


def test_a_session_is_gone_on_with_by_the_first_letters_of_its_id_and_keeps_its_system_prompt(ready: Path) -> None:
    first = run(ready, "chat", "--system", "Be [brief].", "tokens=2").stderr.decode()
    id_ = first.partition("--session ")[2].split()[0]
    second = run(ready, "chat", "--session", id_.upper(), "tokens=3")
    assert (second.returncode, second.stdout.decode()) == (0, f"{words(3)}\n")
    assert "tokens=2 · 2 messages" in second.stderr.decode()
    assert sessions_on_disk(ready) == [(id_, "tokens=2", "Be [brief].")]
    assert run(ready, "chat", "--session", id_, "--system", "", "tokens=1").returncode == 0
    assert sessions_on_disk(ready) == [(id_, "tokens=2", None)]


@pytest.mark.parametrize("id_", ["00000000-0000-4000-8000-000000000000", "[/x]"])
def test_a_session_that_there_is_not_is_told_and_none_is_made(ready: Path, id_: str) -> None:
    done = run(ready, "chat", "--session", id_, "tokens=1")
    assert (done.returncode, done.stdout) == (1, b"")
    assert id_ in done.stderr.decode()
    assert "/sessions in the chat lists the sessions there are." in done.stderr.decode()
    assert sessions_on_disk(ready) == []


# --- models and engines ------------------------------------------------------------------------------------


def test_a_model_may_be_named_by_a_path_from_here(ready: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "elsewhere.gguf")
    path = os.path.relpath(tmp_path / "elsewhere.gguf")
    assert b"elsewhere \xc2\xb7 llama-server" in run(ready, "chat", "--model", path, "tokens=1").stderr


def test_a_model_that_there_is_not_is_told_with_those_there_are(ready: Path) -> None:
    done = run(ready, "chat", "--model", "[nobody]", "tokens=1")
    assert (done.returncode, done.stdout) == (1, b"")
    assert flat(done.stderr) == (
        'error: There is no model "[nobody]". The path of a GGUF file works as well. The library has: tiny. (--model)'
    )


def test_an_engine_that_does_not_start_is_told_with_the_end_of_its_log(ready: Path, fake_llama_cpp: Path) -> None:
    fake_engine.install(fake_llama_cpp, "--say-on-load", "std::bad_alloc", "--exit-on-load", "3")
    done = run(ready, "chat", "tokens=1")
    assert (done.returncode, done.stdout) == (1, b"")
    lines = done.stderr.decode().splitlines()
    assert "there was not enough memory" in lines[0]
    assert "--ctx-size" in lines[1]
    assert any(line.startswith("  | ") and "std::bad_alloc" in line for line in lines[2:])


# --- places ------------------------------------------------------------------------------------------------


def test_a_broken_config_is_told_and_the_chat_goes_on(ready: Path, fake_llama_cpp: Path) -> None:
    (ready / "config.json").write_text("{no")
    done = run(ready, "chat", "--llama-cpp", os.path.relpath(fake_llama_cpp), "tokens=2")
    assert (done.returncode, done.stdout.decode()) == (0, f"{words(2)}\n")
    assert "! The config file is broken" in done.stderr.decode()
    assert "Correct " in done.stderr.decode()


# --- locales -----------------------------------------------------------------------------------------------

PLAIN_C = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "", "PYTHONIOENCODING": ""}
ASCII_ONLY = {**PLAIN_C, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_the_c_locale_does_no_harm(ready: Path) -> None:
    done = run(ready, "chat", "text=é🦙".encode() + b"\xff", env=PLAIN_C)
    assert (done.returncode, done.stdout.decode()) == (0, "é🦙\ufffd\n")


def test_a_locale_without_these_letters_shows_question_marks_and_sends_what_was_meant(ready: Path) -> None:
    with Terminal(ready, ["chat"], env=ASCII_ONLY) as terminal:
        assert "\n?? said\n" in terminal.ask("text=é🦙 said")
        terminal.enter("/quit")
        assert terminal.wait() == 0
    assert [title for _, title, _ in sessions_on_disk(ready)] == ["text=é🦙 said"]
