"""Engines and what they start, with a real sidecar that is killed: who ends them, and who must not."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sidecar.host import process_facts
from sidecar.processes import tags
from tests import fake_engine
from tests.app.talking import prepare
from tests.busy import BUSY_SECONDS
from tests.raw_host import RawHost

GONE_SECONDS = 2.0
"""The promise: nothing is left by then."""

WAIT_SECONDS = 30.0

FAMILY = ["--ignore-term", "--fork-grandchild", "--fork-daemon", "--fork-orphan"]
"""An engine that does not want to end, with a child in its group, one outside, and one that is nobody's."""


@pytest.fixture
def folder(data_dir: Path, tmp_path: Path) -> Path:
    prepare(data_dir, fake_engine.install(tmp_path / "llama.cpp"), engines={"stop_grace_seconds": 0.5})
    return data_dir


def start_engine(host: RawHost, folder: Path, name: str = "default") -> list[int]:
    """Start an engine with a family; the pids of all of them, its own first."""
    file = folder / f"{name}.pids"
    host.call("start_llama_server", server_id=name, extra_args=[*FAMILY, "--pid-file", str(file)])
    pids: list[int] = json.loads(file.read_text())
    return pids


def kill(pid: int) -> None:
    psutil.Process(pid).kill()


def watchdog_of(host: RawHost) -> psutil.Process:
    """The one that waits; one that was killed may be there still, unburied."""
    children = psutil.Process(host.process.pid).children()
    (found,) = [child for child in children if child.name() == "sh" and process_facts.birth(child.pid)]
    return found


def still_there(pids: list[int], *, after: float) -> list[int]:
    """Which of these processes are left, once they are gone or the time is over."""
    deadline = time.monotonic() + after
    while left := [pid for pid in pids if process_facts.birth(pid) is not None]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    return left


def registry(folder: Path) -> Any:
    return json.loads((folder / "processes.json").read_text())


def test_the_folder_for_sockets_is_removed_for_a_killed_sidecar_too(folder: Path) -> None:
    host = RawHost(folder)
    host.call("start_llama_server")
    folder_for_sockets = Path(host.call("get_server")["socket_path"]).parent
    watchdog = watchdog_of(host)
    assert folder_for_sockets.is_dir()
    host.process.kill()
    assert still_there([watchdog.pid], after=GONE_SECONDS + BUSY_SECONDS) == []
    assert not folder_for_sockets.exists()
    host.close()


@pytest.fixture
def killed_with_watchdog(folder: Path) -> Iterator[list[int]]:
    """What is left of an engine's family after the sidecar and its watchdog were killed."""
    with_watchdog = RawHost(folder)
    family = start_engine(with_watchdog, folder)
    watchdog = watchdog_of(with_watchdog)
    watchdog.kill()
    with_watchdog.process.kill()
    with_watchdog.close()
    left = still_there(family[1:], after=0)
    assert left == family[1:]
    assert still_there([family[0], watchdog.pid], after=GONE_SECONDS + BUSY_SECONDS) == []
    folder_for_sockets = tags.sockets_folder(registry(folder)["token"])
    assert folder_for_sockets.is_dir()
    yield left
    tags.remove_sockets_folder(folder_for_sockets)
    for pid in still_there(left, after=0):
        kill(pid)


def test_a_watchdog_that_somebody_killed_is_replaced_with_the_next_process(folder: Path) -> None:
    host = RawHost(folder)
    first = start_engine(host, folder)
    killed = watchdog_of(host)
    killed.kill()
    assert still_there([killed.pid], after=WAIT_SECONDS) == []
    second = start_engine(host, folder, "second")
    watchdog = watchdog_of(host)
    host.process.kill()
    assert still_there([*first, *second, watchdog.pid], after=GONE_SECONDS + BUSY_SECONDS) == []
    host.close()


@pytest.mark.case(20)
def test_what_even_the_watchdog_could_not_end_the_next_start_ends(
    folder: Path, killed_with_watchdog: list[int]
) -> None:
    folder_for_sockets = tags.sockets_folder(registry(folder)["token"])
    with RawHost(folder) as host:
        assert host.call("ping") == "pong"
        assert still_there(killed_with_watchdog, after=GONE_SECONDS + BUSY_SECONDS) == []
        family = start_engine(host, folder)
        assert not folder_for_sockets.exists()
        assert [entry["pid"] for entry in registry(folder)["processes"]] == [family[0]]
    assert still_there(family, after=GONE_SECONDS + BUSY_SECONDS) == []


def test_a_start_ends_nothing_of_an_owner_that_lives(folder: Path, killed_with_watchdog: list[int]) -> None:
    record, me = registry(folder), os.getpid()
    folder_for_sockets = tags.sockets_folder(record["token"])
    record |= {"pid": me, "birth": process_facts.birth(me)}
    (folder / "processes.json").write_text(json.dumps(record))
    with RawHost(folder) as host:
        host.call("ping")
        host.call("list_engines")  # needs a process, so the sweep is over
    assert still_there(killed_with_watchdog, after=0) == killed_with_watchdog
    assert folder_for_sockets.is_dir()


def test_the_registry_lists_what_runs_and_is_gone_afterwards(folder: Path) -> None:
    with RawHost(folder) as host:
        family = start_engine(host, folder)
        record = registry(folder)
        assert (record["pid"], record["birth"]) == (host.process.pid, process_facts.birth(host.process.pid))
        (entry,) = record["processes"]
        assert entry.pop("program") is not None  # the shell's that the fake engine begins as, or its own
        assert entry == {
            "pid": family[0],
            "birth": process_facts.birth(family[0]),
            "mark": process_facts.variable(family[0], tags.VARIABLE),
        }
        host.call("stop_llama_server")
        assert not (folder / "processes.json").exists()
        assert psutil.Process(host.process.pid).children() == []


def test_a_sidecar_without_processes_has_no_watchdog(folder: Path) -> None:
    with RawHost(folder) as host:
        host.call("list_engines")  # asks one, which has ended by the time of the answer
        assert psutil.Process(host.process.pid).children() == []
        assert not (folder / "processes.json").exists()
