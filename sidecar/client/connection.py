"""The connection to a sidecar that runs as our child, and requests over it.

Owns the child process, ids, pending requests and the names of channels. The methods are in `methods`, generated from
the contract.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import Parameter, signature
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import orjson

from sidecar.client.methods import ContractMethods
from sidecar.client.streams import EventStream
from sidecar.contract.errors import SidecarError, from_wire
from sidecar.contract.method import TERMINAL
from sidecar.host import process_tree
from sidecar.host.environment import self_command
from sidecar.transport.framing import LineFramer, Oversize

logger = logging.getLogger(__name__)

READ_BYTES = 64 * 1024

MAX_LINE_BYTES = 256 * 1024 * 1024
"""The longest line we accept: a whole exported session with images. The sidecar is trusted not to fill our memory."""

CLOSE_SECONDS = 6.0
"""How long a sidecar may take to end; it promises 5."""

OnEvent = Callable[[Any], None] | Callable[[Any, int], None]
"""Gets each event, and its number too if it takes two parameters."""


_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


class ConnectionClosed(Exception):
    """The sidecar has ended; requests under way are lost."""


class Listener(msgspec.Struct, frozen=True):
    """Who gets a channel's events, as which types, and the request that opened it."""

    on_event: Callable[[Any, int], None]
    events: Any
    answer: asyncio.Future[Any]


class SidecarClient(ContractMethods):
    """A running sidecar and its methods.

    Cancelling a task that waits for an answer cancels the request. An `on_event` that raises also does, and the request
    ends with its exception.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._listeners: dict[str, Listener] = {}
        self._why_closed: str | None = None
        self._reader = asyncio.create_task(self._read(), name="sidecar client")

    @property
    def pid(self) -> int:
        """The sidecar's process id."""
        return self._process.pid

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, on_event: OnEvent | None = None
    ) -> Any:
        """Call a method by name; its events and result are plain JSON values."""
        return await self._request(method, dict(params or {}), Any, Any, on_event)

    def stream(self, method: str, params: Mapping[str, Any] | None = None) -> EventStream[Any, Any]:
        """Call a method by name and iterate over its events; see `EventStream`. They and the result are plain JSON
        values. The methods of the contract that stream have a typed form, such as `send_message_stream`. Not for
        `subscribe`, whose events come after its result."""
        return self._stream(method, dict(params or {}), Any, Any)

    async def wait_closed(self) -> str:
        """Wait until the sidecar has ended; returns why."""
        await asyncio.wait([self._reader])
        return self._why_closed or ""

    async def close(self) -> None:
        """Close the sidecar's stdin and wait CLOSE_SECONDS for its end, then kill it. Safe to call twice."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS)
        except TimeoutError:
            self._kill()
            await self._process.wait()
        await self._reader

    def _stream(self, method: str, params: dict[str, Any], result: Any, events: Any) -> EventStream[Any, Any]:
        return EventStream(lambda take: self._request(method, params, result, events, take))

    async def _request(
        self,
        method: str,
        params: dict[str, Any],
        result: Any,
        events: Any = Any,
        on_event: OnEvent | None = None,
    ) -> Any:
        id_ = next(self._ids)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        listener: Listener | None = None
        if on_event is not None:
            listener = Listener(_with_number(on_event), events, answer)
            # Where the name is taken, the sidecar refuses the request and the present listener stays.
            self._listeners.setdefault(params.setdefault("channel", f"c{id_}"), listener)
        self._pending[id_] = answer
        answered = False
        try:
            await self._send({"jsonrpc": "2.0", "id": id_, "method": method, "params": _given(params)})
            value = await answer
            answered = True
        finally:
            if self._pending.pop(id_, None) is not None:  # there was no response
                self._cancel(id_)
            if listener is not None and not (answered and method == "subscribe"):
                self._forget(params["channel"], listener)
        return msgspec.convert(value, result)

    def _cancel(self, id_: int) -> None:
        if self._why_closed is None:
            self._write({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": id_}})

    def _forget(self, channel: str, listener: Listener) -> None:
        if self._listeners.get(channel) is listener:
            del self._listeners[channel]

    async def _send(self, message: dict[str, Any]) -> None:
        self._write(message)
        try:
            if self._process.stdin is not None:
                await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise ConnectionClosed(self._why_closed or "the sidecar has closed its stdin") from None

    def _write(self, message: dict[str, Any]) -> None:
        if self._why_closed is not None:
            raise ConnectionClosed(self._why_closed)
        if self._process.stdin is None:
            raise ConnectionClosed("the sidecar was started without stdin")
        self._process.stdin.write(orjson.dumps(message) + b"\n")

    async def _read(self) -> None:
        """Read what the sidecar writes until it ends."""
        why = "the client was closed"
        try:
            why = await self._read_lines()
        finally:
            self._why_closed = why
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(ConnectionClosed(why))
            self._listeners.clear()

    async def _read_lines(self) -> str:
        """Read lines; returns why there are no more."""
        framer, stdout = LineFramer(MAX_LINE_BYTES), self._process.stdout
        while stdout is not None and (chunk := await stdout.read(READ_BYTES)):
            for line in framer.feed(chunk):
                try:
                    if isinstance(line, Oversize):
                        raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
                    self._take_in(orjson.loads(line))
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    self._kill()
                    return f"the program does not answer as a sidecar does: {error}"
        try:
            exit_code = await asyncio.wait_for(self._process.wait(), CLOSE_SECONDS)
        except TimeoutError:
            return "the sidecar has closed its stdout"
        return f"the sidecar has ended (exit code {exit_code})"

    def _take_in(self, message: Any) -> None:
        if isinstance(message, list):
            for one in message:
                self._take_in(one)
        elif message.get("method") == "channel":
            self._deliver(**message["params"])
        elif (answer := self._pending.get(message.get("id"))) is not None:
            outcome = from_wire(message["error"]) if "error" in message else message["result"]
            del self._pending[message["id"]]
            if answer.done():  # the caller was cancelled meanwhile
                return
            if isinstance(outcome, SidecarError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    def _deliver(self, channel: str, seq: int, event: dict[str, Any]) -> None:
        listener = self._listeners.get(channel)
        if listener is None:
            return
        if event["status"] in TERMINAL:
            del self._listeners[channel]
        try:
            listener.on_event(msgspec.convert(event, listener.events), seq)
        except Exception as error:
            self._forget(channel, listener)
            if listener.answer.done():
                logger.exception("the listener of the channel %s failed and is removed", channel)
            else:
                listener.answer.set_exception(error)

    def _kill(self) -> None:
        try:
            self._process.kill()
        except ProcessLookupError:
            return


def _with_number(on_event: OnEvent) -> Callable[[Any, int], None]:
    """What takes an event and its number, from what may take the event only."""
    takes: Any = on_event
    try:
        places = [one for one in signature(takes).parameters.values() if one.kind in _BY_POSITION]
    except (TypeError, ValueError):  # a function without a signature, as some of C are
        places = []
    return takes if len(places) > 1 else lambda event, _: takes(event)


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as plain values. A member of a struct that is `None` was left out by the caller, so it is not
    sent; where null has a meaning of its own, as in the patch of a config, plain values are given."""
    return {name: _plain(value) for name, value in params.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        plain = msgspec.to_builtins(value)
        return {name: _plain(getattr(value, name, member)) for name, member in plain.items() if member is not None}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return msgspec.to_builtins(value)


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
        stderr: where its log goes, as in `subprocess`; `None` is our stderr. It also writes log files of its own.
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
        **process_tree.own_group(),  # a Ctrl-C in our terminal must reach us only
    )
    client = SidecarClient(process)
    try:
        yield client
    finally:
        await _to_its_end(asyncio.create_task(client.close()))


async def _to_its_end(task: asyncio.Task[None]) -> None:
    """Wait for a task even if we are cancelled meanwhile: no sidecar may be left behind."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
