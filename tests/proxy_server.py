"""A proxy on this machine that speaks HTTP: tunnels, whole addresses, a login, and refusals."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class ProxyServer:
    """The server. In a thread, while it is entered.

    Attributes:
        asked: the first line of each request.
        login: `name:password` that it needs.
        status: it answers every request with this instead.
        leads_to: the port of this machine to which every request goes, whatever name it has.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.login: str | None = None
        self.status: int | None = None
        self.leads_to: int | None = None
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        server = await asyncio.start_server(self._connection, sock=listener)
        self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            first, *fields = head.decode("latin-1").split("\r\n")
            self.asked.append(first)
            method, target, _ = first.split(" ")
            status = self._refusal(fields)
            if status is not None:
                writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                return
            parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
            host, port = ("127.0.0.1", self.leads_to) if self.leads_to else (parts.hostname, parts.port)
            there, back = await asyncio.open_connection(host, port)
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                path = target.partition("://")[2].partition("/")[2]
                back.write(f"{method} /{path} HTTP/1.1\r\n".encode() + head.partition(b"\r\n")[2])
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    def _refusal(self, fields: list[str]) -> int | None:
        if self.login is not None:
            word = base64.b64encode(self.login.encode()).decode()
            if f"proxy-authorization: basic {word}".lower() not in [one.lower() for one in fields]:
                return 407
        return self.status


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()
