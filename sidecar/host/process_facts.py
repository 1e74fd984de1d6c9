"""What the system says of one process, and ending exactly that one.

Owns the ways in which systems tell it: /proc on Linux, psutil elsewhere (untested there). Linux is not asked through
psutil since that takes seven times as long, and because its times of birth move when the clock is put right. Imports
next to nothing: the watchdog begins with this when every moment counts.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

IS_LINUX = sys.platform.startswith("linux")

_STATE, _START_TIME = 0, 19
"""Fields of /proc/PID/stat behind the name, which may hold blanks and brackets itself."""


def system() -> str:
    """Where pids and births mean what they mean here: this boot and this PID namespace; empty where that needs no
    saying, since births are times of day."""
    if not IS_LINUX:
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - without pathlib
            boot = file.read().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
    except OSError:
        return "unknown"


def pids() -> list[int]:
    """All processes that can be seen."""
    if IS_LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - a scan, made often
    import psutil

    return list(psutil.pids())


def birth(pid: int) -> str | None:
    """When a process was started: equal for the same process only. `None` if there is none, or only a zombie."""
    if IS_LINUX:
        stat = _read(pid, "stat")
        fields = stat.rpartition(b")")[2].split() if stat else []
        if len(fields) <= _START_TIME or fields[_STATE] in (b"Z", b"X"):
            return None
        return fields[_START_TIME].decode()
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.AccessDenied:
        return "not ours to know"
    except (psutil.Error, OverflowError):
        return None


def program(pid: int) -> str | None:
    """The file that a process runs; `None` where that is not told."""
    if IS_LINUX:
        try:
            return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115
        except OSError:
            return None
    import psutil

    try:
        return psutil.Process(pid).exe() or None
    except (psutil.Error, OSError):
        return None


def variable(pid: int, name: str) -> str | None:
    """A variable of the environment that a process was started with; empty if it has none of this name.

    `None` where that is not told: the process is another user's, or gone.
    """
    if IS_LINUX:
        environment = _read(pid, "environ")
        if environment is None:
            return None
        _, found, rest = (b"\0" + environment).partition(b"\0" + os.fsencode(name) + b"=")
        return os.fsdecode(rest.partition(b"\0")[0]) if found else ""
    import psutil

    try:
        return psutil.Process(pid).environ().get(name, "")
    except (psutil.Error, OSError):
        return None


def end(pid: int, is_still: Callable[[], bool]) -> bool:
    """End a process at once if it is still the one that is meant; says whether it was told to.

    Args:
        is_still: asked once the pid can not become another process's any more.
    """
    if pid <= 1 or pid == os.getpid():
        return False
    try:
        return _end_on_linux(pid, is_still) if IS_LINUX else _end_elsewhere(pid, is_still)
    except ProcessLookupError:
        return False
    except PermissionError:
        import logging

        logging.getLogger(__name__).warning("process %d is left running: the system does not let us end it", pid)
        return False


def _end_on_linux(pid: int, is_still: Callable[[], bool]) -> bool:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # before Linux 5.3, or forbidden by a sandbox
        if is_still():
            os.kill(pid, signal.SIGKILL)
            return True
        return False
    try:
        if is_still():
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            return True
        return False
    finally:
        os.close(fd)


def _end_elsewhere(pid: int, is_still: Callable[[], bool]) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        if is_still():
            process.kill()  # psutil sees to it that the pid is still the same process's
            return True
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied as error:
        raise PermissionError from error
    return False


def _read(pid: int, name: str) -> bytes | None:
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123 - a scan, made often
            return file.read()
    except OSError:
        return None
