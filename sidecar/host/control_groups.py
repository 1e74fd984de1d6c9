"""Linux control groups: the folders whose files limit us, in a container, a service or a user's session.

Owns where they are; `memory` and `cpus` own what their files mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def folders(root: Path, own: str, controller: str) -> Iterator[tuple[Path, bool]]:
    """The groups of a controller that contain us, from our own one upwards, and whether each is of version 2.

    Args:
        root: where the groups are mounted.
        own: the content of /proc/self/cgroup.
        controller: such as `memory`.
    """
    for line in own.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and controller not in controllers.split(","):
            continue
        version_2 = not controllers
        for folder in _upwards(root if version_2 else root / controller, path):
            yield folder, version_2


def _upwards(base: Path, path: str) -> Iterator[Path]:
    """A group's folder and those above it. Inside a container the path may be the host's: then only the base exists."""
    group = PurePosixPath(path.lstrip("/"))
    if ".." in group.parts:
        yield base
        return
    for part in (group, *group.parents):
        yield base / part


def text(path: Path) -> str:
    """The content of a group's file; empty where there is none. Blocks."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # another version, or none at all
        return ""


def number(path: Path) -> int | None:
    """The number in a group's file; `None` for "max", which is no limit, and where there is none. Blocks."""
    found = text(path).strip()
    return int(found) if found.isdecimal() else None
