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
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.program import PROGRAM

BOUND_SECONDS = 60.0
"""Longest wait for anything; a test that needs it is broken."""

PATIENCE_SECONDS = 2.0
"""How long a person waits for an answer to a key before pressing it again."""

PROMPT = "\n> "

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[=>])")
_PIECES = re.compile(_ESCAPES.pattern + "|[^\x07]", re.DOTALL)


def _plain(raw: str) -> str:
    plain = _ESCAPES.sub("", raw).replace("\r\n", "\n")
    return "\n".join(line.rpartition("\r")[2] or line.strip("\r") for line in plain.split("\n"))


def run(
    data_dir: Path, *arguments: str | bytes, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`llama-sidecar` as a script runs it, with pipes, to its end."""
    return subprocess.run(
        [*PROGRAM, "--data-dir", str(data_dir), *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, **(env or {})},
        timeout=BOUND_SECONDS,
        check=False,
    )


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
            [*PROGRAM, "--data-dir", str(data_dir), *arguments],
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that a Ctrl-C becomes a signal
        )
        os.close(slave)
        self.raw = ""
        self._whole_lines = ""
        self._plain_until = 0
        self._seen = 0

    @property
    def text(self) -> str:
        """Everything shown so far, as plain lines."""
        return self._whole_lines + _plain(self.raw[self._plain_until :])

    @property
    def screen(self) -> str:
        """What a person sees in the end: without what was erased or written over, without blanks at ends of lines."""
        lines: list[list[str]] = [[]]
        row = column = 0
        for piece in _PIECES.findall(self.raw):
            if piece == "\n":
                row += 1
                lines += [[]] if row == len(lines) else []
            elif piece == "\r":
                column = 0
            elif piece == "\b":
                column = max(0, column - 1)
            elif piece[0] != "\x1b":
                line = lines[row]
                line += " " * (column + 1 - len(line))
                line[column] = piece
                column += 1
            elif piece.endswith("A"):
                row = max(0, row - int(piece[2:-1] or 1))
            elif piece.endswith("K"):
                del lines[row][0 if piece == "\x1b[2K" else column :]
        return "\n".join("".join(line).rstrip() for line in lines)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def press(self, keys: str) -> None:
        """Press keys: \\x03 is Ctrl-C, \\x04 Ctrl-D."""
        os.write(self._master, keys.encode())

    def press_until_heard(self, keys: str, answer: str) -> None:
        """Press keys, and again for as long as nothing is shown of an answer, as a person does.

        For Ctrl-C at the prompt, once all that was typed before is shown: Python's `input` looks for signals only
        when one wakes its `select`, so that one which comes just before that waits for the next.
        """
        deadline = time.monotonic() + BOUND_SECONDS
        while (at := self.text.find(answer, self._seen)) < 0:
            assert time.monotonic() < deadline, f"{answer!r} was not shown:\n{self.text}"
            self.press(keys)
            patience = time.monotonic() + PATIENCE_SECONDS
            while answer not in self.text[self._seen :] and time.monotonic() < patience:
                assert self._take_in(), f"the program ended without showing {answer!r}:\n{self.text}"
        self._seen = at + len(answer)

    def enter(self, line: str) -> None:
        """Type a line, once the program asks for one."""
        self.until(PROMPT)
        self.press(f"{line}\n")

    def ask(self, line: str) -> str:
        """Type a line and wait until the program asks for the next one; returns what was shown meanwhile."""
        self.enter(line)
        return self.asked().partition("\n")[2]

    def asked(self) -> str:
        """Wait until the program asks for a line; returns what was shown before."""
        shown = self.until(PROMPT)
        self._seen -= len(PROMPT)
        return shown.removesuffix(PROMPT)

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
                self.process.wait(timeout=BOUND_SECONDS)
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
        end = self.raw.rfind("\n") + 1
        if end > self._plain_until:  # not all of it again and again: a chat that many tests share shows a lot
            self._whole_lines += _plain(self.raw[self._plain_until : end])
            self._plain_until = end
        return bool(data)
