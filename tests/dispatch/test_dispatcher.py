"""Requests to handlers and their outcomes back, over an outbox in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract import METHODS, CancelledEvent
from sidecar.contract.chat import TurnQueued
from sidecar.contract.errors import Cancelled, ContextTooLong, SessionNotFound
from sidecar.contract.servers import StartQueued, StartWarming
from sidecar.contract.topics import ServerRemovedEvent, SubscriptionDone
from sidecar.dispatch import dispatcher as dispatcher_module
from sidecar.dispatch.dispatcher import Dispatcher
from sidecar.dispatch.hosts import Hosts
from sidecar.dispatch.requests import MAX_SUBSCRIPTIONS, Lanes, RequestTasks
from sidecar.events.event_log import EventLog
from sidecar.events.live_feed import LiveFeed
from sidecar.events.outbox import Outbox
from sidecar.handlers.call import Call, Handler
from sidecar.services import Lifetime
from sidecar.transport.framing import MAX_LINE_BYTES
from tests.raw_host import validate

pytestmark = pytest.mark.anyio

BOUND_SECONDS = 30
SECRET = "the secret"


async def pong(params: Any, call: Call) -> Any:
    return "pong"


def ready() -> Lifetime:
    """Of a sidecar whose handlers are all there."""
    lifetime = Lifetime()
    lifetime.ready.set()
    return lifetime


class Wire:
    """A dispatcher, and what it has written so far."""

    def __init__(self, tasks: RequestTasks, handlers: dict[str, Handler]) -> None:
        self.outbox = Outbox()
        self.dispatcher = Dispatcher(
            handlers={"ping": pong, **handlers},
            outbox=self.outbox,
            tasks=tasks,
            lanes=Lanes(),
            lifetime=ready(),
            max_line_bytes=MAX_LINE_BYTES,
        )
        self.written: list[Any] = []
        self._last_id = 0

    def tell(self, message: Any) -> None:
        self.dispatcher.handle(json.dumps(message).encode())

    def begin(self, method: str, **params: Any) -> int:
        self._last_id += 1
        self.tell({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return self._last_id

    async def settled(self) -> list[Any]:
        """Everything that is written once nothing moves any more; each line is valid."""
        for _ in range(6):  # a cancellation is on its way for some turns of the loop, while its task seems blocked
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        for line in self.outbox.take(10**9):
            message = json.loads(line)
            for one in message if isinstance(message, list) else [message]:
                if "method" in one:
                    validate(one, "ChannelNotification")
                elif "error" in one:
                    validate(one, "ErrorResponse")
            self.written.append(message)
        return self.written

    async def call(self, method: str, **params: Any) -> Any:
        """The response to one request, everything else aside."""
        id_ = self.begin(method, **params)
        return next(m for m in await self.settled() if isinstance(m, dict) and m.get("id") == id_)


@asynccontextmanager
async def wire(**handlers: Handler) -> AsyncIterator[Wire]:
    with anyio.fail_after(BOUND_SECONDS):
        tasks = RequestTasks()
        async with tasks.run():
            yield Wire(tasks, handlers)


def brief(message: Any) -> Any:
    """A message in few words: `id: result or error name`, or `channel/seq status`."""
    if isinstance(message, list):
        return [brief(one) for one in message]
    if "method" in message:
        params = message["params"]
        return f"{params['channel']}/{params['seq']} {params['event']['status']}"
    return f"{message['id']}: {message['error']['data']['name'] if 'error' in message else message['result']}"


def raising(exception: BaseException) -> Handler:
    async def handler(params: Any, call: Call) -> Any:
        raise exception

    return handler


class Door:
    """A handler that stands still until it is let go."""

    def __init__(self, then: Callable[[], Awaitable[Any]] | None = None) -> None:
        self.opened = anyio.Event()
        self.entered: list[Any] = []
        self.log = EventLog()
        self._then = then

    async def __call__(self, params: Any, call: Call) -> Any:
        self.entered.append(params)
        call.follow(self.log)
        await self.opened.wait()
        return await self._then() if self._then else "let go"


# --- one answer each ---------------------------------------------------------------------------------------------


async def test_a_request_is_answered_with_its_id_and_result() -> None:
    async with wire() as host:
        assert await host.call("ping") == {"jsonrpc": "2.0", "id": 1, "result": "pong"}


@pytest.mark.parametrize("id_", ["", "a\u2028", 0, -5, 2**53, None])
async def test_an_id_comes_back_as_it_was(id_: Any) -> None:
    async with wire() as host:
        host.tell({"jsonrpc": "2.0", "id": id_, "method": "ping"})
        assert await host.settled() == [{"jsonrpc": "2.0", "id": id_, "result": "pong"}]


@pytest.mark.parametrize(
    "notification",
    [
        {"method": "ping"},
        {"method": "unknown"},
        {"method": "ping", "params": {"unknown": 1}},
        {"method": "ping", "params": [1]},
        {"method": "list_servers"},
        {"method": "$/cancel"},
        {"method": "$/cancel", "params": {"id": 99}},
        {"method": "$/cancel", "params": {"id": True}},
        {"method": "$/cancel", "params": {"id": {"a": 1}}},
        {"method": "$/cancel", "params": {"id": None}},
        {"method": "$/cancel", "params": [1]},
        {"method": "$/unknown"},
    ],
)
async def test_a_notification_is_never_answered(notification: dict[str, Any]) -> None:
    async with wire(list_servers=raising(RuntimeError(SECRET))) as host:
        host.tell({"jsonrpc": "2.0", **notification})
        host.tell([{"jsonrpc": "2.0", **notification}, {"jsonrpc": "2.0", **notification}])
        assert await host.settled() == []
        assert brief(await host.call("ping")) == "1: pong"


@pytest.mark.parametrize(
    ("method", "params", "name", "path"),
    [
        ("unknown_method", {}, "METHOD_NOT_FOUND", None),
        ("", {}, "METHOD_NOT_FOUND", None),
        ("__class__", {}, "METHOD_NOT_FOUND", None),
        ("$/cancel", {"id": 1}, "METHOD_NOT_FOUND", None),
        ("list_servers", {}, "METHOD_NOT_FOUND", None),  # known, but not served here
        ("ping", {"self": 1}, "INVALID_PARAMS", "$.self"),
        ("ping", {"method": 1}, "INVALID_PARAMS", "$.method"),
        ("ping", {"handler": 1}, "INVALID_PARAMS", "$.handler"),
        ("ping", {"": 1}, "INVALID_PARAMS", "$."),
        ("ping", {"params": {}}, "INVALID_PARAMS", "$.params"),
    ],
)
async def test_what_can_not_be_carried_out_is_answered_with_an_error(
    method: str, params: dict[str, Any], name: str, path: str | None
) -> None:
    async with wire() as host:
        host.tell({"jsonrpc": "2.0", "id": "it", "method": method, "params": params})
        [response] = await host.settled()
        error = response["error"]
        assert (error["data"]["name"], error["data"].get("path")) == (name, path)
        assert brief(await host.call("ping")).endswith(": pong")


async def test_a_slow_request_delays_no_other() -> None:
    slow = Door()
    async with wire(list_servers=slow) as host:
        host.begin("list_servers")
        host.begin("ping")
        assert [brief(m) for m in await host.settled()] == ["2: pong"]
        slow.opened.set()
        assert [brief(m) for m in await host.settled()] == ["2: pong", "1: let go"]


@pytest.mark.parametrize(
    ("exception", "name"),
    [
        (SessionNotFound("no"), "SESSION_NOT_FOUND"),
        (RuntimeError(SECRET), "INTERNAL_ERROR"),
        (StopIteration(SECRET), "INTERNAL_ERROR"),
        (AssertionError(SECRET), "INTERNAL_ERROR"),
        (ExceptionGroup(SECRET, [SessionNotFound("no")]), "SESSION_NOT_FOUND"),
        (ExceptionGroup(SECRET, [RuntimeError(SECRET), SessionNotFound("no")]), "INTERNAL_ERROR"),
        (BaseExceptionGroup(SECRET, [SystemExit(SECRET), RuntimeError(SECRET)]), "INTERNAL_ERROR"),
        (BaseExceptionGroup(SECRET, [asyncio.CancelledError()]), "CANCELLED"),
        (SystemExit(SECRET), "INTERNAL_ERROR"),
        (GeneratorExit(SECRET), "INTERNAL_ERROR"),
        (Cancelled("stopped by another request", partial="so far"), "CANCELLED"),
    ],
)
async def test_whatever_a_handler_raises_is_an_error_of_this_request_alone(exception: BaseException, name: str) -> None:
    other = Door()
    async with wire(list_servers=raising(exception), list_models=other) as host:
        host.begin("list_models")
        error = (await host.call("list_servers"))["error"]
        assert error["data"]["name"] == name
        assert SECRET not in json.dumps(error)
        other.opened.set()
        assert brief((await host.settled())[-1]) == "1: let go"


async def test_an_error_in_a_task_group_of_a_handler_keeps_its_name() -> None:
    async def in_a_group(params: Any, call: Call) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            raise ContextTooLong("too long", max_context=1, input_length=2)

    async with wire(list_servers=in_a_group) as host:
        assert brief(await host.call("list_servers")) == "1: CONTEXT_TOO_LONG"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "result",
    [object(), 2**80, {1: 2}, float("inf"), nested(300), nested(5000)],
    ids=lambda result: type(result).__name__,
)
async def test_a_result_that_json_has_no_words_for_is_an_internal_error(result: object) -> None:
    async def handler(params: Any, call: Call) -> Any:
        return result

    async with wire(list_servers=handler) as host:
        response = await host.call("list_servers")
        if isinstance(result, float):  # orjson writes null
            assert response["result"] is None
        else:
            assert brief(response) == "1: INTERNAL_ERROR"
        assert brief(await host.call("ping")) == "2: pong"


async def test_error_data_that_json_has_no_words_for_is_an_internal_error() -> None:
    async with wire(list_servers=raising(Cancelled("x", partial=object()))) as host:
        assert brief(await host.call("list_servers")) == "1: INTERNAL_ERROR"


# --- batches -----------------------------------------------------------------------------------------------------


def ping(id_: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": "ping"}


@pytest.mark.parametrize(
    ("batch", "answer"),
    [
        ([], "None: INVALID_REQUEST"),
        ([1], ["None: INVALID_REQUEST"]),
        ([1, 2, 3], ["None: INVALID_REQUEST"] * 3),
        ([[]], ["None: INVALID_REQUEST"]),
        ([[ping(1)]], ["None: INVALID_REQUEST"]),
        ([ping(1)], ["1: pong"]),
        ([ping(None), ping(None)], ["None: pong", "None: pong"]),
        ([{"jsonrpc": "2.0", "method": "ping"}], None),
        ([{"jsonrpc": "2.0", "method": "ping", "params": [1]}], None),
        ([{"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}}, ping(2)], ["2: pong"]),
        ([{"jsonrpc": "2.0", "id": 3, "method": "ping", "params": [1]}], ["3: INVALID_PARAMS"]),
        ([{"jsonrpc": "2.0", "id": 3, "method": "nope"}], ["3: METHOD_NOT_FOUND"]),
        ([{"jsonrpc": "2.0", "id": 3, "method": "list_servers"}, ping(4)], ["3: INTERNAL_ERROR", "4: pong"]),
        (
            [ping("1"), {"jsonrpc": "2.0", "method": "ping"}, {"foo": "boo"}, ping(9), ping(9)],
            ["1: pong", "9: INVALID_REQUEST", "9: pong", "None: INVALID_REQUEST"],
        ),
    ],
)
async def test_a_batch_is_answered_as_the_specification_says(batch: list[Any], answer: Any) -> None:
    async with wire(list_servers=raising(RuntimeError(SECRET))) as host:
        host.tell(batch)
        written = [brief(m) for m in await host.settled()]
        if isinstance(answer, list):
            assert [sorted(one) for one in written] == [answer]
        else:
            assert written == ([] if answer is None else [answer])


async def test_a_batch_waits_for_its_slowest_request_and_holds_up_nobody_else() -> None:
    slow = Door()
    async with wire(list_servers=slow) as host:
        host.tell([{"jsonrpc": "2.0", "id": "s", "method": "list_servers"}, ping("p")])
        assert brief(await host.call("ping")) == "1: pong"
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": "s"}})
        assert brief((await host.settled())[1:]) == [["p: pong", "s: CANCELLED"]]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("a\u2028"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "a"]), inner, max_size=2),
    max_leaves=5,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | st.just("2.0") | st.just("2.0") | json_values,
        "id": st.integers(0, 5) | st.text("ab", max_size=1) | json_values,
        "method": st.sampled_from(["ping", "list_servers", "list_models", "get_logs", "nope", "$/cancel"])
        | json_values,
        "params": st.just({}) | json_values | st.fixed_dictionaries({"id": st.integers(0, 5)}),
    },
)
messages = st.lists(requests | json_values | st.lists(requests | json_values, max_size=4), max_size=8)


def answers_owed(message: Any) -> list[Any]:
    """The ids that are to be answered, by the specification alone."""
    if isinstance(message, list) and message:
        return [id_ for one in message for id_ in (answers_owed(one) if not isinstance(one, list) else [None])]
    if not isinstance(message, dict):
        return [None]
    well_formed = (
        message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and isinstance(message.get("params"), dict | list | None)
    )
    id_ = message.get("id")
    if isinstance(id_, bool | float | dict | list):
        return [None]
    if "id" not in message:
        return [] if well_formed else [None]
    return [id_]


async def conversation(messages: list[Any]) -> list[Any]:
    """What is written while a host says these, and then everything is stopped."""
    handlers: dict[str, Handler] = {
        "list_servers": raising(RuntimeError(SECRET)),
        "list_models": raising(SystemExit(1)),
        "get_logs": Door(),
    }
    tasks = RequestTasks()
    async with tasks.run():
        host = Wire(tasks, handlers)
        for message in messages:
            host.tell(message)
        await host.settled()
    return await host.settled()


@pytest.mark.case(14)
@settings(max_examples=150)
@given(messages=messages)
def test_every_request_is_answered_exactly_once_whatever_hosts_send(messages: list[Any]) -> None:
    written = anyio.run(conversation, messages)
    flat = [one for message in written for one in (message if isinstance(message, list) else [message])]
    owed = [id_ for message in messages for id_ in answers_owed(message)]
    assert sorted(json.dumps(m["id"]) for m in flat) == sorted(json.dumps(id_) for id_ in owed)
    assert sum(isinstance(m, list) for m in written) == sum(
        1 for message in messages if isinstance(message, list) and message and answers_owed(message)
    )


# --- cancellation, ids, overload ---------------------------------------------------------------------------------


async def test_a_cancelled_request_is_answered_once_and_with_that() -> None:
    door = Door()
    async with wire(list_servers=door) as host:
        host.begin("list_servers")
        await host.settled()
        for _ in range(2):
            host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}})
        assert [brief(m) for m in await host.settled()] == ["1: CANCELLED"]
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}})
        door.opened.set()
        assert [brief(m) for m in await host.settled()] == ["1: CANCELLED"]


async def test_a_request_that_is_cancelled_before_it_has_begun_is_answered_with_that() -> None:
    door = Door()
    async with wire(list_servers=door) as host:
        host.begin("list_servers")
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}})
        assert [brief(m) for m in await host.settled()] == ["1: CANCELLED"]


async def test_ids_that_only_look_alike_are_not_cancelled() -> None:
    door = Door()
    async with wire(list_servers=door) as host:
        for id_ in (1, "1", "true", 0):
            host.tell({"jsonrpc": "2.0", "id": id_, "method": "list_servers"})
        for other in (True, False, 1.0, None, [1], "0"):
            host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": other}})
        assert await host.settled() == []
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": "1"}})
        assert await host.settled() == [host.written[0]]
        assert (host.written[0]["id"], brief(host.written[0])) == ("1", "1: CANCELLED")


async def test_a_handler_that_finishes_in_spite_of_a_cancellation_has_its_result_told() -> None:
    async def stubborn(params: Any, call: Call) -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return "done all the same"
        return ""

    async with wire(list_servers=stubborn) as host:
        host.begin("list_servers")
        await host.settled()
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}})
        assert [brief(m) for m in await host.settled()] == ["1: done all the same"]


@pytest.mark.case(15)
async def test_an_id_in_use_is_refused_and_the_first_request_goes_on() -> None:
    door = Door()
    async with wire(list_servers=door) as host:
        for _ in range(2):
            host.tell({"jsonrpc": "2.0", "id": 7, "method": "list_servers"})
        assert [brief(m) for m in await host.settled()] == ["7: INVALID_REQUEST"]
        door.opened.set()
        assert [brief(m) for m in await host.settled()][1:] == ["7: let go"]
        host.tell({"jsonrpc": "2.0", "id": 7, "method": "ping"})
        assert brief((await host.settled())[-1]) == "7: pong"


async def test_too_many_requests_are_refused_but_for_those_that_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "MAX_IN_FLIGHT", 3)
    door = Door()
    async with wire(list_servers=door, cancel_message=pong, send_message=pong, shutdown=pong) as host:
        for _ in range(4):
            host.begin("list_servers")
        host.tell({"jsonrpc": "2.0", "method": "list_servers"})
        host.begin("send_message", message="hello", channel="c")
        host.begin("ping")
        host.begin("cancel_message", session_id="3f0e8f1a-4c1e-4b55-9b1d-111111111111")
        host.begin("shutdown")
        host.dispatcher.finish()
        written = await host.settled()
        assert [brief(m) for m in written] == ["4: OVERLOADED", "c/1 error", "5: OVERLOADED", "6: pong", "7: pong"]
        assert written[0]["error"]["data"] | {"hint": ""} == {
            "name": "OVERLOADED",
            "retryable": True,
            "hint": "",
            "remedies": [{"action": "retry", "params": {}}],
            "queue_size": 3,
        }
        door.opened.set()
        await host.settled()
        assert brief(await host.call("list_servers")) == "9: let go"


# --- channels ----------------------------------------------------------------------------------------------------


class Streaming:
    """A handler that shows a log, and does with it what the test says."""

    def __init__(self, play: Callable[[EventLog], Awaitable[Any]]) -> None:
        self._play = play

    async def __call__(self, params: Any, call: Call) -> Any:
        log = EventLog()
        call.follow(log)
        log.append(StartQueued())
        return await self._play(log)


async def fail(log: EventLog) -> None:
    log.append(StartWarming())
    raise SessionNotFound("no")


async def end_and_fail(log: EventLog) -> None:
    log.append(CancelledEvent())
    raise Cancelled("stopped")


async def exit_(log: EventLog) -> None:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("handler", "written"),
    [
        (raising(SessionNotFound("no")), ["c/1 error", "1: SESSION_NOT_FOUND"]),
        (raising(Cancelled("no", partial="so far")), ["c/1 cancelled", "1: CANCELLED"]),
        (raising(RuntimeError(SECRET)), ["c/1 error", "1: INTERNAL_ERROR"]),
        (raising(ExceptionGroup("", [SessionNotFound("no")])), ["c/1 error", "1: SESSION_NOT_FOUND"]),
        (Streaming(fail), ["c/1 queued", "c/2 warming", "c/3 error", "1: SESSION_NOT_FOUND"]),
        (Streaming(end_and_fail), ["c/1 queued", "c/2 cancelled", "1: CANCELLED"]),
        (Streaming(exit_), ["c/1 queued", "c/2 error", "1: INTERNAL_ERROR"]),
    ],
)
async def test_the_last_event_comes_before_the_response_however_a_request_ends(
    handler: Handler, written: list[str]
) -> None:
    async with wire(start_llama_server=handler) as host:
        host.begin("start_llama_server", channel="c")
        assert [brief(m) for m in await host.settled()] == written
        last_event = host.written[-2]["params"]["event"]
        assert last_event.get("error", host.written[-1]["error"]) == host.written[-1]["error"]


async def test_the_last_event_comes_before_the_response_of_a_cancelled_request() -> None:
    async def wait(log: EventLog) -> None:
        await anyio.sleep_forever()

    async with wire(start_llama_server=Streaming(wait), switch_model=Door()) as host:
        host.begin("start_llama_server", channel="c")
        await host.settled()
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}})
        assert [brief(m) for m in await host.settled()] == ["c/1 queued", "c/2 cancelled", "1: CANCELLED"]


async def test_the_last_event_comes_before_the_response_when_everything_is_stopped() -> None:
    async with wire(start_llama_server=Door(), list_servers=Door()) as host:
        host.begin("start_llama_server", channel="c")
        host.begin("list_servers")
        await host.settled()
        host.begin("list_servers")  # has not even begun
    written = [brief(m) for m in await host.settled()]
    assert sorted(written) == ["1: CANCELLED", "2: CANCELLED", "3: CANCELLED", "c/1 cancelled"]
    assert written.index("c/1 cancelled") < written.index("1: CANCELLED")


@pytest.mark.parametrize("params", [{"unknown": 1}, {"port": "x"}, {"ctx_size": -5}])
async def test_wrong_params_end_the_channel_that_they_name(params: dict[str, Any]) -> None:
    async with wire(start_llama_server=Door()) as host:
        host.begin("start_llama_server", channel="c", **params)
        assert [brief(m) for m in await host.settled()] == ["c/1 error", "1: INVALID_PARAMS"]
        assert host.written[0]["params"]["event"]["error"] == host.written[1]["error"]


@pytest.mark.parametrize("channel", ["", "x" * 201, 1, {}, ["c"]])
async def test_a_channel_that_is_no_name_is_refused_without_an_event(channel: Any) -> None:
    async with wire(start_llama_server=Door()) as host:
        host.begin("start_llama_server", channel=channel)
        assert [brief(m) for m in await host.settled()] == ["1: INVALID_PARAMS"]
        assert host.written[0]["error"]["data"]["path"] == "$.channel"


async def test_a_method_without_events_takes_no_channel() -> None:
    async with wire(list_servers=Door()) as host:
        host.begin("list_servers", channel="c")
        assert [brief(m) for m in await host.settled()] == ["1: INVALID_PARAMS"]


async def test_a_channel_in_use_is_refused_and_the_first_request_keeps_it() -> None:
    door = Door()
    async with wire(start_llama_server=door, send_message=pong) as host:
        host.begin("start_llama_server", channel="c")
        await host.settled()
        host.begin("start_llama_server", channel="c")
        host.begin("send_message", message="x", channel="c")
        host.begin("send_message", unknown="x", channel="c")
        assert [brief(m) for m in await host.settled()] == [
            "2: INVALID_PARAMS",
            "3: INVALID_PARAMS",
            "4: INVALID_PARAMS",
        ]
        assert [m["error"]["data"]["path"] for m in host.written] == ["$.channel"] * 3
        host.tell({"jsonrpc": "2.0", "id": 1, "method": "start_llama_server", "params": {"channel": "c"}})
        assert brief((await host.settled())[-1]) == "1: INVALID_REQUEST"
        door.log.append(TurnQueued(position=0))
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 1}})
        assert [brief(m) for m in await host.settled()][4:] == ["c/1 queued", "c/2 cancelled", "1: CANCELLED"]


async def test_a_channel_can_be_used_again_when_its_request_is_over() -> None:
    async with wire(start_llama_server=Streaming(fail)) as host:
        for _ in range(2):
            host.begin("start_llama_server", channel="c")
            await host.settled()
        last = ["c/1 queued", "c/2 warming", "c/3 error"]
        assert [brief(m) for m in host.written] == [*last, "1: SESSION_NOT_FOUND", *last, "2: SESSION_NOT_FOUND"]


async def test_a_notification_may_stream() -> None:
    async with wire(start_llama_server=Streaming(fail)) as host:
        host.tell({"jsonrpc": "2.0", "method": "start_llama_server", "params": {"channel": "c"}})
        assert [brief(m) for m in await host.settled()] == ["c/1 queued", "c/2 warming", "c/3 error"]


async def test_requests_of_a_batch_stream_while_it_is_under_way() -> None:
    async with wire(start_llama_server=Streaming(fail), list_servers=Door()) as host:
        start = {"jsonrpc": "2.0", "id": 1, "method": "start_llama_server", "params": {"channel": "c"}}
        host.tell([start, {"jsonrpc": "2.0", "id": 2, "method": "list_servers"}])
        assert [brief(m) for m in await host.settled()] == ["c/1 queued", "c/2 warming", "c/3 error"]
        host.tell({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 2}})
        assert brief((await host.settled())[-1]) == ["1: SESSION_NOT_FOUND", "2: CANCELLED"]


# --- subscriptions -----------------------------------------------------------------------------------------------


class Subscribing:
    """subscribe and unsubscribe, with a feed for each channel."""

    def __init__(self) -> None:
        self.feeds: dict[str, LiveFeed] = {}
        self.stopped: list[str] = []

    async def subscribe(self, params: Any, call: Call) -> Any:
        feed = LiveFeed()

        def stop() -> None:
            self.stopped.append(params.channel)
            feed.close(SubscriptionDone())

        call.subscribe(params.channel, feed, stop)
        self.feeds[params.channel] = feed
        return "subscribed"

    async def unsubscribe(self, params: Any, call: Call) -> Any:
        return call.unsubscribe(params.channel)


@asynccontextmanager
async def subscribing() -> AsyncIterator[tuple[Wire, Subscribing]]:
    source = Subscribing()
    async with wire(subscribe=source.subscribe, unsubscribe=source.unsubscribe, start_llama_server=Door()) as host:
        yield host, source


async def test_a_subscription_outlives_its_request_and_ends_before_the_response_to_unsubscribe() -> None:
    async with subscribing() as (host, source):
        await host.call("subscribe", topics=["servers"], channel="s")
        source.feeds["s"].put(ServerRemovedEvent(server_id="a"))
        await host.call("unsubscribe", channel="s")
        await host.call("unsubscribe", channel="s")
        assert [brief(m) for m in host.written] == [
            "1: subscribed",
            "s/1 server_removed",
            "s/2 done",
            "2: True",
            "3: False",
        ]
        assert source.stopped == ["s"]


async def test_a_subscription_and_a_request_can_not_share_a_channel() -> None:
    async with subscribing() as (host, source):
        await host.call("subscribe", topics=["servers"], channel="s")
        host.begin("start_llama_server", channel="r")
        await host.settled()
        for method, params in (
            ("subscribe", {"topics": ["logs"], "channel": "s"}),
            ("subscribe", {"topics": ["logs"], "channel": "r"}),
            ("start_llama_server", {"channel": "s"}),
        ):
            assert (await host.call(method, **params))["error"]["data"]["path"] == "$.channel"
        assert (list(source.feeds), source.stopped) == (["s"], [])
        assert brief(await host.call("unsubscribe", channel="r")).endswith("False")
        source.feeds["s"].put(ServerRemovedEvent(server_id="a"))
        assert brief((await host.settled())[-1]) == "s/1 server_removed"


async def test_subscriptions_without_end_are_refused_until_one_is_closed() -> None:
    async with subscribing() as (host, source):
        for n in range(MAX_SUBSCRIPTIONS):
            host.begin("subscribe", topics=["servers"], channel=f"s{n}")
        refused = await host.call("subscribe", topics=["servers"], channel="more")
        assert (refused["error"]["data"]["name"], len(source.feeds)) == ("OVERLOADED", MAX_SUBSCRIPTIONS)
        await host.call("unsubscribe", channel="s0")
        assert brief(await host.call("subscribe", topics=["servers"], channel="more")).endswith("subscribed")


async def test_at_the_end_subscriptions_are_ended() -> None:
    async with subscribing() as (host, source):
        for channel in "abc":
            await host.call("subscribe", topics=["servers"], channel=channel)
        host.dispatcher.finish()
        host.dispatcher.finish()
        assert [brief(m) for m in await host.settled()][3:] == ["a/1 done", "b/1 done", "c/1 done"]
        assert source.stopped == ["a", "b", "c"]


# --- hosts that leave --------------------------------------------------------------------------------------------


async def test_a_host_that_has_left_is_told_nothing_and_its_requests_go_on() -> None:
    may_end, ended = anyio.Event(), anyio.Event()

    async def slow(params: Any, call: Call) -> list[Any]:
        events = EventLog()
        call.follow(events)
        await may_end.wait()
        events.append(StartWarming())
        ended.set()
        return []

    async with subscribing() as (host, source), wire(start_llama_server=slow) as other:
        await host.call("subscribe", topics=["servers"], channel="s")
        host.dispatcher.leave()
        assert source.stopped == ["s"]
        other.begin("start_llama_server", channel="c")
        await other.settled()
        other.dispatcher.leave()
        may_end.set()
        await ended.wait()
        assert len(await host.settled()) == 1
        assert await other.settled() == []
        assert other.outbox.waiting_bytes == 0


async def test_no_subscription_begins_for_a_host_that_has_left() -> None:
    async with subscribing() as (host, source):
        host.begin("subscribe", topics=["servers"], channel="late")
        host.dispatcher.leave()
        assert await host.settled() == []
        assert source.stopped == []
        assert source.feeds == {}


async def test_hosts_share_lanes_and_have_channels_of_their_own() -> None:
    order: list[str] = []

    async def update(params: Any, call: Call) -> str:
        order.append(f"{params.title} begins")
        await anyio.lowlevel.checkpoint()
        order.append(f"{params.title} ends")
        return "done"

    tasks = RequestTasks()
    subscribers, lifetime = Subscribing(), ready()
    handlers: dict[str, Handler] = {"update_session": update, "subscribe": subscribers.subscribe}
    hosts = Hosts(handlers=handlers, tasks=tasks, lifetime=lifetime, max_line_bytes=MAX_LINE_BYTES)
    async with tasks.run():
        both = [hosts.join(Outbox()) for _ in range(2)]
        for number, host in enumerate(both):
            change = {"session_id": "3f0e8f1a-4c1e-4b55-9b1d-111111111111", "title": str(number)}
            host.handle(json.dumps({**ping(1), "method": "update_session", "params": change}).encode())
            wanted = {"topics": ["servers"], "channel": "same"}
            host.handle(json.dumps({**ping(2), "method": "subscribe", "params": wanted}).encode())
        await anyio.wait_all_tasks_blocked()
        assert order == ["0 begins", "0 ends", "1 begins", "1 ends"]
        assert lifetime.host_count == 2
        hosts.leave(both[0])
        hosts.leave(both[0])
        assert subscribers.stopped == ["same"]
        assert lifetime.host_count == 1


# --- lanes and the end -------------------------------------------------------------------------------------------


async def test_changes_of_one_session_go_one_after_the_other() -> None:
    order: list[str] = []

    async def update(params: Any, call: Call) -> str:
        order.append(f"{params.title} begins")
        await anyio.lowlevel.checkpoint()
        order.append(f"{params.title} ends")
        return str(params.title)

    async with wire(update_session=update) as host:
        session = "3f0e8f1a-4c1e-4b55-9b1d-111111111111"
        for title in "abc":
            host.begin("update_session", session_id=session, title=title)
        assert [brief(m) for m in await host.settled()] == ["1: a", "2: b", "3: c"]
        assert order == [f"{title} {what}" for title in "abc" for what in ("begins", "ends")]


async def test_shutdown_is_answered_last_of_all() -> None:
    async with wire(shutdown=pong, subscribe=Subscribing().subscribe) as host:
        await host.call("subscribe", topics=["servers"], channel="s")
        host.begin("shutdown")
        host.begin("ping")
        assert [brief(m) for m in await host.settled()][1:] == ["3: pong"]
        host.dispatcher.finish()
        assert [brief(m) for m in await host.settled()][2:] == ["s/1 done", "2: pong"]


async def test_a_batch_with_shutdown_is_answered_last_of_all() -> None:
    async with wire(shutdown=pong) as host:
        host.tell([{"jsonrpc": "2.0", "id": 1, "method": "shutdown"}, ping(2)])
        assert await host.settled() == []
        host.dispatcher.finish()
        assert brief(await host.settled()) == [["1: pong", "2: pong"]]


async def test_shutdown_that_is_refused_is_answered_at_once() -> None:
    async with wire(shutdown=pong) as host:
        assert brief(await host.call("shutdown", when="now")) == "1: INVALID_PARAMS"


async def test_lines_that_are_no_json_or_too_long_are_answered_without_an_id() -> None:
    async with wire() as host:
        host.dispatcher.handle(b"{")
        host.dispatcher.handle(b"\xff")
        host.dispatcher.handle_oversize()
        assert [brief(m) for m in await host.settled()] == ["None: PARSE_ERROR"] * 3


def test_every_method_that_waits_in_a_lane_by_key_has_that_parameter() -> None:
    for method in METHODS.values():
        if method.lane is not None and method.lane.key is not None:
            assert method.lane.key in method.params.__struct_fields__
