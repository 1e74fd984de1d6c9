"""The key in the system's keyring, and keyrings that are none, refuse, or do not answer."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from sidecar.contract.errors import NotSupported, SidecarError, StorageError
from sidecar.storage import history_key
from sidecar.storage.history_key import HistoryKey
from tests.storage import keyrings

BOUND_SECONDS = 30


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a good keyring."""
    use(monkeypatch, "tests.storage.keyrings.GoodKeyring")
    monkeypatch.setenv(keyrings.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def use(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", backend)


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text().splitlines())


def test_a_key_is_made_once_and_found_again(folder: Path) -> None:
    made = HistoryKey().get("a", make=True)
    assert len(made) == 32
    assert HistoryKey().get("a", make=True) == HistoryKey().get("a", make=False) == made
    assert HistoryKey().get("b", make=True) != made
    assert list(json.loads((folder / "passwords.json").read_text())) == ["llama-sidecar/a", "llama-sidecar/b"]


def test_a_key_that_is_gone_is_not_made_again(folder: Path) -> None:
    with pytest.raises(StorageError):
        HistoryKey().get("a", make=False)
    assert not (folder / "passwords.json").exists()


@pytest.mark.parametrize(
    "backend",
    [
        "keyring.backends.fail.Keyring",
        "keyring.backends.null.Keyring",
        "tests.storage.keyrings.PlainTextKeyring",
        "tests.storage.keyrings.NoSuchKeyring",
        "no.such.module.Keyring",
        "nonsense",
    ],
)
def test_a_keyring_that_keeps_nothing_safe_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    use(monkeypatch, backend)
    with pytest.raises(NotSupported):
        HistoryKey().get("a", make=True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("package", ["keyring", "cryptography.hazmat.primitives.ciphers.aead"])
def test_without_its_packages_there_is_no_encryption_and_the_hint_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(NotSupported) as refused:
        HistoryKey().get("a", make=True)
    assert " -m pip install " in refused.value.hint
    assert "keyring" in refused.value.hint


def test_a_keyring_that_keeps_nothing_is_noticed_before_anything_is_encrypted(folder: Path) -> None:
    (folder / "forgetful").touch()
    with pytest.raises(StorageError):
        HistoryKey().get("a", make=True)


@pytest.mark.parametrize("kept", ["", "no base64!", "c2hvcnQ="])
def test_something_else_under_the_keys_name_is_no_key(folder: Path, kept: str) -> None:
    (folder / "passwords.json").write_text(json.dumps({"llama-sidecar/a": kept}))
    with pytest.raises(StorageError):
        HistoryKey().get("a", make=True)
    assert json.loads((folder / "passwords.json").read_text()) == {"llama-sidecar/a": kept}


def test_a_locked_keyring_is_asked_again_when_it_is_needed_again(folder: Path) -> None:
    keyring = HistoryKey()
    (folder / "locked").touch()
    with pytest.raises(StorageError):
        keyring.get("a", make=True)
    (folder / "locked").unlink()
    assert len(keyring.get("a", make=True)) == 32


def test_a_keyring_that_hangs_is_asked_and_waited_for_once_and_its_answer_is_taken_when_it_comes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = HistoryKey().get("a", make=True)
    before = asked(folder)
    (folder / "hanging").touch()
    keyring = HistoryKey()
    with monkeypatch.context() as impatient:
        impatient.setattr(history_key, "ANSWER_SECONDS", 0.2)
        with pytest.raises(StorageError):
            keyring.get("a", make=False)
    deadline = time.monotonic() + BOUND_SECONDS
    while asked(folder) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(StorageError):
            keyring.get("a", make=False)
    assert time.monotonic() - began < history_key.ANSWER_SECONDS
    assert asked(folder) == before + 1
    (folder / "hanging").unlink()
    assert in_the_end(keyring) == kept
    assert asked(folder) == before + 1


def in_the_end(keyring: HistoryKey) -> bytes:
    """The key, as soon as it is there."""
    deadline = time.monotonic() + BOUND_SECONDS
    while True:
        try:
            return keyring.get("a", make=False)
        except SidecarError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_whoever_waits_for_a_keyring_waits_no_longer_at_the_end(folder: Path) -> None:
    (folder / "hanging").touch()
    keyring = HistoryKey()
    refusals: list[SidecarError] = []

    def wait() -> None:
        try:
            keyring.get("a", make=True)
        except SidecarError as refusal:
            refusals.append(refusal)

    waiting = threading.Thread(target=wait)
    waiting.start()
    keyring.cancel()
    waiting.join(history_key.ANSWER_SECONDS / 2)
    assert not waiting.is_alive()
    with pytest.raises(StorageError):
        keyring.get("a", make=True)
    assert [type(refusal) for refusal in refusals] == [StorageError]
    (folder / "hanging").unlink()
