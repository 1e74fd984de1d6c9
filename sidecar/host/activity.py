"""What a process is doing, as far as the system shows it: the time of its threads, and its reads from the disk."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Activity(msgspec.Struct, frozen=True):
    """One sample.

    Attributes:
        threads: seconds of processor time of each thread, by its id; empty where the system does not report them
            (macOS, for the processes of others).
        read_bytes: bytes read from the disk so far, pages of mapped files included; 0 where that is not reported.
    """

    threads: Mapping[int, float]
    read_bytes: int


def activity(pid: int) -> Activity:
    """A sample of a process; an empty one if it is gone. Blocks for as long as it takes to read a few files."""
    import psutil

    try:
        process = psutil.Process(pid)
        read = process.io_counters().read_bytes if hasattr(process, "io_counters") else 0
        return Activity({one.id: one.user_time + one.system_time for one in process.threads()}, int(read))
    except psutil.Error:
        return Activity({}, 0)
