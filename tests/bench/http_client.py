"""One of the HTTP clients that `http_clients` compares, as a program: `http_client.py NAME`.

Takes lines of JSON on stdin: `socket`, `streams` and `message`. Sends the message so many times at the same time,
counts the tokens in the bodies of the answers as they come, and writes a line of JSON: processor seconds, seconds and
tokens. Knows nothing of what a token says: the client's own cost is all that it shows.

`ours` and `h11` are parsers below the same connection, which reads as the sidecar's does; `aiohttp` is a whole client.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

READ_BYTES = 16 * 1024
"""Read at once, as the sidecar does."""

LINES = 2
"""Of a token: the event's, and an empty one."""

Ask = Callable[[str, str], Awaitable[int]]
"""Sends a body to an engine at a socket; the tokens of its answer."""


class Parser(Protocol):
    """Reads one response."""

    done: bool

    def feed(self, data: memoryview) -> bytes:
        """The part of the body in these bytes."""


class Ours:
    """The sidecar's: httptools, which is Node's parser in C, with what the sidecar adds."""

    def __init__(self) -> None:
        from sidecar.engines.client.exchange import Response

        self._response = Response()
        self.done = False

    def feed(self, data: memoryview) -> bytes:
        self._response.feed(data)
        self.done = self._response.done
        return self._response.take()


class H11:
    """The parser in Python that httpcore uses."""

    def __init__(self) -> None:
        import h11

        self._h11 = h11
        self._connection = h11.Connection(our_role=h11.CLIENT)
        self._connection.send(h11.Request(method="POST", target="/", headers=[("Host", "engine")]))
        self._connection.send(h11.EndOfMessage())
        self.done = False

    def feed(self, data: memoryview) -> bytes:
        self._connection.receive_data(bytes(data))
        parts = []
        while True:
            event = self._connection.next_event()
            if isinstance(event, self._h11.Data):
                parts.append(bytes(event.data))
            elif isinstance(event, self._h11.EndOfMessage):
                self.done = True
                break
            elif event is self._h11.NEED_DATA:
                break
        return b"".join(parts)


class Exchange(asyncio.BufferedProtocol):
    """One request and its answer, read with a parser."""

    def __init__(self, parser: Parser, request: bytes) -> None:
        self.lines = 0
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parser = parser
        self._request = request
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(self._request)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.lines += self._parser.feed(self._view[:nbytes]).count(b"\n")
        if self._parser.done:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(None)


def with_parser(make: Callable[[], Parser]) -> Ask:
    """Ask by way of a parser."""

    async def ask(path: str, body: str) -> int:
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        exchange = Exchange(make(), request)
        await asyncio.get_running_loop().create_unix_connection(lambda: exchange, path)
        await exchange.over
        return exchange.lines // LINES

    return ask


def with_aiohttp() -> Ask:
    """Ask by way of aiohttp, with a session that is kept."""
    import aiohttp

    sessions: dict[str, aiohttp.ClientSession] = {}

    async def ask(path: str, body: str) -> int:
        if path not in sessions:  # it needs a loop that runs
            connector = aiohttp.UnixConnector(path, limit=0, force_close=True)
            sessions[path] = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))
        lines = 0
        headers = {"Content-Type": "application/json"}
        async with sessions[path].post("http://engine/v1/chat/completions", data=body, headers=headers) as answer:
            async for data in answer.content.iter_any():
                lines += data.count(b"\n")
        return lines // LINES

    return ask


CLIENTS: dict[str, Callable[[], Ask]] = {
    "ours": lambda: with_parser(Ours),
    "h11": lambda: with_parser(H11),
    "aiohttp": with_aiohttp,
}


async def measure(ask: Ask, request: dict[str, Any]) -> dict[str, float]:
    """What so many answers cost."""
    body = json.dumps({"stream": True, "messages": [{"role": "user", "content": request["message"]}]})
    cpu, began = time.process_time(), time.perf_counter()
    tokens = await asyncio.gather(*(ask(request["socket"], body) for _ in range(request["streams"])))
    return {"cpu": time.process_time() - cpu, "seconds": time.perf_counter() - began, "tokens": sum(tokens)}


def main(name: str) -> None:
    """Be a client until stdin ends."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    ask = CLIENTS[name]()  # with its imports, which are not measured
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            print(json.dumps(runner.run(measure(ask, json.loads(line)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
