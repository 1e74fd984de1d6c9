"""How much memory a process started by us can still allocate.

Owns the limits that are not the machine's: control groups (containers, services) and those of our own process, which
engines inherit. Blocks for as long as it takes to read a few files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

from sidecar.host import control_groups

NO_LIMIT = 1 << 60
"""Version 1 writes "none" as the largest number of whole pages."""

STACKS_BYTES = 128 * 1024 * 1024
"""What an engine's threads (8 MiB each) use of a limit on data, though hardly of memory."""

ADDRESSES_BYTES = 2 * 1024 * 1024 * 1024
"""The same of a limit on addresses, where the allocator's arenas (64 MiB a thread) and libraries count as well."""


def free_bytes() -> int:
    """What a process of ours can allocate now without swapping, or being killed for it."""
    import psutil

    free = [psutil.virtual_memory().available, *_left_in_own_limits()]
    if sys.platform == "linux":
        free += [group.left for group in cgroups(control_groups.ROOT, control_groups.text(control_groups.OWN))]
    return max(0, min(free))


def machine_bytes() -> int:
    """Main memory of the machine."""
    import psutil

    return int(psutil.virtual_memory().total)


def usable_bytes() -> int:
    """All the memory that processes of ours may use together: the machine's, or less in a control group."""
    most = [machine_bytes()]
    if sys.platform == "linux":
        most += [group.limit for group in cgroups(control_groups.ROOT, control_groups.text(control_groups.OWN))]
    return min(most)


class GroupMemory(NamedTuple):
    """A control group's limit, and what is left of it, in bytes."""

    limit: int
    left: int


def cgroups(root: Path, own: str) -> list[GroupMemory]:
    """The memory of each control group with a limit that contains us.

    Clean cached files count as left, whether they were used lately or not: the kernel drops them before it refuses
    memory. The pages of a mapped model are among them. Those that are yet to be written, shared memory and locked pages
    are not (Documentation/admin-guide/cgroup-v2.rst, memory.stat).

    Args:
        root: where the groups are mounted.
        own: the content of /proc/self/cgroup.
    """
    groups = []
    for folder, version_2 in control_groups.folders(root, own, "memory"):
        names = ("memory.max", "memory.high") if version_2 else ("memory.limit_in_bytes",)
        found = (control_groups.number(folder / name) for name in names)
        limits = [most for most in found if most is not None and most < NO_LIMIT]
        used = control_groups.number(folder / ("memory.current" if version_2 else "memory.usage_in_bytes"))
        if limits and used is not None:
            left = min(limits) - used + _droppable(control_groups.text(folder / "memory.stat"), version_2=version_2)
            groups.append(GroupMemory(min(limits), max(0, left)))
    return groups


def _droppable(stat: str, *, version_2: bool) -> int:
    """Bytes that the kernel can take back without writing anything."""
    prefix = "" if version_2 else "total_"
    unwritten = ("file_dirty", "file_writeback") if version_2 else ("total_dirty", "total_writeback")
    files = _of(stat, f"{prefix}inactive_file") + _of(stat, f"{prefix}active_file")
    slabs = _of(stat, "slab_reclaimable") if version_2 else 0
    return max(0, files - sum(_of(stat, name) for name in unwritten)) + slabs


def _left_in_own_limits() -> list[int]:
    left: list[int] = []
    if sys.platform != "win32":
        import resource

        for kind, lost in ((resource.RLIMIT_AS, ADDRESSES_BYTES), (resource.RLIMIT_DATA, STACKS_BYTES)):
            most = resource.getrlimit(kind)[0]
            if most != resource.RLIM_INFINITY:
                left.append(max(0, most - lost))
    return left


def _of(stat: str, name: str) -> int:
    for line in stat.splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdecimal():
            return int(value)
    return 0


def own_bytes(pid: int) -> int:
    """Resident memory of a process and of those below it, without mapped files where the system distinguishes
    them (Linux): the kernel drops their pages before it refuses memory. 0 for a process that is gone. Blocks."""
    import psutil

    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            taken = one.memory_info()
            total += int(taken.rss) - int(getattr(taken, "shared", 0))
    except psutil.Error:
        return total  # one of them has just ended
    return total


def process_bytes(pid: int) -> int | None:
    """Resident memory of a process, mapped files included; `None` where it is gone or may not be read."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
