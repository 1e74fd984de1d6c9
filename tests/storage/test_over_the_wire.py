"""What hosts see of a disk that is full, a folder that is read-only, and a history that is damaged: real sidecars."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.app.talking import Engine, Talk, new_session, prepare, words
from tests.busy import BUSY_SECONDS
from tests.raw_host import RawHost
from tests.storage.histories import PAGE, page_kinds, write_history

AS_ANYBODY = """
import ctypes, os, sys
if os.geteuid() == 0:  # whom permissions do not bind; without these two capabilities they do
    for capability in (1, 2):
        if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "CAP_DAC_OVERRIDE cannot be given up")
os.execv(sys.argv[1], sys.argv[1:])
"""
COMMAND_AS_ANYBODY = [sys.executable, "-c", AS_ANYBODY, sys.executable, "-m", "sidecar"]


@pytest.fixture
def talk(data_dir: Path, fake_llama_cpp: Path) -> Iterator[Talk]:
    prepare(data_dir, fake_llama_cpp)
    with Talk(data_dir) as host:
        yield host


@contextmanager
def no_file_longer_than(talk: Talk, size: int) -> Iterator[None]:
    """As on a full disk: what would be written beyond is not."""
    process = psutil.Process(talk.process.pid)
    _, most = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (size, most))
    yield
    process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, most))


def size_of_log(data_dir: Path) -> int:
    return (data_dir / "history.db-wal").stat().st_size


def names(errors: list[dict[str, Any]]) -> set[str]:
    return {error["data"]["name"] for error in errors}


def require_whole(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "history.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# --- a full disk -------------------------------------------------------------------------------------------------


@pytest.mark.case(29)
def test_on_a_full_disk_each_request_is_refused_once_with_its_name_and_goes_on_with_space(talk: Talk) -> None:
    engine, session = Engine(talk), new_session()
    assert engine.say("tokens=3", session)["content"] == words(3)
    config = talk.call("get_config")
    with no_file_longer_than(talk, size_of_log(talk.data_dir)):
        request, channel = engine.begin_turn("tokens=3", session)
        refused = [talk.error_of(request), talk.fail("create_session"), talk.fail("delete_session", session_id=session)]
        assert names(refused) == {"STORAGE_ERROR"}
        assert talk.statuses(channel)[-1] == "error"
        assert talk.text(channel) == ""  # nothing is said to a question that is not kept
        assert talk.branch(session) == [("user", "tokens=3", "complete"), ("assistant", words(3), "complete")]
    with no_file_longer_than(talk, 16):
        assert names([talk.fail("set_config", patch={"chat": {"top_k": 1}})]) == {"STORAGE_ERROR"}
        assert talk.call("get_config") == config
        assert json.loads((talk.data_dir / "config.json").read_text())["engines"]
    assert engine.say("tokens=4", session)["content"] == words(4)
    talk.call("set_config", patch={"chat": {"top_k": 1}})
    assert len(talk.branch(session)) == 4
    talk.close()
    require_whole(talk.data_dir)
    assert [p.name for p in talk.data_dir.iterdir() if p.name.startswith(".config")] == []


@pytest.mark.case(29)
def test_an_answer_that_the_full_disk_does_not_take_is_an_error_once_and_is_kept_as_far_as_it_can_be(
    talk: Talk,
) -> None:
    engine, session = Engine(talk), new_session()
    request, channel = engine.begin_turn("tokens=5 hold-after=3", session)
    talk.heard(channel, words(3))
    with no_file_longer_than(talk, size_of_log(talk.data_dir)):
        engine.release()
        error = talk.error_of(request)
    assert error["data"]["name"] == "STORAGE_ERROR"
    assert error["data"]["hint"]
    assert talk.statuses(channel)[-1] == "error"
    assert engine.say("tokens=2", new_session())["content"] == words(2)
    talk.close()
    require_whole(talk.data_dir)
    with RawHost(talk.data_dir) as again:
        question, answer = again.call("get_messages", session_id=session)["messages"]
        assert (question["content"], answer["state"]) == ("tokens=5 hold-after=3", "interrupted")
        assert words(5).startswith(answer["content"])


# --- a read-only folder ------------------------------------------------------------------------------------------


@pytest.mark.case(30)
def test_a_read_only_data_folder_is_refused_by_its_name_and_nothing_crashes(data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o555)
    with RawHost(data_dir, command=COMMAND_AS_ANYBODY) as host:
        assert names([host.fail("initialize"), host.fail("list_sessions")]) == {"PERMISSION_DENIED"}
        assert host.call("ping") == "pong"
    assert list(data_dir.iterdir()) == []
    data_dir.chmod(0o755)


@pytest.mark.case(30)
def test_a_data_folder_that_becomes_read_only_is_read_as_far_as_it_goes_and_nothing_crashes(data_dir: Path) -> None:
    with RawHost(data_dir) as host:
        host.call("create_session", title="kept")
        host.call("set_config", patch={"chat": {"top_k": 1}})
    before = {path: path.read_bytes() for path in (data_dir / "history.db", data_dir / "config.json")}
    for path in before:
        path.chmod(0o444)
    data_dir.chmod(0o555)
    with RawHost(data_dir, command=COMMAND_AS_ANYBODY) as host:
        host.call("initialize")
        refused = [
            host.fail("create_session"),
            host.fail("list_sessions"),
            host.fail("set_config", patch={"chat": {"top_k": 2}}),
        ]
        assert names(refused) == {"PERMISSION_DENIED"}
        assert all(error["data"]["hint"] for error in refused)
        assert host.call("get_config")["chat"]["top_k"] == 1
        assert host.call("ping") == "pong"
    assert {path: path.read_bytes() for path in before} == before
    data_dir.chmod(0o755)


# --- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.case(32)
def test_a_damaged_history_is_told_by_initialize_with_what_was_saved_and_works(data_dir: Path) -> None:
    (data_dir / "models").mkdir(parents=True)
    history = data_dir / "history.db"
    write_history(history)
    inner = page_kinds(history)["messages inner"][0]
    with history.open("rb+") as file:
        file.seek((inner - 1) * PAGE)
        file.write(bytes(PAGE))
    with RawHost(data_dir) as host:
        # Closed as it should be, it is met only when it is used.
        hints = {host.fail("search_messages", query="words")["data"]["hint"] for _ in range(2)}
        assert [hint.split(":")[0] for hint in hints] == ["Start llama-sidecar again"]
    damaged = history.read_bytes()
    with RawHost(data_dir) as host:
        [notice] = host.call("initialize")["notices"]
        assert (notice["name"], "120 messages in 6 sessions" in notice["message"]) == ("HISTORY_DAMAGED", True)
        assert len(host.call("list_sessions")["sessions"]) == 6
        assert host.call("search_messages", query="words")["hits"]
    [kept] = data_dir.glob("history-damaged-*.db")
    assert kept.read_bytes() == damaged
    with RawHost(data_dir) as host:
        assert host.call("initialize")["notices"] == []


@pytest.mark.case(31)
def test_a_second_sidecar_refuses_within_two_seconds_and_changes_nothing(data_dir: Path) -> None:
    with RawHost(data_dir) as first:
        first.call("create_session", title="one")
        before = {p: p.read_bytes() for p in sorted(data_dir.rglob("*")) if p.is_file() and p.parent.name != "logs"}
        with RawHost(data_dir) as second:
            second.call("ping")  # how long a start takes is another question
            started = time.monotonic()
            refused = [
                second.fail("initialize"),
                second.fail("create_session", title="two"),
                second.fail("set_config", patch={"chat": {"top_k": 1}}),
            ]
            assert time.monotonic() - started < 2 + BUSY_SECONDS
            assert names(refused) == {"DATA_DIR_LOCKED"}
        assert {p: p.read_bytes() for p in before} == before
        assert [s["title"] for s in first.call("list_sessions")["sessions"]] == ["one"]
