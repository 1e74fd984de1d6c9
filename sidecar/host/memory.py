"""How much memory a process started by us can still allocate.

Owns the limits that are not the machine's: control groups (containers, services) and those of our own process, which
engines inherit. Blocks for as long as it takes to read a few files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

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
        free += cgroup_left(CGROUP_ROOT, _text(OWN_CGROUPS))
    return max(0, min(free))


def cgroup_left(root: Path, own: str) -> list[int]:
    """What is left in each control group that contains us. Cached files that can be dropped count as left.

    Args:
        root: where the groups are mounted.
        own: the content of /proc/self/cgroup.
    """
    left = []
    for line in own.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        version_2 = not controllers
        base = root if version_2 else root / "memory"
        limit, usage = (
            ("memory.max", "memory.current") if version_2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        )
        reclaimable = "inactive_file" if version_2 else "total_inactive_file"
        for folder in _upwards(base, path):
            most, used = _number(folder / limit), _number(folder / usage)
            if most is not None and used is not None and most < NO_LIMIT:
                left.append(max(0, most - used + _of(_text(folder / "memory.stat"), reclaimable)))
    return left


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
