"""The hub's token is found where people keep it, and a keyring that hangs blocks nobody."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sidecar.library.hub import token as module
from sidecar.library.hub.token import TokenSource
from tests.storage import keyrings

BOUND_SECONDS = 30


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a good keyring."""
    folder = tmp_path / "keyring"
    folder.mkdir()
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.storage.keyrings.GoodKeyring")
    monkeypatch.setenv(keyrings.FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def keep(keyring: Path, token: str) -> None:
    (keyring / "passwords.json").write_text(json.dumps({"llama-sidecar/huggingface": token}))


def test_there_is_none_where_nobody_has_put_one() -> None:
    assert TokenSource().token() is None


def test_the_keyring_wins_over_the_variable_and_that_over_the_file(
    tmp_path: Path, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_file\n")
    assert TokenSource().token() == "hf_file"
    monkeypatch.setenv("HF_TOKEN", "hf_variable")
    assert TokenSource().token() == "hf_variable"
    keep(keyring, "hf_keyring")
    assert TokenSource().token() == "hf_keyring"


@pytest.mark.parametrize("text", ["two\nlines", "näme", "x" * 1001, "\x00", " "])
def test_what_could_be_no_token_is_not_sent(keyring: Path, text: str) -> None:
    keep(keyring, text)
    assert TokenSource().token() is None


def test_a_keyring_that_refuses_is_none(keyring: Path) -> None:
    keep(keyring, "hf_keyring")
    (keyring / "locked").touch()
    assert TokenSource().token() is None


def test_a_keyring_that_keeps_nothing_safe_is_not_asked(keyring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(keyring, "hf_keyring")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.storage.keyrings.PlainTextKeyring")
    assert TokenSource().token() is None


def test_a_keyring_that_hangs_is_asked_once_and_its_late_answer_is_taken(
    keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEYRING_SECONDS", 0.05)
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    keep(keyring, "hf_late")
    (keyring / "hanging").touch()
    source = TokenSource()
    deadline = time.monotonic() + BOUND_SECONDS
    while not (keyring / "asked").exists():
        assert source.token() is None
        assert time.monotonic() < deadline
    assert source.token() is None
    assert (keyring / "asked").read_text() == "asked\n"  # one dialog
    (keyring / "hanging").unlink()
    monkeypatch.setattr(module, "KEYRING_SECONDS", BOUND_SECONDS)
    assert source.token() == "hf_late"
    assert source.last == "hf_late"
