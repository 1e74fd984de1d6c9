"""What the system reports of processes, and killing exactly the intended one.

Owns the ways in which systems report it: /proc on Linux, psutil elsewhere (untested there). Linux is not read through
psutil since that takes seven times as long, and because its start times move when the clock is corrected. Scans of
all processes are made here, in one call each. Imports almost nothing: the watchdog starts with this, and has to act
fast.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from functools import partial

_STATE, _START_TIME = 0, 19
"""Fields of /proc/PID/stat behind the name, which may itself contain spaces and brackets."""


def system() -> str:
    """Where pids and births are valid: this boot and this PID namespace; empty where births are times of day, which are
    valid everywhere."""
    if sys.platform == "linux":
        try:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - without pathlib
                boot = file.read().strip()
            return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115
        except OSError:
            return "unknown"
    else:
        return ""


def user_id() -> int:
    """The user id of this process; 0 on Windows, where users have no numbers."""
    if sys.platform == "win32":
        return 0
    else:
        return os.getuid()


def pids() -> list[int]:
    """All processes that the system lists."""
    if sys.platform == "linux":
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - a scan, made often
    else:
        import psutil

        return list(psutil.pids())


def birth(pid: int) -> str | None:
    """When a process was started: equal for the same process only. `None` if there is none, or only a zombie."""
    if sys.platform == "linux":
        stat = _read(pid, "stat")
        fields = stat.rpartition(b")")[2].split() if stat else []
        if len(fields) <= _START_TIME or fields[_STATE] in (b"Z", b"X"):
            return None
        return fields[_START_TIME].decode()
    else:
        import psutil

        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
        except psutil.AccessDenied:
            return "hidden from us"
        except (psutil.Error, OverflowError):
            return None


def program(pid: int) -> str | None:
    """The file that a process runs; `None` where the system does not report it."""
    if sys.platform == "linux":
        try:
            return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115
        except OSError:
            return None
    else:
        import psutil

        try:
            return psutil.Process(pid).exe() or None
        except (psutil.Error, OSError):
            return None


def variable(pid: int, name: str) -> str | None:
    """A variable of the environment that a process was started with; empty if it has none of this name.

    `None` where the system does not report it: the process is another user's, or gone.
    """
    if sys.platform == "linux":
        environment = _read(pid, "environ")
        if environment is None:
            return None
        _, found, rest = (b"\0" + environment).partition(b"\0" + os.fsencode(name) + b"=")
        return os.fsdecode(rest.partition(b"\0")[0]) if found else ""
    else:
        import psutil

        try:
            return psutil.Process(pid).environ().get(name, "")
        except (psutil.Error, OSError):
            return None


def pids_with(name: str, value: str) -> list[int]:
    """The processes whose variable has this value or, where that ends in `/`, begins with it.

    Pid 1, this process and zombies are left out. Blocks: 14 ms for 340 processes.
    """
    return [pid for pid in pids() if _has(pid, name, value)]


def facts_of(pids: Iterable[int], name: str, *, also: str) -> dict[int, tuple[str, str | None, str | None]]:
    """Birth, program and a variable of those of these processes that live, and of `pids_with` it `also`. Blocks."""
    found = {}
    for pid in {*pids, *pids_with(name, also)}:
        if (born := birth(pid)) is not None:
            found[pid] = (born, program(pid), variable(pid, name))
    return found


def kill_with(name: str, value: str) -> set[int]:
    """Kill the processes of `pids_with`; returns those that were. Blocks as that does."""
    return {pid for pid in pids_with(name, value) if _kill(pid, partial(_has, pid, name, value))}


def kill(pid: int, *, born: str) -> bool:
    """Kill a process if its birth is still this one; returns whether it was."""
    return _kill(pid, lambda: birth(pid) == born)


def _has(pid: int, name: str, value: str) -> bool:
    found = variable(pid, name) if pid > 1 and pid != os.getpid() else None
    return bool(found and (found == value or (value.endswith("/") and found.startswith(value))))


def _kill(pid: int, is_still: Callable[[], bool]) -> bool:
    """`is_still` is called once the pid can no longer become another process's."""
    if pid <= 1 or pid == os.getpid():
        return False
    try:
        if sys.platform == "linux":
            return _kill_by_descriptor(pid, is_still)
        else:
            return _kill_by_psutil(pid, is_still)
    except ProcessLookupError:
        return False
    except PermissionError:
        import logging

        logging.getLogger(__name__).warning("process %d is left running: the system does not let us end it", pid)
        return False


if sys.platform == "linux":

    def _kill_by_descriptor(pid: int, is_still: Callable[[], bool]) -> bool:
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


def _kill_by_psutil(pid: int, is_still: Callable[[], bool]) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        if is_still():
            process.kill()  # psutil makes sure that the pid is still the same process's
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
