"""Single messages that a person deletes, rewrites or has continued."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from sidecar.chat import export, messages, sessions
from sidecar.chat.editing import Editor, with_text
from sidecar.chat.messages import StoredMessage, new_message
from sidecar.contract.chat import (
    ContinueMessageParams,
    DeleteMessageParams,
    RegenerateMessageParams,
    SendMessageParams,
    TurnResult,
    UpdateMessageParams,
)
from sidecar.contract.errors import EngineCrashed, InvalidParams, NotSupported, SessionNotFound, SidecarError
from sidecar.contract.servers import StartLoading
from sidecar.contract.sessions import SearchMessagesParams
from sidecar.engines.client.chat_chunk import ChatChunk, Choice
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from tests.chat.rows import a_session, new_id, say
from tests.chat.scripted import Held, Stage, refusing, shown, text

pytestmark = pytest.mark.anyio

CUT = ChatChunk(choices=[Choice(finish_reason="length")])


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def editor(stage: Stage) -> Editor:
    return Editor(stage.history, stage.journals)


def cut_after(word: str) -> Any:
    async def answer(request: dict[str, Any]) -> Any:
        yield [text(word)]
        yield [CUT]

    return answer


async def send(stage: Stage, session: str, message: str) -> TurnResult:
    return await stage.chat.send(SendMessageParams(session_id=session, message=message)).result()


async def error_of(work: Any) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        await work
    return caught.value


# --- continued ---------------------------------------------------------------------------------------------


async def test_a_cut_answer_is_continued_as_one_message(stage: Stage) -> None:
    stage.server.answers = [cut_after("Once upon "), cut_after("a ti")]
    async with stage.run():
        first = await send(stage, session := new_id(), "A tale?")
        for whole, new in (("Once upon a ti", "a ti"), ("Once upon a tiHello", "Hello")):
            turn = stage.chat.continue_(ContinueMessageParams(session_id=session))
            result = await turn.result()
            assert (result.message_id, result.content) == (first.message_id, whole)
            assert result.user_message_id == first.user_message_id
            assert ("token", new) in shown(turn.events)
            assert await stage.rows(session) == [("user", "A tale?", "complete"), ("assistant", whole, "complete")]
        asked = stage.server.requests[-1]
        assert asked["messages"][-1] == {"role": "assistant", "content": "Once upon a ti"}
        assert asked["chat_template_kwargs"] == {"enable_thinking": False}
        error = await error_of(stage.chat.continue_(ContinueMessageParams(session_id=session)).result())
        assert (type(error), error.data["path"]) == (InvalidParams, "$.message_id")
        assert (await stage.history.get(session)).message_count == 2


async def test_a_cancelled_answer_is_continued_and_cancelled_again(stage: Stage) -> None:
    stage.server.answers = [first := Held("One "), second := Held("two ")]
    async with stage.run():
        turn = stage.chat.send(SendMessageParams(session_id=(session := new_id()), message="Count."))
        await first.reached.wait()
        await turn.cancel()
        again = stage.chat.continue_(ContinueMessageParams(session_id=session))
        await second.reached.wait()
        await again.cancel()
        assert (await error_of(again.result())).data["partial"] == "One two "
        assert (await stage.rows(session))[-1] == ("assistant", "One two ", "cancelled")
        resumed, _ = await stage.chat.resume(session, 0)
        assert (await error_of(resumed.result())).data["partial"] == "One two "


@pytest.mark.parametrize("end", ["refused", "lost", "no prefill"])
async def test_an_answer_that_is_not_continued_stays_as_it_was(stage: Stage, end: str) -> None:
    gone = EngineGone("gone", client=EngineClient("http://127.0.0.1:1", None))
    stage.server.answers = [cut_after("Once "), refusing(NotSupported("no") if end == "refused" else gone)]
    async with stage.run():
        first = await send(stage, session := new_id(), "A tale?")
        before = await stage.history.message(session, first.message_id)
        stage.server.launch.continues_answers = end != "no prefill"
        error = await error_of(stage.chat.continue_(ContinueMessageParams(session_id=session)).result())
        assert isinstance(error, EngineCrashed if end == "lost" else NotSupported)
        assert await stage.history.message(session, first.message_id) == before


async def test_what_cannot_be_continued_is_refused_by_name(stage: Stage, editor: Editor) -> None:
    async with stage.run():
        first = await send(stage, session := new_id(), "one")
        second = await send(stage, session, "two")
        for message_id in (first.message_id, second.user_message_id, second.message_id):
            params = ContinueMessageParams(session_id=session, message_id=message_id)
            error = await error_of(stage.chat.continue_(params).result())
            assert (type(error), error.data["path"]) == (InvalidParams, "$.message_id")
        error = await error_of(stage.chat.continue_(ContinueMessageParams(session_id=new_id())).result())
        assert isinstance(error, SessionNotFound)
        # A person's own words may be written on, though the model had ended there.
        edit = UpdateMessageParams(session_id=session, message_id=second.message_id, content="Well, ")
        await editor.update(edit)
        result = await stage.chat.continue_(ContinueMessageParams(session_id=session)).result()
        assert result.content == "Well, Hello"


def test_an_interrupted_continuation_keeps_both_parts(db: sqlite3.Connection) -> None:
    session = a_session(db)
    answer = say(db, session, "before ", role="assistant")
    messages.reopen(db, answer.message_id)
    messages.interrupt(db, session.session_id, answer.message_id, "after", None)
    kept = messages.get(db, session.session_id, answer.message_id)
    assert (kept.content, kept.state) == ("before after", "interrupted")


# --- deleted -----------------------------------------------------------------------------------------------


async def test_a_deleted_message_leaves_all_others_where_they_were(stage: Stage, editor: Editor) -> None:
    async with stage.run():
        first = await send(stage, session := new_id(), "one")
        second = await send(stage, session, "two")
        third = await send(stage, session, "three")
        for message_id, left in (
            (second.message_id, ["one", "Hello", "two", "three", "Hello"]),
            (first.user_message_id, ["Hello", "two", "three", "Hello"]),
            (third.message_id, ["Hello", "two", "three"]),
        ):
            assert message_id is not None
            changed = await editor.delete(DeleteMessageParams(session_id=session, message_id=message_id))
            assert [content for _, content, _ in await stage.rows(session)] == left
            assert changed.message_count == len(left)
        assert (await stage.history.get(session)).head == third.user_message_id
        assert isinstance(await error_of(stage.chat.resume(session, 0)), SessionNotFound)
        found = await stage.history.search(SearchMessagesParams(query="one"))
        assert found.hits == []
        for gone in (second.message_id, new_id()):
            params = DeleteMessageParams(session_id=session, message_id=gone)
            assert isinstance(await error_of(editor.delete(params)), SessionNotFound)


async def test_where_a_branch_ended_with_it_the_newest_other_one_is_in_use(stage: Stage, editor: Editor) -> None:
    async with stage.run():
        first = await send(stage, session := new_id(), "one")
        again = await stage.chat.regenerate(RegenerateMessageParams(session_id=session)).result()
        changed = await editor.delete(DeleteMessageParams(session_id=session, message_id=again.message_id))
        assert changed.head == first.message_id
        for message_id in (first.message_id, first.user_message_id):
            assert message_id is not None
            changed = await editor.delete(DeleteMessageParams(session_id=session, message_id=message_id))
        assert (changed.head, changed.message_count) == (None, 0)
        assert (await send(stage, session, "anew")).content == "Hello"


async def test_what_is_being_written_is_left_alone(stage: Stage, editor: Editor) -> None:
    stage.server.answers = [held := Held()]
    async with stage.run():
        session = new_id()
        turn = stage.chat.send(SendMessageParams(session_id=session, message="Hi"))
        await held.reached.wait()
        running = (await stage.history.get(session)).head
        assert running is not None
        ids = {"session_id": session, "message_id": running}
        for change in (
            editor.delete(DeleteMessageParams(**ids)),
            editor.update(UpdateMessageParams(**ids, content="x")),
        ):
            error = await error_of(change)
            assert isinstance(error, InvalidParams)
            assert [remedy.action for remedy in error.remedies] == ["cancel_message"]
        held.released.set()
        assert (await turn.result()).content == "HelHello"


async def test_a_message_after_one_that_was_deleted_meanwhile_is_refused_and_nothing_is_lost(
    stage: Stage, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.run():
        first = await send(stage, session := new_id(), "one")
        planned, deleted = anyio.Event(), anyio.Event()

        async def until_ready() -> AsyncIterator[StartLoading]:
            planned.set()
            await deleted.wait()
            loads: list[StartLoading] = []
            for load in loads:
                yield load

        monkeypatch.setattr(stage.server, "until_ready", until_ready)
        turn = stage.chat.send(SendMessageParams(session_id=session, message="two"))
        await planned.wait()
        await editor.delete(DeleteMessageParams(session_id=session, message_id=first.message_id))
        deleted.set()
        assert isinstance(await error_of(turn.result()), SessionNotFound)
        assert await stage.rows(session) == [("user", "one", "complete")]


# --- rewritten ---------------------------------------------------------------------------------------------


async def test_a_rewritten_message_is_marked_found_sent_and_exported(stage: Stage, editor: Editor) -> None:
    async with stage.run():
        first = await send(stage, session := new_id(), "What is a llama?")
        assert first.user_message_id is not None
        ids = {"session_id": session, "message_id": first.message_id}
        changed = await editor.update(UpdateMessageParams(**ids, content="A camelid."))
        assert (changed.content, isinstance(changed.edited_at, float)) == ("A camelid.", True)
        assert (changed.role, changed.state, changed.siblings) == ("assistant", "complete", [first.message_id])
        found = await stage.history.search(SearchMessagesParams(query="camelid"))
        assert [hit.message_id for hit in found.hits] == [first.message_id]
        assert (await stage.history.search(SearchMessagesParams(query="Hello"))).hits == []
        resumed, _ = await stage.chat.resume(session, 0)
        assert (await resumed.result()).content == "A camelid."
        await send(stage, session, "Really?")
        assert [m["content"] for m in stage.server.requests[-1]["messages"]] == [
            "What is a llama?",
            "A camelid.",
            "Really?",
        ]

        def exported(db: sqlite3.Connection) -> Any:
            known = sessions.get(db, session)
            return export.as_json(known, messages.all_of(db, session)).content

        read = export.read_json(await stage.database.run(exported))
        assert [m.edited_at for m in read.messages] == [None, changed.edited_at, None, None]
        again = await stage.database.run(lambda db: export.insert(db, read))
        kept = await stage.history.branch(again.session_id, again.head)
        assert kept[1].edited_at == changed.edited_at


def test_the_pictures_of_a_rewritten_message_stay() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    old = {"type": "text", "text": "old"}
    new = {"type": "text", "text": "new"}
    cases: list[tuple[Any, str, Any]] = [
        ([old, image], "new", [new, image]),
        ([image, old, image], "new", [image, new, image]),
        ([image], "new", [new, image]),
        ([old, image, old], "new", [new, image]),
        ([old, image], "", [image]),
        ([old, old], "new", msgspec.UNSET),
        (msgspec.UNSET, "new", msgspec.UNSET),
    ]
    for parts, content, expected in cases:
        message: StoredMessage = new_message(new_id(), None, role="user", content="old")
        message.parts = parts
        with_text(message, content)
        assert (message.content, message.parts) == (content, expected)
    for parts in (msgspec.UNSET, [old]):
        message = new_message(new_id(), None, role="user", content="old")
        message.parts = parts
        with pytest.raises(InvalidParams):
            with_text(message, " \n")
