"""A message that is sent again under its key is stored and answered once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.chat import idempotency
from sidecar.chat.turn import Turn
from sidecar.contract.chat import SendMessageParams
from sidecar.contract.errors import Cancelled, InvalidParams, SidecarError
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from tests.chat.rows import new_id
from tests.chat.scripted import Held, Stage, refusing, shown

pytestmark = pytest.mark.anyio


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def send(stage: Stage, key: str | None = "k", message: str = "Hi", **params: Any) -> Turn:
    return stage.chat.send(SendMessageParams(message=message, idempotency_key=key, **params))


async def error_of(turn: Turn) -> SidecarError:
    with pytest.raises(SidecarError) as caught:
        await turn.result()
    return caught.value


@pytest.mark.parametrize("named", [True, False])
async def test_a_message_sent_again_follows_the_answer_under_way_and_has_its_result_afterwards(
    stage: Stage, named: bool
) -> None:
    stage.server.answers = [held := Held()]
    where = {"session_id": new_id()} if named else {}
    async with stage.run():
        turns = [send(stage, **where), send(stage, channel="another", **where)]
        await held.reached.wait()
        turns.append(send(stage, **where))
        turns.append(send(stage, session_id=turns[0].session_id))
        assert all(turn is turns[0] for turn in turns)
        held.released.set()
        first = await turns[0].result()
        later = send(stage, **where)
        again = await later.result()
        assert (again.message_id, again.user_message_id, again.content) == (
            *(first.message_id, first.user_message_id),
            first.content,
        )
        assert shown(later.events) == ["queued", ("token", "HelHello"), "done"]
        assert len(stage.server.requests) == 1
        assert [content for _, content, _ in await stage.rows(first.session_id)] == ["Hi", "HelHello"]


async def test_a_key_is_known_after_a_restart(stage: Stage, tmp_path: Path) -> None:
    async with stage.run():
        first = await send(stage).result()
        named = await send(stage, session_id=first.session_id, key="other").result()
    later = reopened(tmp_path)
    async with later.run():
        assert (await send(later).result()).message_id == first.message_id
        again = await send(later, session_id=first.session_id, key="other").result()
        assert again.message_id == named.message_id
        assert later.server.requests == []


def reopened(folder: Path) -> Stage:
    """The same data folder after a restart."""
    (folder / "turns").rename(folder / "turns before")
    return Stage(folder)


async def test_another_message_under_a_used_key_is_refused(stage: Stage) -> None:
    stage.server.answers = [held := Held()]
    async with stage.run():
        first = send(stage)
        await held.reached.wait()
        with pytest.raises(InvalidParams) as caught:
            send(stage, message="Something else")
        assert caught.value.data["path"] == "$.idempotency_key"
        held.released.set()
        await first.result()
        for params in ({"message": "Something else"}, {"temperature": 0.5}, {"system": "Be brief."}):
            error = await error_of(send(stage, **params))
            assert (type(error), error.data["path"]) == (InvalidParams, "$.idempotency_key")
        assert len(stage.server.requests) == 1
        other = await send(stage, session_id=new_id(), message="Something else").result()
        assert other.session_id != first.session_id
        assert (await send(stage, key=None).result()).session_id not in (first.session_id, other.session_id)


async def test_a_message_whose_answer_failed_is_answered_again_and_stored_once(stage: Stage) -> None:
    gone = EngineGone("gone", client=EngineClient("http://127.0.0.1:1", None))
    async with stage.run():
        session = new_id()
        for failing in (refusing(gone), Held("Hel", then=refusing(gone))):
            if isinstance(failing, Held):
                failing.released.set()
            stage.server.answers = [failing]
            await error_of(send(stage, session_id=session))
        result = await send(stage, session_id=session).result()
        assert await stage.rows(session) == [("user", "Hi", "complete"), ("assistant", "Hello", "complete")]
        assert (await send(stage, session_id=session).result()).message_id == result.message_id
        assert len(stage.server.requests) == 3


async def test_a_message_that_was_refused_is_a_new_one_next_time(stage: Stage) -> None:
    async with stage.run():
        stage.server.answers = [refusing(InvalidParams("no"))]
        session = new_id()
        await error_of(send(stage, session_id=session))
        assert (await send(stage, session_id=session).result()).content == "Hello"
        assert [content for _, content, _ in await stage.rows(session)] == ["Hi", "Hello"]


async def test_a_cancelled_message_stays_cancelled(stage: Stage) -> None:
    stage.server.answers = [held := Held()]
    async with stage.run():
        turn = send(stage, session_id=(session := new_id()))
        await held.reached.wait()
        await turn.cancel()
        error = await error_of(again := send(stage, session_id=session))
        assert isinstance(error, Cancelled)
        assert (error.data["partial"], shown(again.events)) == ("Hel", ["queued", ("token", "Hel"), "cancelled"])


async def test_a_key_is_forgotten_after_a_day(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage.run():
        session = new_id()
        first = await send(stage, session_id=session).result()
        monkeypatch.setattr(idempotency, "KEPT_SECONDS", -1.0)
        later = await send(stage, session_id=session, message="Something else").result()
        assert later.message_id != first.message_id
        await stage.history.tidy()
        left = await stage.database.run(
            lambda db: db.execute("SELECT count(*) FROM messages WHERE request IS NOT NULL").fetchone()
        )
        assert left == (0,)
