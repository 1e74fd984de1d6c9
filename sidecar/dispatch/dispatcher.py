"""Requests of one host to handlers, and their outcomes back.

Owns ids, the table of requests under way, cancellation and the promise that each request is answered exactly once.
jsonrpcserver chooses the call, or refuses it; it is confined to this module and `rpc`. The call is carried out here,
since jsonrpcserver's own way of awaiting costs a request more than all the rest. Knows nothing of what methods do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import anyio
import msgspec

from sidecar.contract import METHODS, Method
from sidecar.contract.errors import (
    Cancelled,
    InvalidRequest,
    MethodNotFound,
    Overloaded,
    ParseError,
    ResultTooLong,
    SidecarError,
    legible,
)
from sidecar.contract.notifications import CANCEL_NOTIFICATIONS
from sidecar.contract.servers import Channel
from sidecar.dispatch import envelope
from sidecar.dispatch.envelope import NO_ID, NoId, Rejected, RepeatedKey, Request, RequestId
from sidecar.dispatch.errors import as_sidecar_error
from sidecar.dispatch.requests import Channels, Lanes, RequestCall, RequestTasks
from sidecar.dispatch.rpc import JsonRpcError, Result, Success, dispatch_to_serializable
from sidecar.events.outbox import Outbox, encode
from sidecar.handlers.call import Handler
from sidecar.logs.defects import internal_error
from sidecar.services import Lifetime

MAX_IN_FLIGHT = 1024
"""Requests of one host under way at a time; further ones get OVERLOADED. Sixteen times the 64 streams we plan for. A
larger batch is refused as a whole: most of it would be, and its answer could be fifty times its size."""

_ALWAYS_TAKEN = frozenset({"ping", "cancel_message", "shutdown"})
"""Accepted beyond `MAX_IN_FLIGHT`, since an overloaded host needs them; none takes long."""

_ANSWERED_LAST = frozenset({"shutdown"})
"""Answered when everything has stopped (contract, Shutdown)."""

_OVERSIZE_HINT = "Send large data by file path, or start the sidecar with a larger --max-line-bytes."


class Respond(Protocol):
    """Takes an encoded response; a `last` one is sent after everything else."""

    def __call__(self, line: bytes, *, last: bool = False) -> None: ...


class Dispatcher:
    """One host's requests."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        outbox: Outbox,
        tasks: RequestTasks,
        lanes: Lanes,
        lifetime: Lifetime,
        max_line_bytes: int,
    ) -> None:
        self._handlers = handlers
        self._lifetime = lifetime
        self._outbox = outbox
        self._tasks = tasks
        self._lanes = lanes
        self._channels = Channels(outbox, max_line_bytes=max_line_bytes)
        self._in_flight: dict[RequestId, anyio.CancelScope] = {}
        self._running = 0

    def handle(self, line: bytes) -> None:
        """Handle a line. Never waits: a request runs in a task of its own."""
        # A caught exception is answered here and not passed on: its traceback keeps the frames, and these the line.
        try:
            self._take_in(envelope.parse(line))
        except ParseError as error:
            self._reject(error)
        except RepeatedKey as repeated:
            self._respond(_refused(envelope.rejected(repeated)))
        except Exception as problem:  # noqa: BLE001 - else nothing more would be read, ever
            self._reject(internal_error(problem))

    def handle_oversize(self) -> None:
        """Answer a line that was too long and was skipped."""
        self._reject(ParseError("The line is too long; it was skipped.", hint=_OVERSIZE_HINT))

    def finish(self) -> None:
        """End the subscriptions and send the responses kept for the end; every request has ended by now."""
        self._channels.end_subscriptions()
        self._outbox.release_last()

    def leave(self) -> None:
        """End a host's part while the sidecar continues. Its requests continue, since an answer or a start is not only
        for the page that requested it; their output is dropped."""
        self._channels.leave()
        self._outbox.close()

    def _take_in(self, value: Any) -> None:
        if isinstance(value, list):
            self._handle_batch(value)
        else:
            self._start(value, self._respond)

    def _handle_batch(self, values: list[Any]) -> None:
        if not values:
            self._reject(InvalidRequest("A batch must not be empty."))
            return
        if len(values) > MAX_IN_FLIGHT:
            self._reject(_too_large(values))
            return
        expected = sum(1 for value in values if _will_be_answered(value))
        batch = _Batch(expected, self._respond)
        for value in values:
            self._start(value, batch.add, sharing=max(expected, 1))

    def _start(self, value: Any, respond: Respond, *, sharing: int = 1) -> None:
        """Begin a request, unless it is refused; `sharing` responses share one line."""
        request = envelope.check(value)
        if request is None:
            return
        if isinstance(request, Rejected):
            respond(_refused(request))
            return
        if request.method in CANCEL_NOTIFICATIONS and request.id is NO_ID:
            self._cancel(request.params.get("id"))
            return
        error = self._refusal(request)
        if error is None:
            scope = anyio.CancelScope()
            if not isinstance(request.id, NoId) and request.id is not None:  # now, for what the next line may say
                self._in_flight[request.id] = scope
            self._running += 1
            self._tasks.start(self._run(request, scope, respond, sharing), scope)
            return
        if (channel := _channel_of(METHODS.get(request.method), request.params)) is not None:
            self._channels.refuse(channel, error)
        if not isinstance(request.id, NoId):
            respond(encode(envelope.failure(request.id, error.to_wire())))

    def _refusal(self, request: Request) -> SidecarError | None:
        """Why a request is not started."""
        if request.id is not NO_ID and request.id is not None and request.id in self._in_flight:
            return InvalidRequest(
                f"A request with the id {request.id!r} is still under way.", hint="Give every request an id of its own."
            )
        if self._running >= MAX_IN_FLIGHT and request.method not in _ALWAYS_TAKEN:
            return Overloaded(f"{self._running} requests are under way.", queue_size=self._running)
        return None

    def _cancel(self, id_: Any) -> None:
        if isinstance(id_, str | int) and not isinstance(id_, bool) and (scope := self._in_flight.get(id_)):
            scope.cancel()

    async def _run(self, request: Request, scope: anyio.CancelScope, respond: Respond, sharing: int) -> None:
        """Carry out a request and answer it."""
        response: dict[str, Any] | None = None
        try:
            chosen: Any = dispatch_to_serializable(
                {"method": request.method, "params": request.params, "id": request.id},
                _METHODS,
                deserializer=_as_it_is,
                validator=_as_it_is,
            )
            response = chosen if "error" in chosen else await self._carry_out(request.id, scope, *chosen["result"])
        finally:
            self._running -= 1
            if not isinstance(request.id, NoId):
                self._in_flight.pop(request.id, None)
                line, succeeded = _encoded(request.id, response, self._channels.max_line_bytes // sharing)
                respond(line, last=succeeded and request.method in _ANSWERED_LAST)

    async def _carry_out(
        self, id_: RequestId | NoId, scope: anyio.CancelScope, method: Method, params: dict[str, Any]
    ) -> dict[str, Any]:
        """The response to a call that jsonrpcserver has chosen."""
        try:
            with scope:
                channel = _channel_of(method, params)
                with self._channels.reserved(channel):
                    converted = _converted(params, method)
                    async with self._lanes.enter(method.lane, converted):
                        handler = self._handlers.get(method.name) or await self._late_handler(method.name)
                        result = await handler(converted, RequestCall(self._channels, channel, params))
                        return envelope.success(id_, result)
            raise Cancelled("The request was cancelled.")
        except anyio.get_cancelled_exc_class():  # the end of the event loop
            raise
        except BaseException as exc:  # noqa: BLE001 - this is the place where every exception is mapped
            return envelope.failure(id_, as_sidecar_error(exc).to_wire())

    async def _late_handler(self, name: str) -> Handler:
        """The handler of a method whose handlers are not loaded yet.

        Raises:
            MethodNotFound: there is none after all are loaded.
        """
        await self._lifetime.until_ready()
        if name not in self._handlers:
            raise MethodNotFound(f'There is no method "{name}".')
        return self._handlers[name]

    def _respond(self, line: bytes, *, last: bool = False) -> None:
        if last:
            self._outbox.send_last(line)
        else:
            self._outbox.send_line(line)

    def _reject(self, error: SidecarError) -> None:
        self._respond(_refused(Rejected(None, error)))


class _Batch:
    """The responses of one batch, answered together."""

    def __init__(self, expected: int, respond: Respond) -> None:
        self._expected = expected
        self._respond = respond
        self._lines: list[bytes] = []
        self._last = False

    def add(self, line: bytes, *, last: bool = False) -> None:
        self._lines.append(line)
        self._last |= last
        if len(self._lines) == self._expected:
            self._respond(b"[" + b",".join(self._lines) + b"]", last=self._last)


class _Methods(dict[str, Callable[..., Result]]):
    """The methods as jsonrpcserver finds them: functions that take any parameters and return what is to be called."""

    def __missing__(self, name: str) -> Callable[..., Result]:
        def refuse(**_params: Any) -> Result:
            legible_name = legible(name, max_characters=envelope.MAX_NAME_CHARACTERS)
            error = MethodNotFound(f'There is no method "{legible_name}".').to_wire()
            raise JsonRpcError(error["code"], error["message"], error["data"])

        return refuse


def _entry(method: Method) -> Callable[..., Result]:
    def call(**params: Any) -> Result:
        return Success((method, params))

    # Found once: jsonrpcserver asks for it at each request, which would take 12 us otherwise.
    call.__signature__ = inspect.signature(call)  # type: ignore[attr-defined]
    return call


_METHODS = _Methods({name: _entry(method) for name, method in METHODS.items()})


def _as_it_is(request: Any) -> Any:
    """A parser for jsonrpcserver: the request is already parsed and checked."""
    return request


def _converted(params: dict[str, Any], method: Method) -> Any:
    """Parameters as their type.

    Raises:
        InvalidParams: they do not fit it.
    """
    try:
        return msgspec.convert(params, method.params)
    except msgspec.ValidationError as error:
        from sidecar.contract.invalid import invalid_params  # not at each start

        raise invalid_params(error, method.params, method=method.name) from None


_WITH_CHANNEL = frozenset(name for name, method in METHODS.items() if method.streams) - {"subscribe"}
"""Methods whose requests may name a channel of their own."""


def _channel_of(method: Method | None, params: dict[str, Any]) -> str | None:
    """The channel of a request's events; named also where its other parameters are wrong.

    That of `subscribe` is none of the request's, since it outlives it.
    """
    if method is None or method.name not in _WITH_CHANNEL:
        return None
    try:
        return msgspec.convert(params.get("channel"), Channel | None)
    except msgspec.ValidationError:
        return None


def _will_be_answered(value: Any) -> bool:
    request = envelope.check(value)
    return request is not None and (isinstance(request, Rejected) or request.id is not NO_ID)


def _refused(rejected: Rejected) -> bytes:
    return encode(envelope.failure(rejected.id, rejected.error.to_wire()))


def _too_large(batch: list[Any]) -> InvalidRequest:
    return InvalidRequest(
        f"A batch has at most {MAX_IN_FLIGHT} requests; this one has {len(batch)}.",
        hint="Send smaller batches, or each request in a line of its own; nothing of the batch was executed.",
    )


def _encoded(id_: RequestId, response: dict[str, Any] | None, max_bytes: int) -> tuple[bytes, bool]:
    """The encoded response, or the error that it is too long, and whether it is a result. There is no response where
    the event loop ended first."""
    try:
        if response is None:
            return encode(envelope.failure(id_, Cancelled("The request was cancelled.").to_wire())), False
        line = encode(response)
        if len(line) > max_bytes:
            long = ResultTooLong(
                f"The result takes a line of {len(line):,} bytes, and the host reads {max_bytes:,}.",
                line_bytes=len(line),
                max_line_bytes=max_bytes,
            )
            return encode(envelope.failure(id_, long.to_wire())), False
        return line, "result" in response
    except Exception as problem:  # noqa: BLE001 - a result that JSON cannot express, or one nested too deep
        return encode(envelope.failure(id_, internal_error(problem).to_wire())), False
