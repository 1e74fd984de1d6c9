"""Requests of one host to handlers, and their outcomes back.

Owns ids, the table of requests under way, cancellation and the promise that each request is answered exactly once.
jsonrpcserver looks up the method, calls it and forms the outcome; it is confined to this module. Knows nothing of
what the methods do.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.abc
import msgspec
from jsonrpcserver.async_dispatcher import dispatch_request
from jsonrpcserver.exceptions import JsonRpcError
from jsonrpcserver.request import Request as RpcRequest
from jsonrpcserver.result import Result as RpcResult
from jsonrpcserver.result import Success

from sidecar.contract import METHODS, Method, Params
from sidecar.contract.errors import (
    Cancelled,
    InvalidParams,
    InvalidRequest,
    MethodNotFound,
    Overloaded,
    ParseError,
    SidecarError,
)
from sidecar.dispatch import envelope
from sidecar.dispatch.call import Channels, RequestCall
from sidecar.dispatch.envelope import NO_ID, NoId, Rejected, Request, RequestId
from sidecar.dispatch.errors import as_sidecar_error
from sidecar.dispatch.lanes import Lanes
from sidecar.dispatch.outbox import Outbox
from sidecar.handlers.call import Handler

logger = logging.getLogger(__name__)

MAX_IN_FLIGHT = 1024
"""Requests of one host under way at once; beyond, OVERLOADED. Sixteen times the 64 streams we plan for."""


class Dispatcher:
    """One host's requests."""

    def __init__(
        self, *, handlers: Mapping[str, Handler], outbox: Outbox, tasks: anyio.abc.TaskGroup, lanes: Lanes
    ) -> None:
        self._outbox = outbox
        self._tasks = tasks
        self._lanes = lanes
        self._channels = Channels(outbox)
        self._in_flight: dict[RequestId, anyio.CancelScope] = {}
        self._running = 0
        self._methods: dict[str, Callable[..., Any]] = {
            name: functools.partial(self._carry_out, METHODS[name], handler) for name, handler in handlers.items()
        }

    def handle(self, line: bytes) -> None:
        """Take in a line. Never waits: what takes time goes on in a task of its own."""
        try:
            value = envelope.parse(line)
        except ParseError as error:
            self._reject(Rejected(None, error))
            return
        if isinstance(value, list):
            self._handle_batch(value)
        else:
            self._start(value, self._outbox.send)

    def handle_oversize(self) -> None:
        """Answer a line that was too long to be kept."""
        self._reject(Rejected(None, ParseError("The line is too long; it was skipped.", hint=_OVERSIZE_HINT)))

    def host_is_gone(self) -> None:
        """Stop telling the host anything, and end its subscriptions."""
        self._channels.close_all()

    def _handle_batch(self, values: list[Any]) -> None:
        if not values:
            self._reject(Rejected(None, InvalidRequest("A batch must not be empty.")))
            return
        responses: list[dict[str, Any]] = []
        expected = sum(1 for value in values if _will_be_answered(value))

        def collect(response: dict[str, Any]) -> None:
            responses.append(response)
            if len(responses) == expected:
                self._outbox.send(responses)

        for value in values:
            self._start(value, collect)

    def _start(self, value: Any, respond: Callable[[dict[str, Any]], None]) -> None:
        request = envelope.check(value)
        if request is None:
            return
        if isinstance(request, Rejected):
            respond(envelope.failure(request.id, request.error.to_wire()))
            return
        if request.method == "$/cancel" and request.id is NO_ID:
            self._cancel(request.params.get("id"))
            return
        error = self._refusal(request)
        if error is None:
            self._running += 1
            self._tasks.start_soon(self._run, request, respond)
        elif not isinstance(request.id, NoId):
            respond(envelope.failure(request.id, error.to_wire()))

    def _refusal(self, request: Request) -> SidecarError | None:
        """Why a request is not even begun."""
        if request.id is not NO_ID and request.id is not None and request.id in self._in_flight:
            return InvalidRequest(
                f"A request with the id {request.id!r} is still under way.", hint="Give every request an id of its own."
            )
        if self._running >= MAX_IN_FLIGHT and request.method != "cancel_message":
            return Overloaded(f"{self._running} requests are under way.", queue_size=self._running)
        return None

    def _cancel(self, id_: Any) -> None:
        if isinstance(id_, str | int) and not isinstance(id_, bool) and (scope := self._in_flight.get(id_)):
            scope.cancel()

    async def _run(self, request: Request, respond: Callable[[dict[str, Any]], None]) -> None:
        """Carry out a request and answer it."""
        outcome: RpcResult | None = None
        scope = anyio.CancelScope()
        if not isinstance(request.id, NoId) and request.id is not None:
            self._in_flight[request.id] = scope
        try:
            with scope:
                rpc = RpcRequest(request.method, request.params, request.id)
                _, outcome = await dispatch_request(self._methods, scope, rpc)
        finally:
            self._running -= 1
            if not isinstance(request.id, NoId):
                self._in_flight.pop(request.id, None)
                respond(_response(request.id, request.method, outcome))

    async def _carry_out(
        self, method: Method, handler: Handler, scope: anyio.CancelScope, /, **params: Any
    ) -> RpcResult:
        """What jsonrpcserver calls. It would tell the host `str(exc)`, so it never sees an exception of ours."""
        try:
            converted = msgspec.convert(params, method.params)
            async with self._lanes.enter(method.lane, converted):
                return Success(await self._call(method, handler, converted, scope))
        except Exception as exc:  # noqa: BLE001 - this is the place where every exception is mapped
            error = as_sidecar_error(exc).to_wire()
            raise JsonRpcError(error["code"], error["message"], error["data"]) from None

    async def _call(self, method: Method, handler: Handler, params: Params, scope: anyio.CancelScope) -> Any:
        """Run a handler, with the request's channel reserved before and ended after."""
        name: str | None = getattr(params, "channel", None) if method.streams else None
        if name is None or method.name == "subscribe":  # a subscription's channel outlives its request
            return await handler(params, RequestCall(self._channels, name))
        self._channels.reserve(name)
        error: SidecarError | None = None
        try:
            return await handler(params, RequestCall(self._channels, name))
        except Exception as exc:  # noqa: BLE001 - mapped, and raised again
            error = as_sidecar_error(exc)
            raise error from None
        except anyio.get_cancelled_exc_class():
            if scope.cancel_called:
                error = Cancelled("The request was cancelled.")
            raise
        finally:
            self._channels.finish(name, error)

    def _reject(self, rejected: Rejected) -> None:
        self._outbox.send(envelope.failure(rejected.id, rejected.error.to_wire()))


_OVERSIZE_HINT = "Send large data by file path, or start the sidecar with a larger --max-line-bytes."


def _will_be_answered(value: Any) -> bool:
    request = envelope.check(value)
    return request is not None and (isinstance(request, Rejected) or request.id is not NO_ID)


def _response(id_: RequestId, method: str, outcome: RpcResult | None) -> dict[str, Any]:
    """A response from what jsonrpcserver made of the call; no outcome means that it was cancelled."""
    if outcome is None:
        return envelope.failure(id_, Cancelled("The request was cancelled.").to_wire())
    if hasattr(outcome, "_value"):
        return envelope.success(id_, outcome._value.result)
    error = outcome._error
    if isinstance(error.data, dict):
        return envelope.failure(id_, {"code": error.code, "message": error.message, "data": error.data})
    # Only jsonrpcserver's own outcomes have other data: the method is unknown, or a name can not be a parameter's.
    own: SidecarError
    if error.code == MethodNotFound.code:
        own = MethodNotFound(f"There is no method {method!r}.")
    else:
        own = InvalidParams("The parameters do not fit the method.", path="$")
    return envelope.failure(id_, own.to_wire())
