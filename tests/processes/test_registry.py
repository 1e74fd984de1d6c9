"""The registry: which processes are orphans, and that the file does no harm whatever is in it."""

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
from sidecar.processes.registry import Entry, Living, ProcessRegistry, Record, orphans

TOKEN = "70-100-0123456789abcdef"
OTHER = "71-100-0123456789abcdef"
HERE = "this boot"

WAIT_SECONDS = 30.0
"""Longest wait for what is sure to happen; a test that needs it is broken."""

ENTRY = Entry(pid=80, birth="200", program="/bin/engine", tag=f"{TOKEN}/1")
RECORD = Record(version=1, system=HERE, pid=70, birth="100", token=TOKEN, processes=[ENTRY])

OWNER = Living("100", "/bin/sidecar", "")
ENGINE = Living("200", "/bin/engine", f"{TOKEN}/1")
DAEMON = Living("201", "/bin/daemon", f"{TOKEN}/1")
LATER = Living("300", "/bin/engine", "")
SECRETIVE = Living("200", "/bin/engine", None)


@pytest.mark.parametrize(
    ("living", "left"),
    [
        pytest.param({80: ENGINE}, [80], id="an engine of a dead owner"),
        pytest.param({80: ENGINE, 90: DAEMON}, [80, 90], id="and what it has started"),
        pytest.param({90: DAEMON}, [90], id="what it has started alone"),
        pytest.param({70: OWNER, 80: ENGINE, 90: DAEMON}, [], id="nothing of a living owner"),
        pytest.param({70: Living("101", "/bin/cat", ""), 80: ENGINE}, [80], id="the owner's pid is another's"),
        pytest.param({80: LATER}, [], id="the engine's pid is another's"),
        pytest.param({80: Living("300", "/bin/engine", f"{OTHER}/1")}, [], id="the engine's pid is another sidecar's"),
        pytest.param({80: Living("200", "/bin/engine", "")}, [], id="no tag where there must be one"),
        pytest.param({90: Living("201", "/bin/daemon", f"{OTHER}/1")}, [], id="another sidecar's process"),
        pytest.param({90: Living("201", "/bin/daemon", f"{TOKEN}0/1")}, [], id="a token that begins with ours"),
        pytest.param({90: Living("201", "/bin/daemon", TOKEN)}, [], id="no tag but a token"),
        pytest.param({80: SECRETIVE}, [80], id="a secretive process that is the one written down"),
        pytest.param({80: Living("201", "/bin/engine", None)}, [], id="a secretive process of another birth"),
        pytest.param({80: Living("200", "/bin/cat", None)}, [], id="a secretive process of another program"),
        pytest.param({80: Living("200", None, None)}, [], id="a process of which nothing is told"),
        pytest.param({90: SECRETIVE}, [], id="a secretive process that is not written down"),
        pytest.param({1: ENGINE, 0: ENGINE, -1: ENGINE}, [], id="everybody's processes"),
        pytest.param({}, [], id="nobody"),
    ],
)
def test_orphans_are_what_a_dead_owner_has_left_and_nothing_else(living: dict[int, Living], left: list[int]) -> None:
    assert orphans(RECORD, living, HERE) == left


@pytest.mark.parametrize("system", ["another boot", ""])
def test_another_boot_or_pid_namespace_leaves_nothing_here(system: str) -> None:
    assert orphans(RECORD, {80: ENGINE, 90: DAEMON}, system) == []


def test_a_program_that_was_not_known_proves_nothing() -> None:
    record = msgspec.structs.replace(RECORD, processes=[msgspec.structs.replace(ENTRY, program=None)])
    assert orphans(record, {80: Living("200", None, None)}, HERE) == []


# --- the file ----------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "processes.json"


def sleeper(tag: str = "") -> subprocess.Popen[bytes]:
    env = {tags.VARIABLE: tag} if tag else {}
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", "print(flush=True); import time; time.sleep(600)"], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def tagged() -> Iterator[subprocess.Popen[bytes]]:
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


def write_record(path: Path, owner: tuple[int, str], *entries: Entry) -> None:
    pid, birth = owner
    path.write_bytes(msgspec.json.encode(Record(1, process_facts.system(), pid, birth, TOKEN, list(entries))))


def is_running(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


def test_what_a_dead_owner_has_left_is_ended_and_told(
    path: Path, tagged: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    owner = dead_owner()
    write_record(path, owner)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert tagged.wait(timeout=WAIT_SECONDS) == -9
    assert f"(process {owner[0]}) had left behind: {tagged.pid}" in caplog.text


def test_a_living_owners_processes_are_left_alone(path: Path, tagged: subprocess.Popen[bytes]) -> None:
    owner = sleeper()
    write_record(path, (owner.pid, process_facts.birth(owner.pid) or ""))
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(tagged)
    owner.kill()
    owner.communicate()
    ProcessRegistry(path, tags.new_token()).sweep()
    assert tagged.wait(timeout=WAIT_SECONDS) == -9


def test_a_pid_that_is_another_process_now_is_left_alone(path: Path) -> None:
    other = sleeper()
    birth = str(int(process_facts.birth(other.pid) or "") - 1)
    program = process_facts.program(other.pid)
    write_record(path, dead_owner(), Entry(other.pid, birth, program, f"{TOKEN}/1"))
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(other)
    other.kill()
    other.communicate()


def test_a_process_that_is_written_down_and_has_no_tag_is_left_alone(path: Path) -> None:
    other = sleeper()
    birth, program = process_facts.birth(other.pid), process_facts.program(other.pid)
    assert birth is not None
    write_record(path, dead_owner(), Entry(other.pid, birth, program, f"{TOKEN}/1"))
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
    write_record(path, dead_owner(), Entry(other.pid, birth, program, f"{TOKEN}/1"))
    monkeypatch.setattr(process_facts, "variable", lambda pid, name: None)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert other.wait(timeout=WAIT_SECONDS) == -9
    other.communicate()


def test_it_is_swept_before_it_is_ours(path: Path, tagged: subprocess.Popen[bytes]) -> None:
    write_record(path, dead_owner())
    ProcessRegistry(path, tags.new_token()).open()
    assert tagged.wait(timeout=WAIT_SECONDS) == -9
    assert json.loads(path.read_bytes())["pid"] == os.getpid()


def test_it_says_whose_processes_there_are(path: Path) -> None:
    token, me = tags.new_token(), os.getpid()
    registry = ProcessRegistry(path, token)
    registry.sweep()
    assert not path.exists()
    registry.open()
    child = sleeper()
    registry.add(child.pid, f"{token}/7")
    record = msgspec.json.decode(path.read_bytes(), type=Record)
    program = str(Path(sys.executable).resolve())
    entry = Entry(child.pid, process_facts.birth(child.pid) or "", program, f"{token}/7")
    assert record == Record(1, process_facts.system(), me, process_facts.birth(me) or "", token, [entry])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    child.kill()
    child.communicate()
    registry.add(child.pid, f"{token}/8")  # it has ended before it could be written down
    registry.remove(f"{token}/7")
    registry.remove(f"{token}/7")
    assert msgspec.json.decode(path.read_bytes(), type=Record).processes == []
    registry.close()
    registry.close()
    assert not list(path.parent.iterdir())


def _record(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(RECORD) | {"system": process_facts.system()} | changes)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"version":1', id="broken off"),
        pytest.param(b"\xff\xfe\0", id="no text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b" " * 2_000_000 + _record(), id="too long"),
        pytest.param(_record(version=2), id="another version"),
        pytest.param(_record(token=""), id="no token: every process without a tag would match"),
        pytest.param(_record(token=TOKEN + "/1"), id="no token but a tag"),
        pytest.param(_record(pid=1), id="process 1"),
        pytest.param(_record(pid=-1), id="everybody"),
        pytest.param(_record(pid=2**63), id="no pid"),
        pytest.param(
            _record(processes=[{"pid": 1, "birth": "1", "program": "x", "mark": ""}]), id="an entry of process 1"
        ),
        pytest.param(_record(processes={}), id="another shape"),
    ],
)
def test_a_damaged_or_hostile_file_ends_nothing_and_is_removed(
    content: bytes, path: Path, tagged: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(content)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(tagged)
    assert not path.exists()
    assert "is not valid" in caplog.text


def test_a_link_or_a_pipe_in_its_place_is_not_followed(path: Path, tagged: subprocess.Popen[bytes]) -> None:
    elsewhere = path.with_name("elsewhere")
    write_record(elsewhere, dead_owner())
    path.symlink_to(elsewhere)
    ProcessRegistry(path, tags.new_token()).sweep()
    os.mkfifo(path)
    ProcessRegistry(path, tags.new_token()).sweep()
    assert is_running(tagged)
    assert [p.name for p in path.parent.iterdir()] == ["elsewhere"]


def test_where_it_cannot_be_written_that_is_told_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.mkdir()
    (path / "something").touch()
    registry = ProcessRegistry(path, tags.new_token())
    registry.open()
    registry.add(os.getpid(), "tag")
    registry.remove("tag")
    registry.close()
    assert sum("cannot be written" in record.getMessage() for record in caplog.records) == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]
