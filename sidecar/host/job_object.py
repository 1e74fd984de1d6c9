"""How Windows binds processes to us: a job object that we join ourselves. Untested: no Windows machine here.

Processes that we start are created in the job, and so are those that they start, so none is ever outside it.
The job ends with its last handle. Only we hold one, and it is closed when we end, however we end; Windows then ends
all processes in the job. A host may have a job of its own around ours.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import sys

logger = logging.getLogger(__name__)

EXTENDED_LIMIT_INFORMATION = 9
KILL_ON_JOB_CLOSE = 0x2000


class BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
    )


class ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("BasicLimitInformation", BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


_joined = False


def join() -> None:
    """Put this process into a job of its own, once. A failure is logged."""
    global _joined
    if _joined:
        return
    _joined = True
    try:
        _join()
    except OSError as error:
        logger.warning("engines are not bound to this process, and may outlive it if it is killed: %s", error)


if sys.platform == "win32":

    def _join() -> None:
        kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
        # Without these, handles are cut to 32 bits.
        kernel32.CreateJobObjectW.argtypes = (ctypes.c_void_p, ctypes.c_wchar_p)
        kernel32.CreateJobObjectW.restype = ctypes.c_void_p
        kernel32.SetInformationJobObject.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32)
        kernel32.AssignProcessToJobObject.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        kernel32.GetCurrentProcess.restype = ctypes.c_void_p
        kernel32.CloseHandle.argtypes = (ctypes.c_void_p,)
        limits = ExtendedLimits()
        limits.BasicLimitInformation.LimitFlags = KILL_ON_JOB_CLOSE
        job = kernel32.CreateJobObjectW(None, None)  # no child inherits it, and we never close it
        if not job:
            raise ctypes.WinError(ctypes.get_last_error())
        if not (
            kernel32.SetInformationJobObject(
                job, EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
            and kernel32.AssignProcessToJobObject(job, kernel32.GetCurrentProcess())
        ):
            error = ctypes.get_last_error()
            kernel32.CloseHandle(job)
            raise ctypes.WinError(error)

else:

    def _join() -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
