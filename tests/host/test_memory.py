"""What can still be had: the machine's memory, and the limits that hold for us."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import psutil

from sidecar.host.memory import STACKS_BYTES, cgroups, free_bytes, process_bytes

MIB = 1024 * 1024


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_limits_of_a_group_and_of_those_above_it_hold(tmp_path: Path) -> None:
    group(tmp_path, memory__stat="")  # the root has no limit
    group(tmp_path / "a", memory__max="1000\n", memory__current="300\n", memory__stat="anon 5\ninactive_file 50\n")
    group(tmp_path / "a" / "b", memory__max="max\n", memory__current="300\n")
    assert [group.left for group in cgroups(tmp_path, "0::/a/b\n")] == [750]


def test_version_one_has_its_own_names(tmp_path: Path) -> None:
    whole = {"memory__limit_in_bytes": "9223372036854771712\n", "memory__usage_in_bytes": "77\n"}
    group(tmp_path / "memory", **whole)
    group(
        tmp_path / "memory" / "a",
        memory__limit_in_bytes="1000\n",
        memory__usage_in_bytes="400\n",
        memory__stat="inactive_file 1\ntotal_inactive_file 100\n",
    )
    assert [group.left for group in cgroups(tmp_path, "9:cpu:/\n4:memory:/a\n0::/\n")] == [700]


def test_a_container_that_sees_the_hosts_path_takes_its_own_root(tmp_path: Path) -> None:
    group(tmp_path, memory__max="5000", memory__current="1000")
    assert [group.left for group in cgroups(tmp_path, "0::/docker/0123\n")] == [4000]
    assert [group.left for group in cgroups(tmp_path, "0::/../other\n")] == [4000]


def test_what_makes_no_sense_is_no_limit(tmp_path: Path) -> None:
    group(tmp_path / "a", memory__max="lots", memory__current="")
    assert [group.left for group in cgroups(tmp_path, "0::/a\nrubbish\n::\n")] == []
    group(tmp_path / "a", memory__max="100", memory__current="900")
    assert [group.left for group in cgroups(tmp_path, "0::/a\n")] == [0], "over its limit"


def test_a_limit_of_our_own_process_holds_for_engines() -> None:
    limit = 1024 * MIB
    code = "from sidecar.host.memory import free_bytes; print(free_bytes())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) <= limit - STACKS_BYTES
    assert 0 < free_bytes() <= psutil.virtual_memory().total


def test_a_process_that_is_gone_has_no_memory() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert process_bytes(ended.pid) is None
    assert (process_bytes(os.getpid()) or 0) > MIB
