"""A request and its answer without any session: by an engine that is a real process, with nothing else around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from sidecar.contract.config import ChatConfig, Config
from sidecar.contract.errors import Cancelled, ContextTooLong, EngineCrashed, QueueFull, ServerNotRunning
from sidecar.contract.sessions import SamplingParams
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.events.event_log import EventLog, Text, status_of
from sidecar.generation.completion import GenerationRequest
from sidecar.generation.generation import Generation, Generator
from sidecar.logs.store import LogStore
from sidecar.servers.server import Server
from sidecar.servers.server_manager import ServerManager
from sidecar.storage.config import ConfigFile
from tests.chat.scripted import seen
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
async def desk_on(stage: Stage, **settings: Any) -> AsyncIterator[Desk]:
    server = stage.server(**settings)
    async with running(server):
        await server.started()
        yield Desk(server, stage.runtime_dir)


def ask(text: str, **members: Any) -> GenerationRequest:
    return GenerationRequest(messages=[{"role": "user", "content": text}], **members)


def text_of(events: EventLog, status: str) -> str:
    return "".join(e.text for _, e in events.peek(0) if isinstance(e, Text) and e.status == status)


async def test_a_request_is_answered_without_a_session(stage: Stage) -> None:
    async with desk_on(stage) as desk, desk.generate("tokens=3 reasoning=2", system="Be brief.") as generation:
        result = await generation.result()
        assert result.content == text_of(generation.events, "token") == "w1 w2 w3 "
        assert result.reasoning == text_of(generation.events, "reasoning") != ""
        assert (result.finish_reason, result.usage.completion_tokens > 0) == ("stop", True)
        assert (result.context.policy, result.context.dropped_messages) == ("error", 0)
        assert (generation.server, generation.model) == (desk.server, "Tiny")


async def test_text_is_published_while_it_comes(stage: Stage) -> None:
    async with desk_on(stage) as desk, desk.generate("tokens=9 hold-after=2") as generation:
        await generation.asked()
        await seen(generation.events, "token")
        await until(lambda: generation.answer.content == "w1 w2 ")
        assert text_of(generation.events, "token") == "w1 w2 "


async def test_an_answer_that_is_left_is_stopped_and_its_place_is_free(stage: Stage) -> None:
    async with desk_on(stage, parallel=1) as desk:
        async with desk.generate("tokens=9 hold-after=2") as generation:
            await until(lambda: generation.answer.content == "w1 w2 ")
        with pytest.raises(Cancelled):
            await generation.result()
        assert generation.answer.content == "w1 w2 "
        assert await desk.generator.until_idle(desk.server) is True
        async with desk.generate("tokens=1") as another:
            assert (await another.result()).content == "w1 "


async def test_requests_wait_for_a_place_and_publish_how_many_are_before_them(stage: Stage) -> None:
    async with desk_on(stage, parallel=1) as desk:
        desk.config.config = Config(chat=ChatConfig(max_queue=1))
        async with desk.generate("tokens=9 hold-after=1") as first:
            await first.asked()
            async with desk.generate("tokens=1") as second:
                await seen(second.waiting, "queued")
                async with desk.generate("tokens=1") as third:
                    with pytest.raises(QueueFull):
                        await third.asked()
                assert second.events.last_seq == 0
        # Both were left: the second was never asked.
        with pytest.raises(Cancelled):
            await second.asked()
        assert [status_of(event) for _, event in second.waiting.peek(0)] == ["queued"]


async def test_an_engine_that_ends_is_why_there_is_no_answer_and_what_came_is_there(stage: Stage) -> None:
    async with desk_on(stage) as desk, desk.generate("tokens=9 die-after=2") as generation:
        with pytest.raises(EngineCrashed):
            await generation.result()
        assert generation.answer.content == "w1 w2 "


async def test_without_a_server_nothing_is_asked(stage: Stage) -> None:
    desk = Desk(stage.server(), stage.runtime_dir)
    async with desk.generate("Hi") as generation:
        with pytest.raises(ServerNotRunning):
            await generation.asked()


async def test_the_oldest_exchanges_are_left_out_where_the_policy_says_so(stage: Stage) -> None:
    long = {"role": "user", "content": "word " * 125}
    messages = [long, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "tokens=1"}]
    short_answer = SamplingParams(max_tokens=8)
    async with desk_on(stage, ctx_size=128, parallel=1) as desk:
        request = GenerationRequest(messages=messages, policy="drop_oldest", sampling=short_answer)
        fitted, max_context = await desk.generator.tokens.fit(request)
        assert (fitted.fits, fitted.dropped) == (True, range(2))
        assert (await desk.generator.tokens.request(request))[0] + 8 > max_context
        async with desk.generator.generate(request) as generation:
            assert (await generation.result()).context.dropped_messages == 2
        too_long = GenerationRequest(messages=[long] * 4)
        with pytest.raises(ContextTooLong):
            async with desk.generator.generate(too_long) as generation:
                await generation.result()


async def test_whoever_waits_for_an_answer_can_give_up_waiting(stage: Stage) -> None:
    async with desk_on(stage) as desk, desk.generate("tokens=3 hold-after=1") as generation:
        with anyio.move_on_after(0) as waited:
            await generation.result()
        assert waited.cancelled_caught
        await generation.asked()
