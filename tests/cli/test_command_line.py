"""The command line: help that can be read, options in any place, wrong ones told."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from sidecar.cli.arguments import parse
from tests.cli.conftest import Chat
from tests.cli.terminal import Terminal, run


@pytest.mark.parametrize("command", [[], ["chat"], ["call"], ["doctor"]])
def test_help_says_what_it_is_for_and_fits_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        parse([*command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "--data-dir DIR" in text
    for name in command or ("chat", "call", "doctor"):
        assert name in text


def test_alone_in_a_terminal_it_shows_help(data_dir: Path) -> None:
    with Terminal(data_dir, []) as terminal:
        assert terminal.wait() == 0
        assert terminal.text.startswith("usage: llama-sidecar")


@pytest.mark.parametrize("arguments", [["--data-dir", "x", "doctor"], ["doctor", "--data-dir", "x"]])
def test_the_data_folder_may_be_named_before_and_after_the_command(arguments: list[str]) -> None:
    assert parse(arguments).data_dir == Path("x").absolute()


def test_what_is_named_before_the_command_is_not_forgotten_after_it() -> None:
    options = parse(["--config", "c.json", "--log-level", "debug", "chat", "--data-dir", "x"])
    assert (options.config, options.log_level, options.data_dir) == (
        Path("c.json").absolute(),
        "debug",
        Path("x").absolute(),
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chat", "--ctx-size", "0"], "'0' is not a whole number of 1 or more"),
        (["chat", "--engine", "steam"], "steam"),
        (["sing"], "sing"),
        (["call"], "METHOD"),
    ],
)
def test_a_wrong_command_line_is_told(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_the_log_is_shown_where_it_is_asked_for(data_dir: Path) -> None:
    done = run(data_dir, "call", "ping", "--log-level", "debug")
    assert done.stdout == b'"pong"\n'
    assert b"INFO sidecar.app" in done.stderr


def test_a_data_folder_in_use_is_explained_by_every_command(chat: Chat, ready: Path) -> None:
    terminal = chat()
    terminal.asked()
    pid = psutil.Process(terminal.process.pid).children()[0].pid
    who = f"Another llama-sidecar (process {pid}) uses {ready}. It serves only the program that has started it."
    what = (
        f"Close that program or end process {pid}, then start this one again; "
        "or start this one with another --data-dir."
    )
    second = run(ready, "chat", "tokens=1")
    assert (second.returncode, second.stderr.decode()) == (1, f"error: {who}\n  {what}\n")
    doctor = run(ready, "doctor")
    assert (doctor.returncode, doctor.stdout.decode()) == (1, f"✗ {who}\n  {what}\n")
    call = run(ready, "call", "list_models")
    assert (call.returncode, call.stderr.decode().splitlines()[0]) == (1, f"error: {who} (DATA_DIR_LOCKED)")
    assert "w1 w2" in terminal.ask("tokens=2")


def test_a_home_folder_that_there_is_not_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(["--data-dir", "~nobody-of-this-name/data"])
    assert caught.value.code == 2
    assert "~nobody-of-this-name" in capsys.readouterr().err
