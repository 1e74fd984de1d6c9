"""How much memory a process has taken."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil


class Memory:
    """What a process takes from now on beyond what it has."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        if sys.platform.startswith("linux"):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak so far
        self.baseline_bytes = self._process.memory_info().rss
        self._seen = self.baseline_bytes

    def look(self) -> None:
        """Take note of what it has now; only where the system keeps no peak that is needed often."""
        self._seen = max(self._seen, self._process.memory_info().rss)

    def growth_bytes(self) -> int:
        """The most that it has had beyond what it had at first."""
        self.look()
        return max(self._peak(), self._seen) - self.baseline_bytes

    def _peak(self) -> int:
        if not sys.platform.startswith("linux"):  # elsewhere a peak can not be reset: what was looked at counts
            return 0
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
