"""The ledger: which processes are leftovers, and that the file does no harm whatever is in it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.host import process_facts
from sidecar.processes import tags
from sidecar.processes.registry import Book, Entry, ProcessRegistry, Seen, leftovers

TOKEN = "70-100-0123456789abcdef"
OTHER = "71-100-0123456789abcdef"
HERE = "this boot"

WAIT_SECONDS = 30.0
"""Longest wait for what is sure to happen; a test that needs it is broken."""

ENTRY = Entry(pid=80, birth="200", program="/bin/engine", mark=f"{TOKEN}/1")
BOOK = Book(version=1, system=HERE, pid=70, birth="100", token=TOKEN, processes=[ENTRY])

OWNER = Seen("100", "/bin/sidecar", "")
ENGINE = Seen("200", "/bin/engine", f"{TOKEN}/1")
DAEMON = Seen("201", "/bin/daemon", f"{TOKEN}/1")
LATER = Seen("300", "/bin/engine", "")
SECRETIVE = Seen("200", "/bin/engine", None)


@pytest.mark.parametrize(
    ("seen", "left"),
    [
        pytest.param({80: ENGINE}, [80], id="an engine of a dead owner"),
        pytest.param({80: ENGINE, 90: DAEMON}, [80, 90], id="and what it has started"),
        pytest.param({90: DAEMON}, [90], id="what it has started alone"),
        pytest.param({70: OWNER, 80: ENGINE, 90: DAEMON}, [], id="nothing of a living owner"),
        pytest.param({70: Seen("101", "/bin/cat", ""), 80: ENGINE}, [80], id="the owner's pid is another's"),
        pytest.param({80: LATER}, [], id="the engine's pid is another's"),
        pytest.param({80: Seen("300", "/bin/engine", f"{OTHER}/1")}, [], id="the engine's pid is another sidecar's"),
        pytest.param({80: Seen("200", "/bin/engine", "")}, [], id="no mark where there must be one"),
        pytest.param({90: Seen("201", "/bin/daemon", f"{OTHER}/1")}, [], id="another sidecar's process"),
        pytest.param({90: Seen("201", "/bin/daemon", f"{TOKEN}0/1")}, [], id="a token that begins with ours"),
        pytest.param({90: Seen("201", "/bin/daemon", TOKEN)}, [], id="no mark but a token"),
        pytest.param({80: SECRETIVE}, [80], id="a secretive process that is the one written down"),
        pytest.param({80: Seen("201", "/bin/engine", None)}, [], id="a secretive process of another birth"),
        pytest.param({80: Seen("200", "/bin/cat", None)}, [], id="a secretive process of another program"),
        pytest.param({80: Seen("200", None, None)}, [], id="a process of which nothing is told"),
        pytest.param({90: SECRETIVE}, [], id="a secretive process that is not written down"),
        pytest.param({1: ENGINE, 0: ENGINE, -1: ENGINE}, [], id="everybody's processes"),
        pytest.param({}, [], id="nobody"),
    ],
)
def test_leftovers_are_what_a_dead_owner_has_left_and_nothing_else(seen: dict[int, Seen], left: list[int]) -> None:
    assert leftovers(BOOK, seen, HERE) == left


@pytest.mark.parametrize("system", ["another boot", ""])
def test_another_boot_or_pid_namespace_leaves_nothing_here(system: str) -> None:
    assert leftovers(BOOK, {80: ENGINE, 90: DAEMON}, system) == []


def test_a_program_that_was_not_known_proves_nothing() -> None:
    book = msgspec.structs.replace(BOOK, processes=[msgspec.structs.replace(ENTRY, program=None)])
    assert leftovers(book, {80: Seen("200", None, None)}, HERE) == []


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "processes.json"


def sleeper(mark: str = "") -> subprocess.Popen[bytes]:
    env = {tags.VARIABLE: mark} if mark else {}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", "print(flush=True); import time; time.sleep(600)"], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def marked() -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries the token of a sidecar that is no more."""
    process = sleeper(f"{TOKEN}/1")
    yield process
    process.kill()
    process.communicate()


def dead_owner() -> tuple[int, str]:
    """Pid and birth of a process that has ended."""
    process = sleeper()
    birth = process_facts.birth(process.pid)
    process.kill()
    process.communicate()
    assert birth is not None
    return process.pid, birth


def write_book(path: Path, owner: tuple[int, str], *entries: Entry) -> None:
    pid, birth = owner
    path.write_bytes(msgspec.json.encode(Book(1, process_facts.system(), pid, birth, TOKEN, list(entries))))


def is_running(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def test_what_a_dead_owner_has_left_is_ended_and_told(
    path: Path, marked: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    owner = dead_owner()
    write_book(path, owner)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert marked.wait(timeout=WAIT_SECONDS) == -9
    assert f"(process {owner[0]}) had left behind: {marked.pid}" in caplog.text


def test_a_living_owners_processes_are_left_alone(path: Path, marked: subprocess.Popen[bytes]) -> None:
    owner = sleeper()
    write_book(path, (owner.pid, process_facts.birth(owner.pid) or ""))
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(marked)
    owner.kill()
    owner.communicate()
    ProcessRegistry(path, tags.new_token()).sweep()
    assert marked.wait(timeout=WAIT_SECONDS) == -9


def test_a_pid_that_is_another_process_now_is_left_alone(path: Path) -> None:
    other = sleeper()
    birth = str(int(process_facts.birth(other.pid) or "") - 1)
    program = process_facts.program(other.pid)
    write_book(path, dead_owner(), Entry(other.pid, birth, program, f"{TOKEN}/1"))
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(other)
    other.kill()
    other.communicate()


def test_a_process_that_is_written_down_and_has_no_mark_is_left_alone(path: Path) -> None:
    other = sleeper()
    birth, program = process_facts.birth(other.pid), process_facts.program(other.pid)
    assert birth is not None
    write_book(path, dead_owner(), Entry(other.pid, birth, program, f"{TOKEN}/1"))
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(other)
    other.kill()
    other.communicate()


def test_a_process_that_hides_its_environment_is_ended_if_it_is_the_one_written_down(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sleeper()
    birth, program = process_facts.birth(other.pid), process_facts.program(other.pid)
    assert birth is not None
    write_book(path, dead_owner(), Entry(other.pid, birth, program, f"{TOKEN}/1"))
    monkeypatch.setattr(process_facts, "variable", lambda pid, name: None)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert other.wait(timeout=WAIT_SECONDS) == -9
    other.communicate()


def test_it_is_swept_before_it_is_ours(path: Path, marked: subprocess.Popen[bytes]) -> None:
    write_book(path, dead_owner())
    ProcessRegistry(path, tags.new_token()).open()
    assert marked.wait(timeout=WAIT_SECONDS) == -9
    assert json.loads(path.read_bytes())["pid"] == os.getpid()


def test_it_says_whose_processes_there_are(path: Path) -> None:
    token, me = tags.new_token(), os.getpid()
    ledger = ProcessRegistry(path, token)
    ledger.sweep()
    assert not path.exists()
    ledger.open()
    child = sleeper()
    ledger.add(child.pid, f"{token}/7")
    book = msgspec.json.decode(path.read_bytes(), type=Book)
    program = str(Path(sys.executable).resolve())
    entry = Entry(child.pid, process_facts.birth(child.pid) or "", program, f"{token}/7")
    assert book == Book(1, process_facts.system(), me, process_facts.birth(me) or "", token, [entry])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    child.kill()
    child.communicate()
    ledger.add(child.pid, f"{token}/8")  # it has ended before it could be written down
    ledger.remove(f"{token}/7")
    ledger.remove(f"{token}/7")
    assert msgspec.json.decode(path.read_bytes(), type=Book).processes == []
    ledger.close()
    ledger.close()
    assert not list(path.parent.iterdir())


def _book(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(BOOK) | {"system": process_facts.system()} | changes)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"version":1', id="broken off"),
        pytest.param(b"\xff\xfe\0", id="no text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b" " * 2_000_000 + _book(), id="too long"),
        pytest.param(_book(version=2), id="another version"),
        pytest.param(_book(token=""), id="no token: every process without a mark would match"),
        pytest.param(_book(token=TOKEN + "/1"), id="no token but a mark"),
        pytest.param(_book(pid=1), id="process 1"),
        pytest.param(_book(pid=-1), id="everybody"),
        pytest.param(_book(pid=2**63), id="no pid"),
        pytest.param(
            _book(processes=[{"pid": 1, "birth": "1", "program": "x", "mark": ""}]), id="an entry of process 1"
        ),
        pytest.param(_book(processes={}), id="another shape"),
    ],
)
def test_a_damaged_or_hostile_file_ends_nothing_and_is_removed(
    content: bytes, path: Path, marked: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(marked)
    assert not path.exists()
    assert "not believed" in caplog.text


def test_a_link_or_a_pipe_in_its_place_is_not_followed(path: Path, marked: subprocess.Popen[bytes]) -> None:
    elsewhere = path.with_name("elsewhere")
    write_book(elsewhere, dead_owner())
    path.symlink_to(elsewhere)
    ProcessRegistry(path, tags.new_token()).sweep()
    os.mkfifo(path)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(marked)
    assert [p.name for p in path.parent.iterdir()] == ["elsewhere"]


def test_where_it_can_not_be_written_that_is_told_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir()
    (path / "something").touch()
    ledger = ProcessRegistry(path, tags.new_token())
    ledger.open()
    ledger.add(os.getpid(), "mark")
    ledger.remove("mark")
    ledger.close()
    assert sum("can not be written down" in record.getMessage() for record in caplog.records) == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]
