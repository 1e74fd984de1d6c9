"""Running other programs, and locks between two of these commands.

Owns how a child ends when we are stopped: nothing that we started outlives us on Ctrl-C or SIGTERM. Also how often
one that fails is tried again, and how many of them may run beside each other.
Knows nothing of pip, ninja or pytest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NoReturn

from recipes.console import Problem, say
from recipes.places import ROOT

# Ctrl-C reaches the child as well: it gets this long to end by itself before it is signalled.
INTERRUPT_GRACE_S = 5.0
# From SIGTERM to SIGKILL.
TERMINATE_GRACE_S = 10.0
# A llama.cpp build on two slow cores takes 20 minutes; a longer wait than this is reported.
LOCK_WAIT_S = 3600.0
LOCK_POLL_S = 0.2
# For programs that only print something; ensurepip on a slow disk is the longest of them.
OUTPUT_WAIT_S = 120.0
# A permanent failure is reported after three tries; most temporary ones are over by then.
TRIES = 3
TRY_AGAIN_S = 10.0


Argv = Sequence[str | Path]


def clean_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment for a child, less what would point a virtual environment's Python elsewhere."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_USER")}
    return environment | dict(changes or {})


@contextmanager
def child(
    argv: Argv,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    quiet: bool = True,
    piped: bool = False,
    keep_open: Sequence[int] = (),
) -> Iterator[subprocess.Popen[str]]:
    """A running program; ended and reaped if the block is left by an exception."""
    try:
        process = subprocess.Popen(
            [str(part) for part in argv],
            cwd=cwd,
            env=clean_environment(environ),
            stdin=subprocess.DEVNULL if quiet else None,
            stdout=subprocess.PIPE if piped else None,
            stderr=subprocess.STDOUT if piped else None,
            encoding="utf-8",
            errors="replace",
            pass_fds=tuple(keep_open) if os.name == "posix" else (),
        )
    except OSError as error:
        raise Problem(
            f"{argv[0]} could not be started ({error.strerror}).", next_step="Run: make clean, and try again."
        ) from error
    try:
        yield process
    except BaseException as reason:
        _end(process, asked=isinstance(reason, KeyboardInterrupt))
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    process.wait()


def _end(process: subprocess.Popen[str], *, asked: bool) -> None:
    try:
        if asked:
            try:
                process.wait(INTERRUPT_GRACE_S)
                return
            except subprocess.TimeoutExpired:
                pass
        process.terminate()
        process.wait(TERMINATE_GRACE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def call(argv: Argv, *, environ: Mapping[str, str] | None = None, quiet: bool = True) -> int:
    """Runs a program to its end and returns its exit code; `quiet` gives it no stdin."""
    with child(argv, environ=environ, quiet=quiet) as process:
        process.wait()
    return exit_code(process.returncode)


def persist(attempt: Callable[[], int], *, tries: int = TRIES) -> int:
    """The exit code of what needs the network: tried again where it fails, which is said, and then its last one."""
    for left in range(tries - 1, 0, -1):
        code = attempt()
        if code == 0:
            return 0
        say(f"  it ended with exit code {code}; trying again in {TRY_AGAIN_S:.0f} s, at most {left} more times")
        time.sleep(TRY_AGAIN_S)
    return attempt()


def exit_code(returncode: int) -> int:
    """The code that a shell would show: a program killed by signal N ends with 128 + N."""
    return 128 - returncode if returncode < 0 else returncode


def output(argv: Argv, *, environ: Mapping[str, str] | None = None) -> str | None:
    """What a short-lived program prints (both streams), or None where it cannot be started, fails or hangs."""
    try:
        done = subprocess.run(
            [str(part) for part in argv],
            cwd=ROOT,
            env=clean_environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=OUTPUT_WAIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def become(argv: Argv, *, environ: Mapping[str, str] | None = None) -> int:
    """Hands the terminal over to a program for good: Ctrl-C is then the program's alone to handle."""
    parts = [str(part) for part in argv]
    if os.name == "posix":
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(parts[0], parts, clean_environment(environ))
    # Windows has no exec: we wait and take no notice of Ctrl-C, which the program gets as well.
    # A handler and not SIG_IGN, since the program would inherit the latter.
    signal.signal(signal.SIGINT, lambda *_: None)
    return call(parts, environ=environ, quiet=False)


def cpus() -> int:
    """How many there are for us: where we are confined to some of them (containers), only those count."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def stop_on_sigterm() -> None:
    """Makes SIGTERM unwind like an exception, so that children are ended and part files removed."""

    def leave(signum: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + signum)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def exclusive(lock_file: Path, *, waiting_for: str) -> Iterator[int]:
    """Holds a lock between processes; the OS frees it when the holder dies. Yields its descriptor.

    A child that is given the descriptor keeps the lock as long as it lives.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+b") as handle:
        deadline = time.monotonic() + LOCK_WAIT_S
        reported = False
        while not _try_lock(handle):
            if not reported:
                say(f"Waiting for another command that is {waiting_for} ...")
                reported = True
            if time.monotonic() > deadline:
                raise Problem(
                    f"Another command has been {waiting_for} for an hour.",
                    next_step=f"End it, and try again. It holds the lock {lock_file}.",
                )
            time.sleep(LOCK_POLL_S)
        yield handle.fileno()


def _try_lock(handle: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
