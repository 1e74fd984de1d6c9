"""The process's own limits, of a sidecar that runs, and of what it starts."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import psutil
import pytest

from sidecar.host import limits
from tests import fake_engine
from tests.app.talking import prepare
from tests.raw_host import RawHost


def test_a_sidecar_and_its_engines_leave_no_core(tmp_path: Path) -> None:
    prepare(tmp_path / "data", fake_engine.install(tmp_path / "llama.cpp"))
    with RawHost(tmp_path / "data") as host:
        engine = host.call("start_llama_server")["pid"]
        for pid in (host.process.pid, engine):
            assert psutil.Process(pid).rlimit(psutil.RLIMIT_CORE)[0] == 0
            assert int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
        # The files of a process that cannot be dumped are root's: no program of the same user reads its memory.
        assert Path(f"/proc/{host.process.pid}/environ").stat().st_uid == 0
        soft, hard = psutil.Process(host.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == min(hard, limits.OPEN_FILES) or soft > limits.OPEN_FILES


def test_the_lowest_free_number_shows_how_many_descriptors_are_left() -> None:
    assert not limits.is_nearly_full(895, 1024, 128)
    assert limits.is_nearly_full(896, 1024, 128)
    assert not limits.is_nearly_full(10**6, None, 128)


def test_open_files_are_raised_to_the_hard_limit_and_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    most = resource.RLIM_INFINITY
    for now, then in (((256, 1024), 1024), ((1024, most), limits.OPEN_FILES), ((most, most), None), ((4, 4), None)):
        changed: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda what, now=now: now)
        monkeypatch.setattr(resource, "setrlimit", lambda what, limits, changed=changed: changed.append(limits))
        limits.raise_open_files()
        assert changed == ([(then, now[1])] if then else [])


def test_a_shortage_is_reported_as_one_that_passes_and_other_errors_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (errno.EMFILE, errno.ENFILE):
        error = limits.shortage(OSError(number, ""))
        assert error is not None
        assert (error.name, error.retryable) == ("OVERLOADED", True)
    assert limits.shortage(OSError(errno.ENOENT, "")) is None
    assert limits.shortage(ValueError()) is None
    assert limits.present_shortage() is None

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    assert limits.present_shortage() is not None
