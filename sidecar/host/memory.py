"""How much memory a process started by us can still allocate.

Owns the limits that are not the machine's: control groups (containers, services) and those of our own process, which
engines inherit. Blocks for as long as it takes to read a few files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")

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
        free += [group.left for group in cgroups(CGROUP_ROOT, _text(OWN_CGROUPS))]
    return max(0, min(free))


def usable_bytes() -> int:
    """All the memory that processes of ours may use together: the machine's, or less in a control group."""
    import psutil

    most = [psutil.virtual_memory().total]
    if sys.platform == "linux":
        most += [group.limit for group in cgroups(CGROUP_ROOT, _text(OWN_CGROUPS))]
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
    found = []
    for line in own.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        version_2 = not controllers
        base = root if version_2 else root / "memory"
        for folder in _upwards(base, path):
            names = ("memory.max", "memory.high") if version_2 else ("memory.limit_in_bytes",)
            limits = [most for name in names if (most := _number(folder / name)) is not None and most < NO_LIMIT]
            used = _number(folder / ("memory.current" if version_2 else "memory.usage_in_bytes"))
            if limits and used is not None:
                left = min(limits) - used + _droppable(_text(folder / "memory.stat"), version_2=version_2)
                found.append(GroupMemory(min(limits), max(0, left)))
    return found


def _droppable(stat: str, *, version_2: bool) -> int:
    """Bytes that the kernel can take back without writing anything."""
    prefix = "" if version_2 else "total_"
    unwritten = ("file_dirty", "file_writeback") if version_2 else ("total_dirty", "total_writeback")
    files = _of(stat, f"{prefix}inactive_file") + _of(stat, f"{prefix}active_file")
    slabs = _of(stat, "slab_reclaimable") if version_2 else 0
    return max(0, files - sum(_of(stat, name) for name in unwritten)) + slabs


def _upwards(base: Path, path: str) -> Iterator[Path]:
    """A group's folder and those above it. Inside a container the path may be the host's: then only the base exists."""
    group = PurePosixPath(path.lstrip("/"))
    if ".." in group.parts:
        yield base
        return
    for part in (group, *group.parents):
        yield base / part


def _left_in_own_limits() -> list[int]:
    left: list[int] = []
    if sys.platform != "win32":
        import resource

        for kind, lost in ((resource.RLIMIT_AS, ADDRESSES_BYTES), (resource.RLIMIT_DATA, STACKS_BYTES)):
            most = resource.getrlimit(kind)[0]
            if most != resource.RLIM_INFINITY:
                left.append(max(0, most - lost))
    return left


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # another version, or none at all
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None  # "max" is no limit


def _of(stat: str, name: str) -> int:
    for line in stat.splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdecimal():
            return int(value)
    return 0


def process_bytes(pid: int) -> int | None:
    """Resident memory of a process, mapped files included; `None` where it is gone or may not be read."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None
