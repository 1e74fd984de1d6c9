"""A host written from the contract alone: raw lines over pipes, no client library of ours.

Every line that comes back is checked against the published JSON Schema, so each test that uses this is a test of the
schema, too.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import jsonschema

from tests.program import PROGRAM

SCHEMA = Path(__file__).parents[1] / "ipc_schema" / "schema.json"

TERMINAL = ("done", "error", "cancelled")
"""Statuses of a channel's last event."""

ANSWER_SECONDS = 60.0
"""Longest wait for anything; a test that needs it is broken."""


class LineHost:
    """What a host does with the lines that it sends and gets, whatever carries them.

    Args:
        data_dir: of its sidecar.
        validate: whether each line is checked against the schema.
    """

    def __init__(self, data_dir: Path, *, validate: bool = True) -> None:
        self.data_dir = data_dir
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.notifications: list[dict[str, Any]] = []
        self._validate = validate
        self._next_id = 0
        self._methods: dict[Any, str] = {}
        self._answers: dict[Any, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- what carries the lines ----------------------------------------------------------------------------

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        raise NotImplementedError

    def raw_line(self) -> bytes:
        """Wait for the next line, and leave it to the test what it means."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """The sidecar's process."""
        raise NotImplementedError

    def close(self) -> int:
        """Have the sidecar end as if the host were gone; its exit code. One that does not end fails the test."""
        raise NotImplementedError

    # --- sending -------------------------------------------------------------------------------------------

    def send(self, message: Any) -> None:
        """Write a message as a line."""
        self.send_bytes(json.dumps(message).encode() + b"\n")

    def begin(self, method: str, /, **params: Any) -> int:
        """Send a request without waiting; returns its id."""
        [id_] = self.begin_together(method, params)
        return id_

    def begin_together(self, method: str, /, *requests: Mapping[str, Any]) -> list[int]:
        """Send requests in one write: the sidecar has read the last when it begins with the first."""
        ids = [self._next_id + number for number, _ in enumerate(requests, 1)]
        self._next_id += len(ids)
        self._methods |= dict.fromkeys(ids, method)
        lines = [
            {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
            for id_, params in zip(ids, requests, strict=True)
        ]
        self.send_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        return ids

    def notify(self, method: str, /, **params: Any) -> None:
        """Send a notification."""
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    # --- receiving -----------------------------------------------------------------------------------------

    def call(self, method: str, /, **params: Any) -> Any:
        """Send a request and wait for its result."""
        response = self.answer(self.begin(method, **params))
        assert "error" not in response, response["error"]
        return response["result"]

    def fail(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Send a request and wait for its error."""
        response = self.answer(self.begin(method, **params))
        assert "error" in response, response["result"]
        error: dict[str, Any] = response["error"]
        return error

    def answer(self, id_: Any) -> dict[str, Any]:
        """Wait for the response to a request."""
        self.until(lambda: id_ in self._answers)
        return self._answers.pop(id_)

    def event(self, channel: str, status: str, *, at_least: int = 1) -> dict[str, Any]:
        """Wait for an event of a channel; with `at_least`, for so many of that status."""

        def found() -> list[dict[str, Any]]:
            return [e["event"] for e in self.events.get(channel, []) if e["event"]["status"] == status]

        def is_over() -> bool:
            return channel in self.events and self.events[channel][-1]["event"]["status"] in TERMINAL

        self.until(lambda: len(found()) >= at_least or is_over())
        assert len(found()) >= at_least, f"{channel} ended with {self.events[channel][-3:]}"
        return found()[at_least - 1]

    def until(self, condition: Callable[[], bool]) -> None:
        """Take in lines until a condition holds."""
        while not condition():
            self.take_line()

    def take_line(self) -> Any:
        """Wait for the next line and take it in."""
        message = json.loads(self.raw_line())
        self._take_in(message)
        return message

    def text(self, channel: str) -> str:
        """The text that has streamed on a channel."""
        return "".join(e["event"]["chunk"] for e in self.events[channel] if e["event"]["status"] == "token")

    def statuses(self, channel: str) -> list[str]:
        """The statuses of a channel's events, repetitions left out."""
        found: list[str] = []
        for event in self.events[channel]:
            if not found or found[-1] != event["event"]["status"]:
                found.append(event["event"]["status"])
        return found

    def _take_in(self, message: Any) -> None:
        if isinstance(message, list):
            for one in message:
                self._take_in(one)
            return
        assert message["jsonrpc"] == "2.0"
        if message.get("method") == "channel":
            if self._validate:
                validate(message, "ChannelNotification")
            params = message["params"]
            self.events.setdefault(params["channel"], []).append(params)
        else:
            id_ = message["id"]
            assert id_ is None or id_ not in self._answers, f"{id_} was answered twice"
            if self._validate:
                if "error" in message:
                    validate(message, "ErrorResponse")
                elif method := self._methods.get(id_):
                    validate_result(message["result"], method)
            self._answers[id_] = message


class RawHost(LineHost):
    """A sidecar as a child process, and lines to and from it."""

    def __init__(
        self,
        data_dir: Path,
        *options: str,
        command: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        validate: bool = True,
    ) -> None:
        self.process = subprocess.Popen(
            [*(command or PROGRAM), "--data-dir", str(data_dir), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
        super().__init__(data_dir, validate=validate)
        self.stderr = b""
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._may_read = threading.Event()
        self._may_read.set()
        self._threads = [threading.Thread(target=f, daemon=True) for f in (self._read_stdout, self._read_stderr)]
        for thread in self._threads:
            thread.start()

    # --- sending -------------------------------------------------------------------------------------------

    def send_bytes(self, data: bytes) -> None:
        """Write bytes as they are."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def raw_line(self) -> bytes:
        """Wait for the next line, and leave it to the test what it means."""
        line = self._lines.get(timeout=ANSWER_SECONDS)
        assert line is not None, f"the sidecar has ended: {self.stderr.decode(errors='replace')[-2000:]}"
        return line

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop_reading(self) -> None:
        """Read no more than what is on its way already: a host that is busy, or hangs."""
        self._may_read.clear()

    def go_on_reading(self) -> None:
        """Undo `stop_reading`."""
        self._may_read.set()

    # --- the end -------------------------------------------------------------------------------------------

    def close_stdin(self) -> None:
        """Close the sidecar's stdin, as a host that ends."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return

    def close(self) -> int:
        """Close stdin and wait for the exit code; a sidecar that does not end fails the test."""
        self.close_stdin()
        self.go_on_reading()
        try:
            code = self.process.wait(timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        for thread in self._threads:
            thread.join(timeout=5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        pending = b""
        while chunk := self._read_chunk(self.process.stdout.fileno()):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                self._lines.put(line)
        self._lines.put(None)

    def _read_chunk(self, fd: int) -> bytes:
        self._may_read.wait()
        return os.read(fd, 65536)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while chunk := os.read(self.process.stderr.fileno(), 65536):
            self.stderr += chunk


def _one_of(validator: Any, branches: list[Any], value: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """As `oneOf`, but where the value's tag says which branch is meant, no other is tried: that takes much longer."""
    if "discriminator" not in schema:
        yield from _ONE_OF(validator, branches, value, schema)
        return
    tag = schema["discriminator"]["propertyName"]
    meant = schema["discriminator"]["mapping"].get(value.get(tag)) if isinstance(value, dict) else None
    if meant is None:
        yield jsonschema.ValidationError(f"{value!r} has no known {tag}")
    else:
        yield from validator.descend(value, {"$ref": meant})


_ONE_OF = jsonschema.Draft202012Validator.VALIDATORS["oneOf"]
_Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"oneOf": _one_of}
)


@cache
def _validator(name: str) -> Any:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    pointer = name if name.startswith("#") else f"#/$defs/{name}"
    return _Validator({"$defs": schema["$defs"], "$ref": pointer})


def validate(value: Any, name: str) -> None:
    """Check a value against a type of the published schema."""
    _validator(name).validate(value)


def validate_result(value: Any, method: str) -> None:
    """Check a method's result against the published schema."""
    _validator(f"#/$defs/MethodResults/properties/{method}").validate(value)
