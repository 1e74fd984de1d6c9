"""How many processor cores engines of ours may really use.

Owns the limits that are not the machine's: the quota of a control group (containers), and the processors that we may
run on. llama.cpp counts the machine's cores and knows neither; more threads than processors wait for each other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sidecar.host import control_groups


def core_limit() -> int | None:
    """How many cores our processes may use, where that is fewer than the machine has; otherwise `None`. Blocks."""
    import psutil

    own = control_groups.text(control_groups.OWN) if sys.platform == "linux" else ""
    machine = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    logical = psutil.cpu_count() or 1
    allowed = logical
    if sys.platform == "linux":
        allowed = len(os.sched_getaffinity(0))
    return limit_of(machine, logical, allowed, quota(control_groups.ROOT, own))


def limit_of(machine: int, logical: int, allowed: int, share: float | None) -> int | None:
    """The limit of these facts. Pure.

    Args:
        machine: the machine's cores.
        logical: the processors it has, with two or more for a core.
        allowed: the processors that we may run on.
        share: processor time of the control group, in processors.
    """
    found = [machine]
    if allowed < logical:  # with whole cores, which both of their processors are of
        found.append(max(1, allowed * machine // logical))
    if share is not None:
        found.append(max(1, int(share)))
    return min(found) if min(found) < machine else None


def quota(root: Path, own: str) -> float | None:
    """The processor time that our control groups allow, in processors; `None` for no limit.

    Args:
        root: where the groups are mounted.
        own: the content of /proc/self/cgroup.
    """
    shares = []
    for folder, version_2 in control_groups.folders(root, own, "cpu"):
        if version_2:
            words = control_groups.text(folder / "cpu.max").split()
            if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
                shares.append(int(words[0]) / int(words[1]))
        else:
            used, period = (control_groups.number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
            if used and period:  # -1 is no limit
                shares.append(used / period)
    return min(shares, default=None)
