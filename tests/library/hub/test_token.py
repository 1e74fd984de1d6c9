"""The hub's token is found where people keep it, and a keyring that hangs holds nobody up."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sidecar.library.hub import token as module
from sidecar.library.hub.token import TokenSource


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def nothing() -> None:
    return None


def test_there_is_none_where_nobody_has_put_one() -> None:
    assert TokenSource(nothing).token() is None


def test_the_keyring_wins_over_the_variable_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_file\n")
    assert TokenSource(nothing).token() == "hf_file"
    monkeypatch.setenv("HF_TOKEN", "hf_variable")
    assert TokenSource(nothing).token() == "hf_variable"
    assert TokenSource(lambda: "hf_keyring").token() == "hf_keyring"


@pytest.mark.parametrize("text", ["two\nlines", "näme", "x" * 1001, "\x00", " "])
def test_what_could_be_no_token_is_not_sent(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert TokenSource(lambda: text).token() is None


def test_a_keyring_that_fails_is_none() -> None:
    def fail() -> str:
        raise RuntimeError("no bus")

    assert TokenSource(fail).token() is None


def test_a_keyring_that_hangs_is_left_alone_and_its_late_answer_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYRING_SECONDS", 0.05)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    unlocked, asked = threading.Event(), []

    def ask() -> str:
        asked.append(time.monotonic())
        assert unlocked.wait(10)
        return "hf_late"

    source = TokenSource(ask)
    assert source.token() is None
    assert source.token() is None
    assert len(asked) == 1  # one dialog
    unlocked.set()
    monkeypatch.setattr(module, "KEYRING_SECONDS", 10.0)
    assert source.token() == "hf_late"
    assert source.last == "hf_late"
