"""The Python client's generated methods send what the contract says."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sidecar.client.methods import ContractMethods, TurnEvent
from sidecar.client.streams import EventStream
from sidecar.contract import METHODS, Method
from sidecar.contract.chat import TurnResult
from tests.contract.laws import for_every_method

SAMPLES = json.loads(
    (Path(__file__).resolve().parents[2] / "ipc_schema" / "rust" / "tests" / "samples.json").read_text(encoding="utf-8")
)
CHANNEL_OF_ITS_OWN = {"subscribe", "unsubscribe"}
"""Methods whose caller names the channel; the client names those of all others."""


class Recorder(ContractMethods):
    """Sends nothing; remembers what it was asked for."""

    def __init__(self) -> None:
        self.request: tuple[str, dict[str, Any], Any, Any, Any] | None = None

    async def _request(
        self,
        method: str,
        params: dict[str, Any],
        result: Any,
        events: Any = None,
        on_event: Callable[[Any], None] | Callable[[Any, int], None] | None = None,
    ) -> Any:
        self.request = (method, params, result, events, on_event)
        return "the answer"

    def _stream(self, method: str, params: dict[str, Any], result: Any, events: Any) -> EventStream[Any, Any]:
        return EventStream(lambda take: self._request(method, params, result, events, take))


def called(method: Method, arguments: dict[str, Any]) -> tuple[Any, Recorder]:
    recorder = Recorder()
    function = getattr(recorder, method.name.removeprefix("rpc."))
    return asyncio.run(function(**arguments)), recorder


async def streamed(method: Method, arguments: dict[str, Any]) -> tuple[Any, Any]:
    recorder = Recorder()
    answer = await getattr(recorder, f"{method.name}_stream")(**arguments).result()
    return answer, recorder.request and recorder.request[:4]


def sample_arguments(method: Method, params: dict[str, Any]) -> dict[str, Any]:
    if method.name in CHANNEL_OF_ITS_OWN:
        return params
    return {name: value for name, value in params.items() if name != "channel"}


class TestEveryMethod:
    @for_every_method
    def test_sends_what_was_given_under_its_own_name(self, method: Method) -> None:
        for sample in SAMPLES["params"][method.name]:
            arguments = sample_arguments(method, sample)
            answer, recorder = called(method, arguments)
            given = {name: value for name, value in arguments.items() if value is not None}
            assert recorder.request is not None
            assert recorder.request[:3] == (method.name, given, method.result)
            assert answer == "the answer"
            if method.streams and method.name != "subscribe":
                assert asyncio.run(streamed(method, arguments)) == ("the answer", recorder.request[:4])

    @for_every_method
    def test_takes_a_listener_where_it_streams(self, method: Method) -> None:
        signature = inspect.signature(getattr(ContractMethods, method.name.removeprefix("rpc.")))
        assert ("on_event" in signature.parameters) == method.streams
        assert ("channel" in signature.parameters) == (method.name in CHANNEL_OF_ITS_OWN)

    @for_every_method
    def test_has_the_contracts_docstring(self, method: Method) -> None:
        doc = inspect.getdoc(getattr(ContractMethods, method.name.removeprefix("rpc."))) or ""
        description = inspect.cleandoc(method.params.__doc__ or "")
        assert " ".join(doc.split()).startswith(" ".join(description.split()))


def test_a_listener_is_handed_over_with_the_type_of_its_events() -> None:
    events: list[Any] = []
    _, recorder = called(METHODS["send_message"], {"message": "Hello", "on_event": events.append})
    assert recorder.request == ("send_message", {"message": "Hello"}, TurnResult, TurnEvent, events.append)
