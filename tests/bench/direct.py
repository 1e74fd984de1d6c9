"""Requests straight to an engine, past the sidecar: raw sockets in one thread, as cheap as they can be.

An answer is not parsed. It is looked through for its first token, its end, and the count of tokens shortly before it.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.app.talking import SocketConnection
from tests.bench.hosts import READ_BYTES, Broken

SILENCE_SECONDS = 120.0
"""An engine that says nothing for so long is broken: 16 prompts on one slow core take a third of it."""

FIRST = re.compile(rb'"content":"(?!")')
COUNT = re.compile(rb'"completion_tokens":(\d+)')
END = b"data: [DONE]"
TAIL_BYTES = 4096
"""The last events, which hold the count."""


@dataclass(slots=True)
class Answers:
    """What came of some requests at once.

    Attributes:
        tokens: of all answers.
        seconds: from the first request to the end of the last answer.
        firsts: of each answer, the milliseconds from its request to its first token.
    """

    tokens: int
    seconds: float
    firsts: list[float]

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


@dataclass(slots=True)
class _Stream:
    asked: float
    first: float | None = None
    tail: bytes = field(default=b"")


def get(server: Mapping[str, Any], path: str) -> Any:
    """What an engine answers a small question with; `server` as `get_server` tells it."""
    connection = SocketConnection(server["socket_path"])
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {server['api_key']}"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def ask(server: Mapping[str, Any], bodies: Sequence[Mapping[str, Any]]) -> Answers:
    """Send all requests at once, and read the answers to their ends."""
    selector = selectors.DefaultSelector()
    begun = time.perf_counter()
    streams = []
    for body in bodies:
        stream = _Stream(time.perf_counter())
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(server["socket_path"])
        connection.sendall(_request(body, server["api_key"]))
        selector.register(connection, selectors.EVENT_READ, stream)
        streams.append(stream)
    left = len(streams)
    try:
        while left:
            ready = selector.select(SILENCE_SECONDS)
            if not ready:
                raise Broken(f"the engine has been silent for {SILENCE_SECONDS:.0f} s")
            for key, _ in ready:
                connection = key.fileobj  # type: ignore[assignment]
                if _has_ended(key.data, connection.recv(READ_BYTES)):
                    left -= 1
                    selector.unregister(connection)
                    connection.close()
        seconds = time.perf_counter() - begun
    finally:
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        selector.close()
    return Answers(
        tokens=sum(_count(stream) for stream in streams),
        seconds=seconds,
        firsts=[(stream.first - stream.asked) * 1e3 for stream in streams if stream.first is not None],
    )


def _request(body: Mapping[str, Any], key: str) -> bytes:
    data = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def _has_ended(stream: _Stream, data: bytes) -> bool:
    """Take in a piece of an answer; whether it was the last."""
    if not data:
        raise Broken(f"the engine hung up: …{stream.tail[-200:].decode(errors='replace')}")
    stream.tail = (stream.tail + data)[-TAIL_BYTES:] if len(data) < TAIL_BYTES else data
    if stream.first is None and FIRST.search(data):
        stream.first = time.perf_counter()
    return END in stream.tail


def _count(stream: _Stream) -> int:
    found = COUNT.search(stream.tail)
    if found is None or stream.first is None:
        raise Broken(f"an answer of the engine can not be understood: …{stream.tail[-200:].decode(errors='replace')}")
    return int(found[1])
