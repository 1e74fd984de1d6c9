"""The connection to a sidecar that runs as our child, and requests over it.

Owns the child process, ids, pending requests and the names of channels. The methods are in `methods`, generated from
the contract.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import orjson

from sidecar.client.methods import ContractMethods
from sidecar.contract.errors import InternalError, SidecarError, all_errors
from sidecar.host.paths import self_command
from sidecar.transport.framing import LineFramer

READ_BYTES = 64 * 1024

MAX_LINE_BYTES = 256 * 1024 * 1024
"""The longest answer we take: a whole exported session with images. The sidecar is trusted not to fill our memory."""

CLOSE_SECONDS = 6.0
"""How long a sidecar may take to end: it promises 5."""

_ERRORS = {error.name: error for error in all_errors()}

OnEvent = Callable[[Any], None]


class ConnectionClosed(Exception):
    """The sidecar has ended; what was under way is lost."""


class SidecarClient(ContractMethods):
    """A running sidecar and its methods."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._channels: dict[str, tuple[Any, OnEvent]] = {}
        self._closed: ConnectionClosed | None = None
        self._reader = asyncio.create_task(self._read(), name="sidecar client")

    @property
    def pid(self) -> int:
        """The sidecar's process id."""
        return self._process.pid

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, on_event: OnEvent | None = None
    ) -> Any:
        """Call a method by name; its events and result as plain JSON values."""
        return await self._request(method, dict(params or {}), Any, Any, on_event)

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send a notification."""
        await self._send({"jsonrpc": "2.0", "method": method, "params": params})

    async def close(self) -> None:
        """Close the sidecar's stdin and wait for its end; after that it is killed. Safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _request(
        self,
        method: str,
        params: dict[str, Any],
        result: Any,
        events: Any = None,
        on_event: OnEvent | None = None,
    ) -> Any:
        if self._closed is not None:
            raise self._closed
        id_ = next(self._ids)
        channel: str | None = None
        if on_event is not None:
            channel = params.setdefault("channel", f"c{id_}")
            self._channels[channel] = (events, on_event)
        answer = self._pending[id_] = asyncio.get_running_loop().create_future()
        try:
            await self._send({"jsonrpc": "2.0", "id": id_, "method": method, "params": msgspec.to_builtins(params)})
            value = await answer
        except asyncio.CancelledError:
            if id_ in self._pending and self._closed is None:
                await self.notify("$/cancel", {"id": id_})
            raise
        finally:
            self._pending.pop(id_, None)
            if channel is not None and method != "subscribe":
                self._channels.pop(channel, None)
        return msgspec.convert(value, result) if result is not Any else value

    async def _send(self, message: dict[str, Any]) -> None:
        if self._closed is not None:
            raise self._closed
        stdin = self._process.stdin
        if stdin is None:
            raise ConnectionClosed("the sidecar was started without stdin")
        try:
            stdin.write(orjson.dumps(message) + b"\n")
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise ConnectionClosed("the sidecar has closed its stdin") from None

    async def _read(self) -> None:
        """Take in what the sidecar writes, to its end."""
        framer = LineFramer(MAX_LINE_BYTES)
        stdout = self._process.stdout
        while stdout is not None and (chunk := await stdout.read(READ_BYTES)):
            for line in framer.feed(chunk):
                if isinstance(line, bytes):
                    self._take_in(orjson.loads(line))
        exit_code = await self._process.wait()
        self._closed = ConnectionClosed(f"the sidecar has ended (exit code {exit_code})")
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(self._closed)

    def _take_in(self, message: Any) -> None:
        if isinstance(message, list):
            for one in message:
                self._take_in(one)
        elif message.get("method") == "channel":
            params = message["params"]
            if handler := self._channels.get(params["channel"]):
                events, on_event = handler
                event = params["event"]
                on_event(event if events is None or events is Any else msgspec.convert(event, events))
        elif (answer := self._pending.get(message.get("id"))) is not None and not answer.done():
            if "error" in message:
                answer.set_exception(error_from_wire(message["error"]))
            else:
                answer.set_result(message.get("result"))


def error_from_wire(error: Mapping[str, Any]) -> SidecarError:
    """The exception for an error response; one of a name that this client does not know is an InternalError."""
    data = dict(error.get("data") or {})
    kind = _ERRORS.get(str(data.pop("name", "")), InternalError)
    data.pop("retryable", None)
    return kind(str(error.get("message", "")), hint=str(data.pop("hint", "")), **data)


@asynccontextmanager
async def connect(
    *,
    command: Sequence[str] | None = None,
    data_dir: Path | str | None = None,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    stderr: int | None = asyncio.subprocess.DEVNULL,
) -> AsyncIterator[SidecarClient]:
    """Start a sidecar and talk to it; it ends with the context.

    Args:
        command: the program. Default: this one.
        data_dir: its data folder. Default: the user's.
        options: further command-line options.
        env: its environment. Default: ours.
        stderr: where its log goes, as in `subprocess`; `None` is our stderr. It also keeps files of its own.
    """
    argv = [*(command or self_command()), *options]
    if data_dir is not None:
        argv += ["--data-dir", str(data_dir)]
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=env,
        # A Ctrl-C in our terminal is ours to deal with.
        start_new_session=os.name != "nt",
    )
    client = SidecarClient(process)
    try:
        yield client
    finally:
        await asyncio.shield(client.close())
