"""Small programs for tests, and what the system says of processes."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from sidecar.processes.command import Command

WAIT_SECONDS = 30.0
"""Longest wait for what is sure to happen; a test that needs it is broken."""


def python(program: str, *arguments: str, env: dict[str, str] | None = None) -> Command:
    """A command that runs a few lines of Python; `os`, `sys`, `time` and `signal` are there."""
    imports = "import os, signal, subprocess, sys, time\n"
    return Command([sys.executable, "-S", "-E", "-c", imports + program, *arguments], env or {})


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(pid: int) -> None:
    """Wait for a process's end."""
    try:
        psutil.Process(pid).wait(timeout=WAIT_SECONDS)
    except psutil.NoSuchProcess:
        return


def wait_for_file(path: Path) -> None:
    """Wait until a file is there, whichever process writes it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} has not been written"
        time.sleep(0.01)


@contextmanager
def seen_to_its_end(pid: int) -> Iterator[None]:
    """What is done here ends a process: wait for that, and leave it to be reaped by whoever does."""
    fd = os.pidfd_open(pid)  # before: it may be gone in the next moment
    try:
        yield
        ended = select.poll()
        ended.register(fd, select.POLLIN)
        assert ended.poll(WAIT_SECONDS * 1e3), f"process {pid} has not ended"
    finally:
        os.close(fd)


def halt(pid: int) -> None:
    """Make a child of ours stand still; returns when it does, since SIGTERM could be faster else."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
