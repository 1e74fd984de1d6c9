"""A browser without pictures: the program that serves pages, and pages that talk to it.

Every message is checked against the published schema, as in `raw_host`. The handshake is written out here a second
time, so that a change of the sidecar's side alone is noticed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import itertools
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import anyio
import orjson

from tests.app.talking import SocketConnection
from tests.program import PROGRAM
from tests.raw_host import validate, validate_result

PROTOCOL = "llama-sidecar.v2"

BOUND_SECONDS = 30.0
"""Longest wait for anything; a test that needs it is broken."""


def unpacked(secret: str) -> bytes:
    """The bytes of a key in an address."""
    return base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))


def packed(data: bytes) -> str:
    """Bytes as a key in an address has them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A page's key, from the address of a link or kept from before."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self.secret = secret

    @classmethod
    def of(cls, address: str) -> Key:
        """The key in an address."""
        name, _, secret = urlsplit(address).fragment.removeprefix("token=").partition(".")
        return cls(name, unpacked(secret))

    def derived(self, role: str, host: str, nonce: str, theirs: str) -> bytes:
        """A proof, or the secret of the next key."""
        text = "\n".join((PROTOCOL, role, host, nonce, theirs))
        return hmac.digest(self.secret, text.encode(), hashlib.sha256)

    @classmethod
    def from_secret(cls, secret: bytes) -> Key:
        """The key that both sides have derived."""
        return cls(packed(hmac.digest(secret, b"name", hashlib.sha256)[:9]), secret)


async def shake_hands(socket: aiohttp.ClientWebSocketResponse, key: Key, host: str, purpose: str = "session") -> Key:
    """Prove that we have a key, and see that the sidecar has it; returns the key that both derive."""
    nonce = secrets.token_urlsafe(32)
    await socket.send_json({"key": key.name, "nonce": nonce, "purpose": purpose})
    with anyio.fail_after(BOUND_SECONDS):
        challenge = await socket.receive_json()
        assert challenge["proof"] == packed(key.derived("sidecar", host, nonce, challenge["nonce"]))
        await socket.send_json({"proof": packed(key.derived("page", host, nonce, challenge["nonce"]))})
        assert await socket.receive_json() == {"admitted": True}
    return Key.from_secret(key.derived(purpose, host, nonce, challenge["nonce"]))


class Served:
    """`llama-sidecar serve --web`, and a page that it admits."""

    def __init__(
        self, data_dir: Path, *options: str, env: Mapping[str, str] = MappingProxyType({}), prefix: tuple[str, ...] = ()
    ) -> None:
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [*prefix, *PROGRAM, "serve", "--web", "--data-dir", str(data_dir), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **env},
        )
        self.stderr = b""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._thread = threading.Thread(target=self._read_stderr, daemon=True)
        self._thread.start()
        self.address = self.process.stdout.readline().decode().strip()
        self.host = urlsplit(self.address).netloc
        self.origin = f"http://{self.host}"
        self.key = Key.of(self.address)
        self._is_link = True

    def another_link(self) -> str:
        """Press Enter; the address that is printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()

    def get(self, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        """Ask for something as it stands."""
        connection = http.client.HTTPConnection(self.host, timeout=BOUND_SECONDS)
        try:
            connection.putrequest("GET", path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> int:
        """End it as Ctrl-C does; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(timeout=BOUND_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._thread.join(timeout=5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A page that is admitted, and open meanwhile."""
        async with aiohttp.ClientSession() as session, self.socket(session) as socket:
            key = await shake_hands(socket, self.key, self.host)
            if self._is_link:
                self.key, self._is_link = key, False
            yield Page(socket)

    def socket(
        self,
        session: aiohttp.ClientSession,
        *,
        origin: str | None = "",
        protocols: tuple[str, ...] = (PROTOCOL,),
        **kwargs: Any,
    ) -> Any:
        """A WebSocket as our own page opens it, but for what is given; nobody is admitted yet."""
        headers = {"Origin": self.origin if origin == "" else origin}
        return session.ws_connect(
            f"ws://{self.host}/rpc",
            protocols=protocols,
            headers={name: value for name, value in headers.items() if value is not None},
            max_msg_size=0,
            **kwargs,
        )

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while chunk := os.read(self.process.stderr.fileno(), 65536):
            self.stderr += chunk


class Page:
    """One page's side of its WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: dict[str, list[dict[str, Any]]] = {}
        self._answers: dict[Any, dict[str, Any]] = {}
        self._methods: dict[int, str] = {}
        self._ids = itertools.count(1)  # those of other pages are the same

    async def begin(self, method: str, /, **params: Any) -> int:
        """Send a request without waiting; returns its id."""
        id_ = next(self._ids)
        self._methods[id_] = method
        await self.socket.send_json({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})
        return id_

    async def answer(self, id_: int) -> dict[str, Any]:
        """Wait for the response to a request."""
        await self.until(lambda: id_ in self._answers)
        return self._answers.pop(id_)

    async def call(self, method: str, /, **params: Any) -> Any:
        """Send a request and wait for its result."""
        response = await self.answer(await self.begin(method, **params))
        assert "error" not in response, response["error"]
        return response["result"]

    async def fail(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Send a request and wait for its error."""
        response = await self.answer(await self.begin(method, **params))
        error: dict[str, Any] = response["error"]
        return error

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take in messages until a condition holds."""
        with anyio.fail_after(BOUND_SECONDS):
            while not condition():
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, message
                self._take_in(orjson.loads(message.data))

    async def event(self, channel: str, status: str) -> dict[str, Any]:
        """Wait for an event of a channel."""

        def found() -> list[dict[str, Any]]:
            return [one["event"] for one in self.events.get(channel, []) if one["event"]["status"] == status]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def ended(self) -> aiohttp.WSMessage:
        """Wait for the end of the connection; what says it."""
        with anyio.fail_after(BOUND_SECONDS):
            while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                self._take_in(orjson.loads(message.data))
        return message

    def cut(self) -> None:
        """Lose the connection without a word."""
        transport = self.socket._conn.transport if self.socket._conn else None
        assert transport is not None
        transport.abort()

    def text(self, channel: str) -> str:
        """The text that has streamed on a channel."""
        return "".join(one["event"].get("chunk", "") for one in self.events.get(channel, []))

    def _take_in(self, message: dict[str, Any]) -> None:
        if message.get("method") == "channel":
            validate(message, "ChannelNotification")
            self.events.setdefault(message["params"]["channel"], []).append(message["params"])
            return
        if "error" in message:
            validate(message, "ErrorResponse")
        else:
            validate_result(message["result"], self._methods[message["id"]])
        self._answers[message["id"]] = message


async def release(page: Page, server_id: str) -> None:
    """Let answers go on that the fake engine holds (`hold-after`)."""
    details = await page.call("get_server", server_id=server_id)
    connection = SocketConnection(details["socket_path"])
    try:
        connection.request("POST", "/release", headers={"Authorization": f"Bearer {details['api_key']}"})
        connection.getresponse().read()
    finally:
        connection.close()
