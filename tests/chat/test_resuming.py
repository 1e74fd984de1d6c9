"""Hosts that come back to an answer, and questions about what one would cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.chat.journal import KEPT_JOURNALS
from sidecar.chat.outcome import EndedTurn
from sidecar.contract.chat import CountTokensParams, PreviewContextParams, SendMessageParams
from sidecar.contract.errors import (
    Cancelled,
    EngineCrashed,
    InvalidParams,
    ServerNotRunning,
    SessionNotFound,
    SidecarError,
)
from sidecar.engines.client.engine_client import EngineGone
from tests.chat.rows import new_id
from tests.chat.scripted import Held, Stage, refusing, seen, shown

pytestmark = pytest.mark.anyio


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def send(stage: Stage, session_id: str, message: str = "Hi", **params: Any) -> Any:
    return stage.chat.send(SendMessageParams(session_id=session_id, message=message, **params))


async def forget_turns(stage: Stage, session_id: str) -> None:
    """As after a restart of the sidecar: only the history knows."""
    stage.journals.forget(session_id)


async def test_the_running_answer_is_resumed_itself(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        turn = send(stage, session := new_id())
        waiting = send(stage, session)
        await held.reached.wait()
        assert (await stage.chat.resume(session, 0))[0] is turn
        held.released.set()
        await turn.result()
        await waiting.result()


async def test_the_last_answer_is_resumed_with_all_its_events(stage: Stage) -> None:
    async with stage.run():
        turn = send(stage, session := new_id())
        result = await turn.result()
        resumed, _ = await stage.chat.resume(session, 0)
        assert isinstance(resumed, EndedTurn)
        assert (shown(resumed.events), await resumed.result()) == (shown(turn.events), result)


async def test_an_answer_that_only_the_history_knows_is_resumed_as_a_whole(stage: Stage) -> None:
    async with stage.run():
        turn = send(stage, session := new_id())
        result = await turn.result()
        await forget_turns(stage, session)
        resumed, _ = await stage.chat.resume(session, 0)
        assert shown(resumed.events) == [("token", "Hello"), "done"]
        assert await resumed.result() == result


async def test_a_host_that_has_seen_some_of_it_gets_the_end_under_the_next_number(stage: Stage) -> None:
    async with stage.run():
        await send(stage, session := new_id()).result()
        await forget_turns(stage, session)
        resumed, _ = await stage.chat.resume(session, 7)
        assert [seq for seq, _ in resumed.events.read(7)] == [8]
        assert shown(resumed.events) == ["done"]


@pytest.mark.parametrize(("state", "kind"), [("cancelled", Cancelled), ("error", EngineCrashed)])
async def test_an_answer_that_was_not_finished_is_resumed_as_what_it_is(
    stage: Stage, state: str, kind: type[SidecarError]
) -> None:
    held = Held(then=refusing(EngineGone("hung up")))
    stage.server.answers = [held]
    async with stage.run():
        turn = send(stage, session := new_id())
        await seen(turn.events, "token")
        if state == "cancelled":
            await turn.cancel()
        held.released.set()
        with pytest.raises(kind):
            await turn.result()
        for _ in ("from memory", "from the history"):
            resumed, _ = await stage.chat.resume(session, 0)
            with pytest.raises(kind) as caught:
                await resumed.result()
            assert caught.value.data["partial"] == "Hel"
            assert shown(resumed.events)[-2:] == [("token", "Hel"), "cancelled" if state == "cancelled" else "error"]
            await forget_turns(stage, session)


async def test_there_is_nothing_to_resume_where_nothing_was_answered(stage: Stage) -> None:
    stage.server.answers = [refusing(EngineGone("hung up"))]
    async with stage.run():
        with pytest.raises(SessionNotFound):
            await stage.chat.resume(new_id(), 0)
        turn = send(stage, session := new_id())
        with pytest.raises(EngineCrashed):
            await turn.result()
        await forget_turns(stage, session)
        with pytest.raises(SessionNotFound):
            await stage.chat.resume(session, 0)


async def test_what_has_arrived_is_let_go_but_for_the_last_event(stage: Stage) -> None:
    async with stage.run():
        turn = send(stage, session := new_id())
        await turn.result()
        assert turn.events.kept == 3
        turn.events.read(0)
        assert (await stage.chat.ack(session, 1)).kept_events == 2
        assert (await stage.chat.ack(session, None)).kept_events == 1
        assert (await stage.chat.ack(new_id(), None)).kept_events == 0


async def test_acknowledging_means_the_running_answer_and_not_those_that_wait(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        turn, waiting = send(stage, session := new_id()), send(stage, session)
        await held.reached.wait()
        turn.events.read(0)
        waiting.events.read(0)
        assert (await stage.chat.ack(session, turn.events.last_seq)).kept_events == 0
        assert waiting.events.kept == 1
        held.released.set()
        await waiting.result()


async def test_without_a_number_nothing_of_a_running_answer_is_let_go(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        turn = send(stage, session := new_id())
        await held.reached.wait()
        told = shown(turn.events)
        assert (await stage.chat.ack(session, None)).kept_events == len(told) > 0
        assert shown((await stage.chat.resume(session, 0))[0].events) == told
        held.released.set()
        await turn.result()
        assert (await stage.chat.ack(session, None)).kept_events == 1


async def test_only_the_newest_answers_are_held_and_the_others_come_from_the_history(stage: Stage) -> None:
    async with stage.run():
        sessions = [new_id() for _ in range(KEPT_JOURNALS + 2)]
        for session in sessions:
            await send(stage, session).result()
        (first, _), (last, _) = await stage.chat.resume(sessions[0], 0), await stage.chat.resume(sessions[-1], 0)
        assert shown(first.events) == [("token", "Hello"), "done"]
        assert shown(last.events) == ["queued", ("token", "Hello"), "done"]


# --- counting ----------------------------------------------------------------------------------------------


async def test_a_text_is_counted_without_and_a_conversation_with_all_that_is_sent(stage: Stage) -> None:
    async with stage.run():
        session = new_id()
        await send(stage, session, "12345", system="123").result()
        count = stage.chat.count_tokens
        assert (await count(CountTokensParams(text="1234"))).tokens == 4
        assert (await count(CountTokensParams(message="1234"))).tokens == 4
        assert (await count(CountTokensParams(session_id=session))).tokens == 3 + 5 + len("Hello")
        counted = await count(CountTokensParams(session_id=session, message="1234"))
        assert (counted.tokens, counted.max_context) == (3 + 5 + 5 + 4, 100)


async def test_a_count_needs_one_thing_to_count(stage: Stage) -> None:
    async with stage.run():
        for params in (
            CountTokensParams(),
            CountTokensParams(text="x", message="y"),
            CountTokensParams(text="x", session_id=new_id()),
        ):
            with pytest.raises(InvalidParams):
                await stage.chat.count_tokens(params)
        with pytest.raises(SessionNotFound):
            await stage.chat.count_tokens(CountTokensParams(session_id=new_id()))


async def test_an_engine_that_ends_while_it_counts_is_told_as_such(stage: Stage) -> None:
    async with stage.run():
        session = new_id()
        await send(stage, session).result()
        stage.server.count_failure = EngineGone("hung up")
        for asked in (
            stage.chat.count_tokens(CountTokensParams(text="x")),
            stage.chat.count_tokens(CountTokensParams(session_id=session)),
            stage.chat.preview_context(PreviewContextParams(session_id=session, message="x")),
        ):
            with pytest.raises(EngineCrashed):
                await asked
        stage.server.running = False
        with pytest.raises(ServerNotRunning):
            await stage.chat.count_tokens(CountTokensParams(text="x"))


async def test_a_preview_says_what_would_be_sent_and_what_not(stage: Stage) -> None:
    async with stage.run():
        session = new_id()
        first = await send(stage, session, "a" * 40).result()
        second = await send(stage, session, "b" * 20).result()
        messages = {m.message_id: m for m in (await stage.history.branch(session, second.message_id))}
        preview = await stage.chat.preview_context(
            PreviewContextParams(session_id=session, message="c" * 20, context_policy="drop_oldest")
        )
        sent = [messages[id_].content for id_ in preview.sent_messages]
        dropped = [(messages[d.message_id].content, d.role) for d in preview.dropped]
        assert sent == ["b" * 20, "Hello"]
        assert dropped == [("a" * 40, "user"), ("Hello", "assistant")]
        assert (preview.fits, preview.max_context, preview.input_length, preview.reserved) == (True, 100, 45, 25)
        too_long = await stage.chat.preview_context(PreviewContextParams(session_id=session, message="c" * 100))
        assert (too_long.policy, too_long.fits, too_long.input_length) == ("error", False, 170)
        assert (too_long.sent_messages, too_long.dropped) == ([], [])
        assert len(stage.server.requests) == 2
        assert first.session_id == session


async def test_a_turn_says_how_many_messages_it_left_out(stage: Stage) -> None:
    async with stage.run():
        session = new_id()
        await send(stage, session, "a" * 70).result()
        result = await send(stage, session, "b" * 20, context_policy="drop_oldest").result()
        assert [message["content"] for message in stage.server.requests[-1]["messages"]] == ["b" * 20]
        context = result.context
        assert (context.policy, context.max_context, context.dropped_messages) == ("drop_oldest", 100, 2)
        assert len(await stage.rows(session)) == 4
