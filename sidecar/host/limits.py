"""The process's own limits: open files and a lack of them, core dumps, and who may read its memory.

Untested on Windows and macOS: Windows has none of these limits, and macOS no `prctl`.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from sidecar.contract.errors import Overloaded

OPEN_FILES = 65_536
"""As many as are ever used here and far more; the hard limit may be a thousand million, and some programs that we start
visit each number up to the limit."""

CORE_FILTER = Path("/proc/self/coredump_filter")

DESCRIPTORS_HINT = (
    "Try again soon. If it lasts, find what has so many files or connections open, or raise the limit (ulimit -n)."
)

_PR_SET_DUMPABLE = 4


def raise_open_files() -> None:
    """Raise the limit of open files to the hard limit, at most to OPEN_FILES. Programs that we start inherit it."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        best = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        if soft != resource.RLIM_INFINITY and soft < best:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
            except (OSError, ValueError):  # macOS takes less than its hard limit says
                return


def open_files_limit() -> int | None:
    """The present limit of open files; `None` where there is none."""
    if sys.platform == "win32":
        return None
    else:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return None if soft == resource.RLIM_INFINITY else soft


def is_nearly_full(descriptor: int, limit: int | None, reserve: int) -> bool:
    """Whether fewer than `reserve` descriptors are left, by the one that was opened last: systems give the lowest free
    number (POSIX, "File Descriptor Allocation")."""
    return limit is not None and descriptor >= limit - reserve


def shortage(error: BaseException) -> Overloaded | None:
    """The error to report where this process or machine has no descriptor left; `None` for any other error.

    It passes, and says nothing of what was to be opened.
    """
    if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
        return None
    return Overloaded(
        "The system has no file descriptor left for this.",
        hint=DESCRIPTORS_HINT,
        queue_size=0,
    )


def present_shortage() -> Overloaded | None:
    """The error to report where there is no descriptor left now. What was found out meanwhile is not to be trusted: a
    file that cannot be opened may pass for one that is not there."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return shortage(error)
    return None


def forbid_core_dumps() -> None:
    """Write no core dump, here and in programs that we start: it has prompts, keys and tokens in it.

    A core handler behind a pipe ignores the size limit (core(5)), so the dump has no memory in it, either.
    """
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        try:
            CORE_FILTER.write_text("0", encoding="ascii")
        except OSError:  # a kernel without core dumps
            return


def hide_memory() -> None:
    """Let no program without special rights read this process's memory, descriptors or environment (`prctl(2)`)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.PyDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
