"""Turns that are cancelled, refused, broken off or hurried, at the moments where it hurts."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from sidecar.chat import messages
from sidecar.chat.journal import KEPT_JOURNALS
from sidecar.chat.messages import new_message
from sidecar.chat.turn import Turn
from sidecar.contract.chat import EditMessageParams, RegenerateMessageParams, SendMessageParams
from sidecar.contract.errors import (
    Cancelled,
    ContextTooLong,
    DiskFull,
    EngineCrashed,
    EngineUnresponsive,
    InternalError,
    InvalidParams,
    NotSupported,
    ServerNotRunning,
    SessionNotFound,
    SidecarError,
    StorageError,
)
from sidecar.contract.sessions import DeleteSessionParams, UpdateSessionParams
from sidecar.engines.client.chat_chunk import ChatChunk, Choice, Delta, FunctionDelta, ToolCallDelta
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from sidecar.events.event_log import EventLog, Text
from sidecar.handlers.call import Call
from sidecar.handlers.sessions import SessionHandlers
from sidecar.storage.cipher import Cipher
from tests.chat.rows import a_session, new_id, rows_on_disk
from tests.chat.scripted import END, Held, Stage, refusing, seen, shown, text
from tests.engines.http_peer import serving

pytestmark = pytest.mark.anyio

READS = 1
"""Pieces of work that a turn hands in before it keeps its question."""

TOO_LONG = ContextTooLong("The prompt has 200 tokens, and the context 100.", max_context=100, input_length=200)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def send(stage: Stage, session_id: str, message: str = "Hi", **params: Any) -> Turn:
    return stage.chat.send(SendMessageParams(session_id=session_id, message=message, **params))


async def error_of(turn: Turn) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        await turn.result()
    return caught.value


def refused_with(error: SidecarError) -> tuple[type[SidecarError], str, dict[str, Any]]:
    """An error without the session of its turn."""
    return type(error), error.message, {name: value for name, value in error.data.items() if name != "session_id"}


async def is_unknown(stage: Stage, session_id: str) -> bool:
    try:
        await stage.history.get(session_id)
    except SessionNotFound:
        return True
    return False


def last_asked(stage: Stage) -> list[str]:
    """What the engine was asked last."""
    return [message["content"] for message in stage.server.requests[-1]["messages"]]


# --- what is kept, and when --------------------------------------------------------------------------------


async def test_an_answer_is_kept_before_done_is_told(stage: Stage) -> None:
    session = new_id()
    async with stage.run():
        turn = send(stage, session)
        result = await turn.result()
        assert shown(turn.events) == ["queued", ("token", "Hello"), "done"]
        assert (result.content, result.finish_reason) == ("Hello", "stop")
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hello", "complete")]


async def test_nothing_of_an_answer_is_told_before_the_question_is_kept(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        stage.database.hold_after(READS)
        turn = send(stage, session := new_id())
        await stage.server.asked.wait()
        await anyio.wait_all_tasks_blocked()
        assert shown(turn.events) == ["queued"]
        stage.database.release()
        await seen(turn.events, "token")
        await held.reached.wait()
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "", "running")]
        held.released.set()
        assert (await turn.result()).content == "HelHello"


async def test_what_an_engine_says_before_it_ends_is_kept_even_if_the_question_is_kept_only_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = b'data: {"prompt_progress": {"total": 1, "processed": 1}}\n\n'
    word = b'data: {"choices": [{"delta": {"content": "Hel"}}]}\n\n'
    ended, go_on = anyio.Event(), anyio.Event()

    async def end_early(_head: str, _reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(progress), progress))
        await go_on.wait()
        writer.write(b"%x\r\n%b\r\n" % (len(word), word))
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with serving(end_early) as url, stage.run():
        link = EngineClient(url, None)
        monkeypatch.setattr(stage.server, "stream_chat", link.stream_chat)
        stage.database.hold_after(READS)
        turn = send(stage, session := new_id())
        await anyio.wait_all_tasks_blocked()
        go_on.set()
        await ended.wait()
        await anyio.wait_all_tasks_blocked()
        assert shown(turn.events) == ["queued"]
        stage.database.release()
        error = await error_of(turn)
        assert (error.name, error.data["partial"]) == ("ENGINE_CRASHED", "Hel")
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hel", "error")]
        link.close()


async def test_an_answer_that_ends_in_the_moment_in_which_its_question_is_kept_is_whole(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answer(_request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        yield [text("Hel")]
        yield [END]
        kept.set_result(None)  # the loop gets no turn between this and the answer's end

    stage.server.answers = [answer]
    async with stage.run():
        monkeypatch.setattr(stage.history, "change", lambda *_: kept)
        turn = send(stage, new_id())
        assert (await turn.result()).content == "Hel"
        assert shown(turn.events) == ["queued", ("token", "Hel"), "done"]


async def test_what_comes_in_the_moment_in_which_the_question_is_lost_is_not_published(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answer(_request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        kept.set_exception(DiskFull("full"))  # the loop gets no turn between this and the first word
        yield [text("Hel")]

    stage.server.answers = [answer]
    async with stage.run():
        monkeypatch.setattr(stage.history, "change", lambda *_: kept)
        turn = send(stage, new_id())
        assert isinstance(await error_of(turn), DiskFull)
        assert shown(turn.events) == ["queued", "error"]


async def test_a_question_that_can_not_be_kept_is_not_answered(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        stage.database.failures = [None, DiskFull("full")]
        turn = send(stage, session := new_id())
        assert isinstance(await error_of(turn), DiskFull)
        assert shown(turn.events) == ["queued", "error"]
        await held.hung_up.wait()
        assert await is_unknown(stage, session)
        assert (await send(stage, session).result()).content == "Hello"


async def test_an_answer_that_can_not_be_kept_is_an_error_and_the_question_stays(stage: Stage) -> None:
    async with stage.run():
        stage.database.failures = [None, None, StorageError("broken")]
        turn = send(stage, session := new_id())
        error = await error_of(turn)
        assert isinstance(error, StorageError)
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hello", "error")]


async def test_a_history_that_stays_broken_takes_only_the_turn_along(stage: Stage) -> None:
    async with stage.run():
        stage.database.failures = [None, None, StorageError("broken"), StorageError("still broken")]
        session = new_id()
        assert (await error_of(send(stage, session))).message == "still broken"
        stage.database.failures = [None, None, RuntimeError("a defect"), RuntimeError("another")]
        assert isinstance(await error_of(send(stage, session)), InternalError)
        assert (await send(stage, session).result()).content == "Hello"
        await stage.history.tidy()
        states = [state for _, _, state in await stage.rows(session)]
        assert states == ["complete", "interrupted", "complete", "interrupted", "complete", "complete"]


async def test_what_could_not_be_tidied_up_at_the_start_is_tidied_up_before_the_next_answer(stage: Stage) -> None:
    async with stage.run():
        await send(stage, session := new_id()).result()
        await stage.database.run(
            lambda db: db.execute("UPDATE messages SET state = 'running', content = '' WHERE role != 'user'")
        )
        stage.database.failures = [StorageError("no key")]
        with pytest.raises(StorageError):
            await stage.history.tidy()
        await send(stage, session).result()
        assert await stage.rows(session) == [
            *(("user", "Hi", "complete"), ("assistant", "Hello", "interrupted")),
            *(("user", "Hi", "complete"), ("assistant", "Hello", "complete")),
        ]


async def test_a_defect_of_ours_is_told_as_such_and_the_next_message_works(stage: Stage) -> None:
    group = ExceptionGroup("a group", [ZeroDivisionError()])
    stage.server.answers = [refusing(ZeroDivisionError()), refusing(group)]
    async with stage.run():
        session = new_id()
        for _ in range(2):
            assert isinstance(await error_of(send(stage, session)), InternalError)
        assert (await send(stage, session).result()).content == "Hello"


async def test_whoever_listens_hears_of_a_session_when_its_question_is_kept_and_when_it_is_answered(
    stage: Stage,
) -> None:
    changes = stage.history.changes.subscribe()
    stage.server.answers = [(held := Held())]
    async with stage.run():
        turn = send(stage, session := new_id(), "What is a llama?")
        await seen(turn.events, "token")
        ((told, first),) = changes.take()
        assert told == session
        assert first is not None
        assert (first.title, first.message_count) == ("What is a llama?", 2)
        held.released.set()
        await turn.result()
        assert [session_id for session_id, _ in changes.take()] == [session]


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", [TOO_LONG, NotSupported("no images"), InvalidParams("bad grammar")])
async def test_what_an_engine_refuses_was_never_said(stage: Stage, refusal: SidecarError) -> None:
    async with stage.run():
        stage.server.answers = [refusing(refusal)]
        session = new_id()
        assert refused_with(await error_of(send(stage, session))) == refused_with(refusal)
        assert await is_unknown(stage, session)
        await send(stage, session, "first").result()
        before = await stage.rows(session)
        stage.server.answers = [refusing(refusal)]
        assert refused_with(await error_of(send(stage, session, "second"))) == refused_with(refusal)
        assert await stage.rows(session) == before
        assert (await stage.history.get(session)).message_count == 2


async def test_a_refused_session_is_told_to_listeners_as_gone(stage: Stage) -> None:
    changes = stage.history.changes.subscribe()
    stage.server.answers = [refusing(TOO_LONG)]
    async with stage.run():
        await error_of(send(stage, new_id()))
    assert changes.take()[-1].session is None


@pytest.mark.parametrize("failure", [EngineUnresponsive("silent"), EngineGone("hung up")])
async def test_a_question_without_an_answer_stays_and_is_asked_again_with_the_next(
    stage: Stage, failure: Exception
) -> None:
    stage.server.answers = [refusing(failure)]
    async with stage.run():
        session = new_id()
        await error_of(send(stage, session, "one"))
        assert await stage.rows(session) == [("user", "one", "complete")]
        await send(stage, session, "two").result()
        assert last_asked(stage) == ["one\n\ntwo"]


async def test_a_message_to_a_stopped_server_leaves_no_trace(stage: Stage) -> None:
    stage.server.running = False
    async with stage.run():
        session = new_id()
        assert isinstance(await error_of(send(stage, session)), ServerNotRunning)
        assert await is_unknown(stage, session)


# --- breaking off ------------------------------------------------------------------------------------------


async def test_what_a_crashed_engine_has_said_is_kept(stage: Stage) -> None:
    stage.server.answers = [Held(then=refusing(EngineGone("hung up")))]
    held = stage.server.answers[0]
    assert isinstance(held, Held)
    held.released.set()
    async with stage.run():
        turn = send(stage, session := new_id())
        error = await error_of(turn)
        assert isinstance(error, EngineCrashed)
        assert error.data == {
            **{"cause": "KILLED", "exit_code": -9, "log_tail": []},
            **{"partial": "Hel", "session_id": session},
        }
        assert stage.server.why_broken.data == {"cause": "KILLED", "exit_code": -9, "log_tail": []}
        assert shown(turn.events) == ["queued", ("token", "Hel"), "error"]
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hel", "error")]


async def test_a_cancelled_answer_is_kept_as_far_as_it_got(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        turn = send(stage, session := new_id())
        await held.reached.wait()
        assert await turn.cancel() is True
        assert held.hung_up.is_set()
        assert (await error_of(turn)).data == {"partial": "Hel", "session_id": turn.session_id}
        assert shown(turn.events) == ["queued", ("token", "Hel"), "cancelled"]
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hel", "cancelled")]
        assert await turn.cancel() is True


async def test_an_answer_cancelled_before_its_first_word_leaves_the_question(stage: Stage) -> None:
    stage.server.answers = [(held := Held(""))]
    async with stage.run():
        turn = send(stage, session := new_id())
        await held.reached.wait()
        await turn.cancel()
        assert await stage.rows(session) == [("user", "Hi", "complete")]
        again = stage.chat.regenerate(RegenerateMessageParams(session_id=session))
        assert (await again.result()).content == "Hello"


async def test_a_question_whose_commit_is_under_way_is_kept_with_what_was_answered_although_it_is_cancelled(
    stage: Stage,
) -> None:
    stage.server.answers = [Held()]
    async with stage.run():
        stage.database.hold_after(READS)
        turn = send(stage, session := new_id())
        await stage.server.asked.wait()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.cancel)
            await anyio.wait_all_tasks_blocked()
            assert turn.outcome is None
            stage.database.release()
        assert shown(turn.events) == ["queued", ("token", "Hel"), "cancelled"]
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hel", "cancelled")]


async def test_cancelling_an_answer_that_is_over_changes_nothing(stage: Stage) -> None:
    async with stage.run():
        turn = send(stage, session := new_id())
        await turn.result()
        assert await turn.cancel() is False
        assert (await turn.result()).content == "Hello"
        cancelled = await stage.chat.cancel(session)
        assert (cancelled.cancelled, cancelled.engine_idle) == (0, None)


async def test_cancelling_before_the_turn_has_begun_leaves_no_trace(stage: Stage) -> None:
    async with stage.run():
        turn = send(stage, session := new_id())
        await turn.cancel()
        assert isinstance(await error_of(turn), Cancelled)
        assert stage.server.requests == []
        assert await is_unknown(stage, session)


async def test_an_answer_is_interrupted_when_the_sidecar_stops(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        turn = send(stage, session := new_id())
        waiting = send(stage, session, "never answered")
        await held.reached.wait()
    for stopped in (turn, waiting):
        assert isinstance(await error_of(stopped), Cancelled)
        assert shown(stopped.events)[-1] == "cancelled"
    assert rows_on_disk(stage.folder) == [("user", "Hi", "complete"), ("assistant", "Hel", "interrupted")]


async def test_half_a_tool_call_is_not_kept(stage: Stage) -> None:
    piece = ToolCallDelta(index=0, id="call_1", function=FunctionDelta(name="f", arguments='{"a'))

    async def answer(request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        yield [ChatChunk(choices=[Choice(delta=Delta(tool_calls=[piece]))])]
        raise EngineGone("hung up")

    stage.server.answers = [answer]
    async with stage.run():
        turn = send(stage, session := new_id())
        await error_of(turn)
        assert await stage.rows(session) == [("user", "Hi", "complete")]
        assert shown(turn.events) == ["queued", "error"]


async def test_an_answer_does_not_fail_because_its_tokens_can_not_be_counted(stage: Stage) -> None:
    async def answer(request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
        yield [text("Hello"), ChatChunk(choices=[Choice(finish_reason="stop")])]

    stage.server.answers = [answer, answer]
    async with stage.run():
        assert (await send(stage, new_id()).result()).usage.completion_tokens == 5
        stage.server.count_failure = EngineGone("hung up")
        assert (await send(stage, new_id()).result()).usage.completion_tokens == 0


# --- several messages to one session -----------------------------------------------------------------------


async def test_messages_to_one_session_are_answered_in_order(stage: Stage) -> None:
    async with stage.run():
        session = new_id()
        turns = [send(stage, session, message) for message in "0123"]
        for turn in turns:
            await turn.result()
        said = [content for _, content, _ in await stage.rows(session)]
        assert said == ["0", "Hello", "1", "Hello", "2", "Hello", "3", "Hello"]
        assert [shown(turn.events)[0] for turn in turns] == ["queued"] * 4


@pytest.mark.parametrize("end", ["refused", "gone", "cancelled"])
async def test_the_next_message_follows_on_what_is_kept_of_the_one_before(stage: Stage, end: str) -> None:
    held = Held("", then=refusing(TOO_LONG if end == "refused" else EngineGone("hung up")))
    async with stage.run():
        await send(stage, session := new_id(), "first").result()
        stage.server.answers = [held]
        second = send(stage, session, "second")
        third = stage.chat.regenerate(RegenerateMessageParams(session_id=session))
        await held.reached.wait()
        if end == "cancelled":
            await second.cancel()
        held.released.set()
        await third.result()
        said = [content for _, content, _ in await stage.rows(session)]
        assert said == (["first", "Hello"] if end == "refused" else ["first", "Hello", "second", "Hello"])


async def test_cancelling_a_session_stops_those_that_wait_too(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        session = new_id()
        turns = [send(stage, session, message) for message in "0123"]
        await held.reached.wait()
        assert (await stage.chat.cancel(session)).cancelled == 4
        assert [type(turn.outcome) for turn in turns] == [Cancelled] * 4
        assert len(stage.server.requests) == 1
        assert await stage.rows(session) == [("user", "0", "complete"), ("assistant", "Hel", "cancelled")]


async def test_a_message_that_waits_can_be_cancelled_alone(stage: Stage) -> None:
    stage.server.answers = [(held := Held())]
    async with stage.run():
        session = new_id()
        first, second, third = (send(stage, session, message) for message in "012")
        await held.reached.wait()
        await second.cancel()
        assert shown(second.events) == ["queued", "cancelled"]
        held.released.set()
        await first.result()
        await third.result()
        said = [content for _, content, _ in await stage.rows(session)]
        assert said == ["0", "HelHello", "2", "Hello"]


async def test_a_host_may_go_to_another_branch_while_an_answer_is_written(stage: Stage) -> None:
    async with stage.run():
        first = await send(stage, session := new_id()).result()
        stage.server.answers = [(held := Held(""))]
        turn = stage.chat.regenerate(RegenerateMessageParams(session_id=session))
        await held.reached.wait()
        await stage.history.update(UpdateSessionParams(session_id=session, branch=first.message_id))
        await turn.cancel()
        assert (await stage.history.get(session)).head == first.message_id


async def test_sessions_are_answered_side_by_side_as_many_as_the_engine_has_slots(stage: Stage) -> None:
    held = [Held(), Held()]
    stage.server.answers = [*held]
    async with stage.run():
        turns = [send(stage, new_id()) for _ in range(3)]
        for one in held:
            await one.reached.wait()
        await anyio.wait_all_tasks_blocked()
        assert len(stage.server.requests) == 2
        assert shown(turns[2].events) == ["queued"]
        held[1].released.set()
        await turns[2].result()
        held[0].released.set()
        await turns[0].result()


async def answer_all(turns: list[Turn]) -> None:
    for turn in turns:
        await turn.result()


# --- leaving nothing behind --------------------------------------------------------------------------------


async def test_hundreds_of_sessions_leave_nothing_behind_but_the_last_answers(stage: Stage) -> None:
    async with stage.run():
        for _ in range(5):
            await answer_all([send(stage, new_id()) for _ in range(50)])
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        assert len(stage.chat._turns) == 0
        assert len(list((stage.folder / "turns").iterdir())) == KEPT_JOURNALS
        assert stage.generator._scheduler.admitted(stage.server) == 0  # type: ignore[arg-type]


async def test_a_deleted_session_has_no_last_answer(stage: Stage) -> None:
    async with stage.run():
        await send(stage, session := new_id()).result()
        await stage.chat.delete(session)
        with pytest.raises(SessionNotFound):
            await stage.chat.resume(session, 0)


async def test_a_message_to_a_deleted_session_is_refused_and_the_engine_not_asked(stage: Stage) -> None:
    async with stage.run():
        await send(stage, session := new_id()).result()
        await stage.history.delete(session)
        asked = len(stage.server.requests)
        error = await error_of(send(stage, session))
        assert (type(error), error.data) == (InvalidParams, {"path": "$.session_id", "session_id": session})
        assert len(stage.server.requests) == asked


async def test_an_edit_branches_and_keeps_the_old_words(stage: Stage) -> None:
    async with stage.run():
        first = await send(stage, session := new_id(), "old words").result()
        await send(stage, session, "more").result()
        assert first.user_message_id is not None
        edit = EditMessageParams(session_id=session, message_id=first.user_message_id, message="new words")
        await stage.chat.edit(edit).result()
        assert [content for _, content, _ in await stage.rows(session)] == ["new words", "Hello"]
        assert (await stage.history.get(session)).message_count == 6


async def test_an_engine_is_asked_for_a_stream_with_its_progress_and_usage(stage: Stage) -> None:
    async with stage.run():
        await send(stage, new_id(), "Hi", system="Be brief.").result()
    assert stage.server.requests == [
        {
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        }
    ]


@pytest.mark.case(27)
@pytest.mark.parametrize("asked", ["a message", "a deletion"])
async def test_what_a_host_asks_right_after_a_kill_takes_nothing_of_the_answer_that_broke_off(
    stage: Stage, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session's journal is begun anew or removed with it: not before the history has read what it says."""
    handlers = SessionHandlers(history=stage.history, chat=stage.chat)
    events = EventLog.restored([Text("token", "as far as it came")], after_seq=0)
    reading, go_on = threading.Event(), threading.Event()

    def broken_off(db: sqlite3.Connection) -> tuple[str, str]:
        session = a_session(db)
        answer = new_message(session.session_id, None, role="assistant", content="")
        answer.state = "running"
        messages.insert(db, answer)
        return session.session_id, answer.message_id

    def read_slowly(session_id: str, message_id: str, cipher: Cipher | None) -> tuple[str, str | None]:
        reading.set()
        go_on.wait(30)
        return read_partial_answer(session_id, message_id, cipher)

    read_partial_answer = stage.journals.partial_answer
    monkeypatch.setattr(stage.journals, "partial_answer", read_slowly)

    async with stage.run(), anyio.create_task_group() as tasks:
        session, answer = await stage.database.run(broken_off)
        stage.journals.begin(session, answer, events).close()
        tasks.start_soon(stage.history.tidy)
        await anyio.to_thread.run_sync(reading.wait)
        if asked == "a message":
            tasks.start_soon(send(stage, session).result)
        else:
            tasks.start_soon(handlers.delete, DeleteSessionParams(session_id=session), cast(Call, None))
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert rows_on_disk(stage.folder)[0] == ("assistant", "as far as it came", "interrupted")


async def test_a_question_whose_commit_failed_before_the_first_word_is_not_answered(stage: Stage) -> None:
    async with stage.run():
        failed = anyio.Event()

        async def late(request: dict[str, Any]) -> AsyncIterator[list[ChatChunk]]:
            await failed.wait()
            yield [text("Hello")]

        stage.server.answers = [late]
        stage.database.failures = [None] * READS + [DiskFull("full")]
        turn = send(stage, new_id())
        await stage.server.asked.wait()
        await anyio.wait_all_tasks_blocked()  # the commit is handed in
        await stage.database.run(lambda db: None)  # behind it
        failed.set()
        assert isinstance(await error_of(turn), DiskFull)
        assert shown(turn.events) == ["queued", "error"]
