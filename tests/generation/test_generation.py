"""A request and its answer without any session: by an engine that is a real process, with nothing else around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from sidecar.contract.chat import TurnQueued
from sidecar.contract.config import ChatConfig, Config
from sidecar.contract.errors import ContextTooLong, EngineCrashed, QueueFull, ServerNotRunning
from sidecar.contract.sampling import SamplingParams
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.events.event_log import EventLog, Text
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.generation import Generation, Generator
from sidecar.generation.settling import Settled
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.storage.config import ConfigFile
from tests.servers.running import Stage, running, until

pytestmark = pytest.mark.anyio


class OneServer:
    """A server that answers everything."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def choose(self, server_id: str | None, last_server_id: str | None) -> Server:
        self.server.check_usable()
        return self.server


class Desk:
    """A generator on a running fake engine."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.config = ConfigFile(folder / "config.json")
        self.generator = Generator(cast(ServerManager, OneServer(server)), self.config)

    def generate(self, text: str, **members: Any) -> Generation:
        return self.generator.generate(ask(text, **members))


@pytest.fixture
def stage(fake: LlamaServer, logs: LogStore, runtime_dir: Path) -> Stage:
    return Stage(fake, logs, runtime_dir)


@asynccontextmanager
async def desk_on(stage: Stage, *flags: str, **settings: Any) -> AsyncIterator[Desk]:
    server = stage.server(*flags, **settings)
    async with running(server):
        await server.started()
        yield Desk(server, stage.runtime_dir)


def ask(text: str, **members: Any) -> GenerationRequest:
    return GenerationRequest(messages=[{"role": "user", "content": text}], **members)


def text_of(events: EventLog, status: str) -> str:
    return "".join(e.text for _, e in events.peek(0) if isinstance(e, Text) and e.status == status)


async def step(steps: AsyncGenerator[None, None], until: Callable[[], object]) -> None:
    """Take steps until something is so."""
    while not until():
        await anext(steps)


async def test_a_request_is_answered_without_a_session(stage: Stage) -> None:
    async with desk_on(stage) as desk:
        generation = desk.generate("tokens=3 reasoning=2", system="Be brief.")
        result = await generation.finish()
        assert result is generation.result
        assert result.content == text_of(generation.events, "token") == "w1 w2 w3 "
        assert result.reasoning == text_of(generation.events, "reasoning") != ""
        assert (result.finish_reason, result.usage.completion_tokens > 0) == ("stop", True)
        assert (result.context.policy, result.context.dropped_messages) == ("error", 0)
        assert (generation.server, generation.model) == (desk.server, "Tiny")


async def test_text_is_published_while_it_comes_and_leaving_it_stops_the_engine(stage: Stage) -> None:
    async with desk_on(stage, parallel=1) as desk:
        generation = desk.generate("tokens=9 hold-after=2")
        async with aclosing(generation.steps()) as steps:
            await step(steps, lambda: generation.is_sent)
            assert generation.answer.is_empty
            await step(steps, lambda: generation.answer.content == "w1 w2 ")
            assert text_of(generation.events, "token") == "w1 w2 "
        assert await desk.generator.settle(desk.server) == Settled(idle=True)
        assert generation.result is None
        assert (await desk.generate("tokens=1").finish()).content == "w1 "


async def test_requests_wait_for_a_place_and_publish_how_many_are_before_them(stage: Stage) -> None:
    async with desk_on(stage, parallel=1) as desk:
        desk.config.config = Config(chat=ChatConfig(max_queue=1))
        first, second, third = (desk.generate("tokens=9 hold-after=1"), *(desk.generate("tokens=1") for _ in range(2)))
        async with aclosing(first.steps()) as steps, aclosing(second.steps()) as waiting:
            await step(steps, lambda: first.is_sent)
            await anext(waiting)
            assert second.events.take() == [TurnQueued(position=1)]
            with pytest.raises(QueueFull):
                await third.finish()
            await steps.aclose()
            await anext(waiting)
            assert second.events.take() == [TurnQueued(position=0)]
            await step(waiting, lambda: second.answer.content)
        assert (await third.finish()).content == "w1 "


async def test_a_request_that_is_cancelled_while_it_waits_is_never_asked(stage: Stage) -> None:
    async with desk_on(stage, parallel=1) as desk:
        first, second = desk.generate("tokens=9 hold-after=1"), desk.generate("tokens=1")
        async with aclosing(first.steps()) as steps, anyio.create_task_group() as tasks:
            await step(steps, lambda: first.is_sent)
            tasks.start_soon(second.finish)
            await until(lambda: second.events.last_seq)
            tasks.cancel_scope.cancel()
        assert not second.is_sent
        assert (await desk.generate("tokens=1").finish()).content == "w1 "


async def test_an_engine_that_ends_is_why_there_is_no_answer_and_what_came_is_there(stage: Stage) -> None:
    async with desk_on(stage) as desk:
        generation = desk.generate("tokens=9 die-after=2")
        with pytest.raises(EngineCrashed):
            await generation.finish()
        assert (generation.answer.content, generation.result) == ("w1 w2 ", None)


async def test_without_a_server_nothing_is_asked(stage: Stage) -> None:
    async with desk_on(stage) as desk:
        await desk.server.stop()
        generation = desk.generate("Hi")
        with pytest.raises(ServerNotRunning):
            await generation.finish()
    assert not generation.is_sent


async def test_the_oldest_exchanges_are_left_out_where_the_policy_says_so(stage: Stage) -> None:
    long = {"role": "user", "content": "word " * 125}
    messages = [long, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "tokens=1"}]
    short_answer = SamplingParams(max_tokens=8)
    async with desk_on(stage, ctx_size=128, parallel=1) as desk:
        request = GenerationRequest(messages=messages, policy="drop_oldest", sampling=short_answer)
        fitted, max_context = await desk.generator.tokens.fit(request)
        assert (fitted.fits, fitted.dropped) == (True, range(2))
        assert (await desk.generator.tokens.request(request))[0] + 8 > max_context
        assert (await desk.generator.generate(request).finish()).context.dropped_messages == 2
        with pytest.raises(ContextTooLong):
            await desk.generator.generate(GenerationRequest(messages=[long] * 4)).finish()
