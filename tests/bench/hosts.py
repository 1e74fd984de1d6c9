"""A host that costs as little as one can: it writes lines and reads lines. Validates nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import psutil

INITIALIZE = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"client":{"name":"bench","version":"1"}}}\n'
INITIALIZE_MCP = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
    b'"clientInfo":{"name":"bench","version":"1"}}}\n'
)
INITIALIZED_MCP = b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n'

READ_BYTES = 1 << 20
"""More than a pipe holds."""

END_SECONDS = 30.0
"""A program that takes longer to end when its stdin has is broken."""


class Broken(Exception):
    """A benchmark can not go on: what it measures does not do what it should."""


def _environment() -> dict[str, str]:
    """Ours, without what makes Python slower or not compile: no host has set that."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


class Host:
    """A program with our hands on its stdin and stdout; `changes` are to its environment.

    Attributes:
        process: the program; its standard output is read here and nowhere else.
        started: when it was asked for, by `time.perf_counter`.
    """

    def __init__(self, argv: Sequence[str], changes: Mapping[str, str] | None = None) -> None:
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment() | dict(changes or {}),
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in = self.process.stdin.fileno()
        self._out = self.process.stdout.fileno()
        self._lines: list[bytes] = []  # the next one last
        self._partial = b""
        self._next_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let its stdin end, and wait for the program to."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Broken(f"{self.process.args!r} does not end with its stdin") from None
        finally:
            self.process.stdout.close()

    def write(self, data: bytes) -> None:
        """Write all of it."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._in, left) :]

    def read(self) -> bytes:
        """What there is to read, as soon as there is something.

        Raises:
            Broken: the program has ended.
        """
        data = os.read(self._out, READ_BYTES)
        if not data:
            raise Broken(f"{self.process.args!r} has ended with exit code {self.process.wait(END_SECONDS)}")
        return data

    def line(self) -> bytes:
        """The next line, without its LF."""
        while not self._lines:
            *lines, self._partial = (self._partial + self.read()).split(b"\n")
            self._lines = lines[::-1]
        return self._lines.pop()

    def ask(self, line: bytes) -> float:
        """Write a request and read the answer, which has to be a result; the seconds that took."""
        started = time.perf_counter()
        self.write(line)
        answer = self.line()
        seconds = time.perf_counter() - started
        if b'"result"' not in answer:
            raise Broken(f"{line.decode()} was answered with {answer.decode()}")
        return seconds

    def begin(self, method: str, **params: Any) -> int:
        """Send a request; returns its id."""
        self._next_id += 1
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        self.write(json.dumps(request).encode() + b"\n")
        return self._next_id

    def call(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its result; events are passed by."""
        id_ = self.begin(method, **params)
        while (message := json.loads(self.line())).get("id") != id_:
            continue
        return result_of(message)


def result_of(message: dict[str, Any]) -> Any:
    """A response's result.

    Raises:
        Broken: it is an error.
    """
    if "result" not in message:
        raise Broken(f"an error came back: {message.get('error')}")
    return message["result"]


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, to the nanosecond where the system has a clock for that."""
    if sys.platform != "linux":
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3); threads that have ended count, too
