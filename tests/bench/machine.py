"""What the figures were measured on. Says nothing that would tell one computer of a kind from another."""

from __future__ import annotations

import hashlib
import os
import platform
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.bench.plan import ROOT

FIXED = ("cpu", "cpus", "memory_gb", "system")
"""What makes two machines the same for the comparison of runs; versions may change between them."""

GB = 1_000_000_000


def describe(llama_cpp: Path | None) -> dict[str, Any]:
    """The machine and the versions that matter."""
    return {
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / GB),
        "system": f"{platform.system()} {platform.machine()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        # The folder of a build is named after its version, its processor, and a hash of what it was built of.
        "llama_cpp": llama_cpp.name if llama_cpp else "none",
        "commit": commit(),
    }


def fingerprint(described: Mapping[str, Any]) -> str:
    """A short name of a machine of this kind."""
    told = "\n".join(str(described[name]) for name in FIXED)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def load() -> str:
    """How busy the machine is now: the load averages of 1 and 5 minutes."""
    one, five, _ = psutil.getloadavg()
    return f"{one:.1f} (1 min), {five:.1f} (5 min)"


def commit() -> str:
    """The commit that is measured; with a mark where the tree is not quite that. Results are none of it."""
    head = _git("rev-parse", "--short", "HEAD")
    if head is None:
        return "unknown"
    changed = _git("status", "--porcelain", "--", ".", ":!tests/bench/results")
    return f"{head}, changed" if changed else head


def _git(*arguments: str) -> str | None:
    try:
        asked = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    except OSError:
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
