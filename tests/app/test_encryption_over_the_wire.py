"""An encrypted history as a host and a thief see it: real sidecars, their keyring, and the bytes on the disk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Talk, new_session, prepare, words
from tests.busy import BUSY_SECONDS
from tests.storage import keyrings
from tests.storage.secret_words import CANARY, SECRETS, TITLE, files_with

GOOD = "tests.storage.keyrings.GoodKeyring"

FAIL = "keyring.backends.fail.Keyring"


class Place:
    """A data folder, a keyring, and sidecars that use them."""

    def __init__(self, data_dir: Path, llama_cpp: Path, keyring: Path) -> None:
        self.data_dir = data_dir
        self.keyring = keyring
        self._llama_cpp = llama_cpp
        self._hosts: list[Talk] = []

    def start(self, *, backend: str = GOOD, server: bool = True, **storage: Any) -> Talk:
        """A sidecar; with `encrypt`, its config file says so before it starts."""
        if storage or not (self.data_dir / "config.json").exists():
            prepare(self.data_dir, self._llama_cpp, storage=storage)
        env = {"PYTHON_KEYRING_BACKEND": backend, keyrings.FOLDER_VARIABLE: str(self.keyring)}
        host = Talk(self.data_dir, env=env)
        self._hosts.append(host)
        if server:
            host.call("start_llama_server")
        return host

    def close(self) -> None:
        for host in self._hosts:
            host.close()

    def with_secrets(self) -> set[str]:
        """Names of the files that hold what was said."""
        return files_with(self.data_dir, *SECRETS, words(3))


@pytest.fixture
def place(tmp_path: Path, data_dir: Path, fake_llama_cpp: Path) -> Iterator[Place]:
    keyring = tmp_path / "keyring"
    keyring.mkdir()
    place = Place(data_dir, fake_llama_cpp, keyring)
    yield place
    place.close()


def encrypt(host: Talk, value: bool) -> None:
    config = host.call("set_config", patch={"storage": {"encrypt": value}})
    assert config["storage"]["encrypt"] is value


def converse(host: Talk) -> str:
    """A session with a question in three wordings and an answer given twice; returns its id."""
    session = host.call("create_session", title=TITLE, system=CANARY, config={"stop": CANARY})["session_id"]
    said: str = host.say(f"{CANARY} tokens=3", session)["user_message_id"]
    host.call("edit_message", session_id=session, message_id=said, message=f"{CANARY}! tokens=3")
    host.call("regenerate_message", session_id=session)
    host.say([{"type": "text", "text": f"{CANARY}? tokens=3"}], session)
    assert isinstance(session, str)
    return session


def all_of(host: Talk, session: str) -> tuple[Any, Any]:
    """A session and its whole tree, as they are exported."""
    exported = json.loads(host.call("export_session", session_id=session)["content"])
    return host.call("get_session", session_id=session), exported


@pytest.mark.case(39)
def test_what_is_said_to_an_encrypted_history_comes_back_after_a_restart_and_stands_in_no_file(place: Place) -> None:
    with place.start(encrypt=True) as host:
        session = converse(host)
        kept = all_of(host, session)
        assert CANARY in json.dumps(kept, ensure_ascii=False)
        assert place.with_secrets() == set()  # also in the WAL
        exported = host.call("export_session", session_id=session)["content"]
        host.call("delete_session", session_id=session)
    with place.start(server=False) as host:
        assert host.call("initialize")["notices"] == []
        host.call("restore_session", session_id=session)
        assert all_of(host, session) == kept
        imported = host.call("import_session", content=exported)
        assert (imported["title"], imported["system"]) == (TITLE, CANARY)
        assert len(host.call("get_messages", session_id=imported["session_id"])["messages"]) == 4
        assert len(host.call("list_sessions", query="GUANACO")["sessions"]) == 2
    assert place.with_secrets() == set()


@pytest.mark.case(27)
def test_an_answer_that_a_kill_broke_off_is_kept_and_resumed_and_was_never_on_the_disk_in_plain_text(
    place: Place,
) -> None:
    host, session = place.start(encrypt=True), new_session()
    _, channel = host.begin_turn(f"{CANARY} reasoning=2 tokens=60 hold-after=50", session)
    host.heard(channel, words(50))
    seen = host.events[channel]
    host.process.kill()
    host.process.wait()
    assert place.with_secrets() == set()
    with place.start(server=False) as host:
        assert host.branch(session)[-1] == ("assistant", words(50), "interrupted")
        again = host.new_channel()
        host.error_of(host.begin("resume_session", session_id=session, after_seq=2, channel=again))
        assert host.events[again][:-1] == [{**event, "channel": again} for event in seen[2:]]
    assert place.with_secrets() == set()


def test_switching_on_and_off_takes_effect_at_once_with_what_is_there_already(place: Place) -> None:
    host = place.start()
    session = converse(host)
    kept = all_of(host, session)
    copy = place.data_dir / "history-before-schema-2.db"
    copy.write_bytes(CANARY.encode())
    assert len(host.call("search_messages", query="vicuña")["hits"]) == 3
    assert "history.db" in {name.removesuffix("-wal") for name in place.with_secrets()}
    encrypt(host, True)
    assert place.with_secrets() == {copy.name}
    assert [notice["name"] for notice in host.call("initialize")["notices"]] == ["HISTORY_COPIES_NOT_ENCRYPTED"]
    copy.unlink()
    assert all_of(host, session) == kept
    refused = host.fail("search_messages", query="vicuña")
    assert refused["data"]["name"] == "NOT_SUPPORTED"
    assert "encrypted" in refused["message"]
    assert {"action": "open_settings", "params": {"key": "storage.encrypt"}} in refused["data"]["remedies"]
    host.call("reset_config")  # is no wish to have it in plain text
    assert place.with_secrets() == set()
    encrypt(host, False)
    assert all_of(host, session) == kept
    assert len(host.call("search_messages", query="vicuña")["hits"]) == 3
    assert place.with_secrets() != set()


def test_without_a_good_keyring_switching_on_is_refused_and_all_stays_as_it_is(place: Place) -> None:
    host = place.start(backend="tests.storage.keyrings.PlainTextKeyring")
    session = host.say(f"{CANARY} tokens=3")["session_id"]
    before = (place.data_dir / "config.json").read_bytes()
    refused = host.fail("set_config", patch={"storage": {"encrypt": True}, "chat": {"temperature": 0.5}})
    assert refused["data"]["name"] == "NOT_SUPPORTED"
    assert "keyring" in refused["message"]
    assert host.call("get_config")["storage"]["encrypt"] is None
    assert (place.data_dir / "config.json").read_bytes() == before
    host.say("tokens=3", session)
    assert len(host.call("search_messages", query="vicuña")["hits"]) == 1


def test_a_config_that_can_not_be_followed_refuses_what_is_said_and_nothing_else(place: Place) -> None:
    with place.start(backend=FAIL, encrypt=True) as host:
        assert host.call("ping") == "pong"
        assert [model["name"] for model in host.call("list_models")] == ["tiny"]
        assert [server["state"] for server in host.call("list_servers")] == ["ready"]
        session = "0b9d7f0e-2c1e-4b5e-9a53-1f4f6a7f2d11"
        for method, params in {
            "send_message": {"message": f"{CANARY} tokens=3"},
            "create_session": {"title": TITLE},
            "list_sessions": {},
            "get_session": {"session_id": session},
            "get_messages": {"session_id": session},
            "search_messages": {"query": "vicuña"},
            "delete_session": {"session_id": session},
        }.items():
            error = host.fail(method, **params)
            assert (method, error["data"]["name"]) == (method, "NOT_SUPPORTED")
            assert "storage.encrypt" in error["data"]["hint"]
        assert place.with_secrets() == set()
        host.call("set_config", patch={"chat": {"temperature": 0.5}})
        encrypt(host, False)
        host.say(f"{CANARY} tokens=3")
    assert "history.db" in place.with_secrets()


def test_a_history_whose_key_is_gone_is_refused_and_left_as_it_is(place: Place) -> None:
    with place.start(encrypt=True) as host:
        session = host.say(f"{CANARY} tokens=3")["session_id"]
    passwords = place.keyring / "passwords.json"
    kept = passwords.read_text()
    passwords.unlink()
    with place.start() as host:
        for method in ("get_messages", "export_session", "delete_session"):
            assert host.fail(method, session_id=session)["data"]["name"] == "STORAGE_ERROR"
        assert host.answer(host.begin_turn("tokens=3", session)[0])["error"]["data"]["name"] == "STORAGE_ERROR"
        assert (
            host.fail("set_config", patch={"storage": {"encrypt": False}})["data"]["name"],
            host.call("get_config")["storage"]["encrypt"],
        ) == ("STORAGE_ERROR", True)
        assert not passwords.exists()
        passwords.write_text(kept)
        encrypt(host, False)
        assert len(host.branch(session)) == 2


def test_a_keyring_that_hangs_holds_up_neither_the_end_nor_what_needs_no_history(place: Place) -> None:
    (place.keyring / "hanging").touch()
    host = place.start(server=False, encrypt=True)
    try:
        host.begin("list_sessions")
        assert host.call("ping") == "pong"
        assert [model["name"] for model in host.call("list_models")] == ["tiny"]
        began = time.monotonic()
        assert host.close() == 0
        assert time.monotonic() - began < 5 + BUSY_SECONDS
    finally:
        (place.keyring / "hanging").unlink()


def test_no_log_holds_the_key_or_a_word_of_what_was_said(place: Place) -> None:
    with place.start(encrypt=True) as host:
        converse(host)
        encrypt(host, False)
        encrypt(host, True)
    [key] = json.loads((place.keyring / "passwords.json").read_text()).values()
    assert files_with(place.data_dir, key) == set()
    assert files_with(place.data_dir / "logs", *SECRETS) == set()
    assert key.encode() not in host.stderr
