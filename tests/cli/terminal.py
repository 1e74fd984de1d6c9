"""A program in a real pseudo-terminal, and a person in front of it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

BOUND_SECONDS = 60.0
"""Longest wait for anything; a test that needs it is broken."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")


class Terminal:
    """`llama-sidecar` as a person sees it. What it shows is in `text`, without colours and cursor movements."""

    def __init__(
        self,
        data_dir: Path,
        arguments: Sequence[str],
        *,
        columns: int = 80,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._master = master
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidecar", "--data-dir", str(data_dir), *arguments],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that a Ctrl-C becomes a signal
        )
        os.close(slave)
        self.raw = ""
        self._seen = 0

    @property
    def text(self) -> str:
        """Everything shown so far, as plain lines."""
        plain = _ESCAPES.sub("", self.raw).replace("\r\n", "\n")
        return "\n".join(line.rpartition("\r")[2] or line.strip("\r") for line in plain.split("\n"))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def press(self, keys: str) -> None:
        """Press keys: \\x03 is Ctrl-C, \\x04 Ctrl-D."""
        os.write(self._master, keys.encode())

    def enter(self, line: str) -> None:
        """Type a line, once the program asks for one."""
        self.until("\n> ")
        self.press(f"{line}\n")

    def until(self, wanted: str) -> str:
        """Wait until a text is shown after what was waited for before; returns what was shown up to it."""
        deadline = time.monotonic() + BOUND_SECONDS
        while (at := self.text.find(wanted, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{wanted!r} was not shown:\n{self.text}"
            assert self._take_in(), f"the program ended without showing {wanted!r}:\n{self.text}"
        shown = self.text[self._seen : at + len(wanted)]
        self._seen = at + len(wanted)
        return shown

    def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        deadline = time.monotonic() + BOUND_SECONDS
        while self._take_in():
            assert time.monotonic() < deadline, f"the program does not end:\n{self.text}"
        return self.process.wait(timeout=BOUND_SECONDS)

    def close(self) -> None:
        """Hang up, as when the window is closed; a program that does not end then fails the test."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGHUP)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _take_in(self) -> bool:
        """Take in what is shown next; False when there is nothing more to come."""
        ready, _, _ = select.select([self._master], [], [], 0.2)
        if not ready:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux: the other end is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)
