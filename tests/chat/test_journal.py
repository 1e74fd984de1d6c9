"""A turn's events on disk: before anybody has seen them, under the numbers they were told with."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.from_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chat.journal import KEPT_JOURNALS, Journal, Journals
from sidecar.chat.replay import JournaledTurn
from sidecar.contract import CancelledEvent, Event
from sidecar.contract.chat import TurnPrefill, TurnToolCall
from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.events.event_log import EventLog, Text, TextStatus
from sidecar.storage.cipher import KEY_BYTES, Cipher
from tests.chat.rows import new_id

MESSAGE = "0f0e0d0c-0b0a-4900-8807-060504030201"
OTHER_MESSAGE = "1f0e0d0c-0b0a-4900-8807-060504030201"

Shown = list[tuple[int, tuple[str, str] | Event]]


def shown(events: EventLog, after: int = 0) -> Shown:
    return [(seq, (e.status, e.text) if isinstance(e, Text) else e) for seq, e in events.peek(after)]


CIPHER = Cipher(bytes(KEY_BYTES), "test")
CALL = ToolCall(id="1", type="function", function=ToolFunction(name="f", arguments="{}"))


@pytest.fixture(params=[None, CIPHER], ids=["open", "sealed"])
def journals(request: pytest.FixtureRequest, tmp_path: Path) -> Journals:
    return encrypted(Journals(tmp_path), request.param)


def encrypted(journals: Journals, cipher: Cipher | None = CIPHER) -> Journals:
    journals.use_cipher(cipher)
    return journals


def kept(journals: Journals, session: str) -> JournaledTurn:
    found = journals.read(session)
    assert found is not None
    return found


KINDS: dict[str, TextStatus] = {"token": "token", "reasoning": "reasoning"}
steps = st.lists(
    st.tuples(
        st.sampled_from(["token", "reasoning", "event", "progress", "read"]),
        st.text(alphabet='aé\u2028\n"\\\ud800😀', max_size=3),
    ),
    max_size=40,
)


@given(steps=steps, ends=st.booleans())
def test_whatever_is_published_is_in_the_file_under_its_number(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]], ends: bool
) -> None:
    journals, log, session = Journals(tmp_path_factory.mktemp("turns")), EventLog(), new_id()
    journal = journals.begin(session, MESSAGE, log)
    for number, (what, text) in enumerate(steps):
        if what in KINDS:
            journal.publish(Text(KINDS[what], text))
        elif what == "event":
            journal.publish(TurnToolCall(tool_call=CALL))
        elif what == "progress":
            journal.publish(TurnPrefill(processed=number, total=100, cached=0))
        else:
            log.read(0)
        assert shown(kept(journals, session).events) == shown(log)
    if ends:
        journal.publish(CancelledEvent())
    journal.close()
    restored = kept(journals, session)
    assert shown(restored.events) == shown(log)
    assert restored.events.closed == ends
    assert restored.text("token") == "".join(text for what, text in steps if what == "token")


def test_an_event_is_in_the_file_before_anybody_can_read_it(journals: Journals) -> None:
    log, session = EventLog(), new_id()
    journal = journals.begin(session, MESSAGE, log)
    found: list[Shown] = []
    log.follow(lambda: found.append(shown(kept(journals, session).events)))
    journal.publish(Text("token", "one"), CancelledEvent())
    assert found == [[(1, ("token", "one"))], [(1, ("token", "one")), (2, CancelledEvent())]]
    journal.close()


def test_a_record_that_was_cut_short_is_left_out(journals: Journals, tmp_path: Path) -> None:
    log, session = EventLog(), new_id()
    journal = journals.begin(session, MESSAGE, log)
    for word in ("one ", "two ", "three"):
        journal.publish(Text("token", word))
        log.read(0)
    journal.close()
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    seen = set()
    for length in range(len(whole), -1, -1):
        file.write_bytes(whole[:length])
        found = journals.read(session)
        seen.add(found.text("token") if found else None)
    assert seen == {"one two three", "one two ", "one ", "", None}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data + b"\0" * 100 + b"\n",
        lambda data: data + b'{"seq": 9, "token": "a gap"}\n',
        lambda data: data + b'{"seq": "2", "token": "x"}\n',
        lambda data: data + b'{"seq": 2, "event": {"status": "unheard of"}}\n',
        lambda data: data + b"[1, 2]\nnull\n",
        lambda data: data + b"[" * 100_000 + b"\n",
    ],
)
def test_what_follows_a_damaged_record_is_not_believed(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    journals, log, session = Journals(tmp_path), EventLog(), new_id()
    journal = journals.begin(session, MESSAGE, log)
    journal.publish(Text("token", "said"))
    journal.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(spoil(file.read_bytes()) + b'{"seq": 2, "token": "not believed"}\n')
    assert kept(journals, session).text("token") == "said"
    file.write_bytes(b"nonsense\n")
    assert journals.read(session) is None


def test_a_record_in_anothers_place_is_not_believed(tmp_path: Path) -> None:
    journals = encrypted(Journals(tmp_path))
    files: list[bytes] = []
    session = new_id()
    file = tmp_path / f"{session}.jsonl"
    for message in (MESSAGE, new_id()):
        log = EventLog()
        journal = journals.begin(session, message, log)
        journal.publish(Text("token", message))
        journal.close()
        files.append(file.read_bytes())
    (_, foreign, _), (header, own, _) = (data.split(b"\n") for data in files)
    file.write_bytes(b"\n".join([header, foreign, own, b""]))
    assert kept(journals, session).text("token") == ""
    assert MESSAGE.encode() not in b"".join(files)


def test_an_event_that_took_anothers_place_before_it_was_read_is_the_one_that_is_kept(journals: Journals) -> None:
    log, session = EventLog(), new_id()
    journal = journals.begin(session, MESSAGE, log)
    journal.publish(TurnPrefill(processed=1, total=9, cached=0))
    journal.publish(TurnPrefill(processed=2, total=9, cached=0))
    journal.publish(Text("token", "a"))
    journal.publish(Text("token", "b"))
    journal.publish(Text("reasoning", "c"))
    journal.close()
    assert shown(kept(journals, session).events) == shown(log)


@pytest.mark.anyio
async def test_what_was_acknowledged_of_an_ended_turn_is_let_go_but_for_its_end(journals: Journals) -> None:
    log, session = EventLog(), new_id()
    journal = journals.begin(session, MESSAGE, log)
    for word in ("one", "two"):
        journal.publish(Text("token", word))
        log.read(0)
    journal.publish(CancelledEvent())
    journal.close()
    assert await journals.acknowledge(session, 1) == 2
    assert shown(kept(journals, session).events) == shown(log, 1)
    assert await journals.acknowledge(session, None) == 1
    assert shown(kept(journals, session).events) == [(3, CancelledEvent())]
    assert await journals.acknowledge(new_id(), None) == 0


class Meanwhile(Journals):
    """Journals where something happens between the reading of a file and what is done with it."""

    happens: Callable[[], object] | None = None

    def read(self, session_id: str) -> JournaledTurn | None:
        found = super().read(session_id)
        if (happens := self.happens) is not None:
            self.happens = None
            anyio.from_thread.run_sync(happens)
        return found


@pytest.mark.anyio
async def test_a_turn_that_begins_while_the_last_one_is_acknowledged_has_the_journal_to_itself(tmp_path: Path) -> None:
    journals, session, log = Meanwhile(tmp_path), new_id(), EventLog()
    ended = EventLog()
    ended.append(CancelledEvent())
    journals.begin(session, MESSAGE, ended).close()
    begun: list[Journal] = []

    def begin() -> None:
        begun.append(journals.begin(session, OTHER_MESSAGE, log))
        begun[0].publish(Text("token", "said so far"))
        log.read(0)

    journals.happens = begin
    assert await journals.acknowledge(session, None) == 0
    begun[0].publish(Text("token", " and now"))
    begun[0].close()
    found = kept(journals, session)
    assert (found.message_id, found.text("token")) == (OTHER_MESSAGE, "said so far and now")


@pytest.mark.anyio
async def test_what_is_deleted_while_it_is_acknowledged_does_not_come_back(tmp_path: Path) -> None:
    journals, session = Meanwhile(tmp_path), new_id()
    journals.begin(session, MESSAGE, EventLog()).close()
    journals.happens = lambda: journals.forget(session)
    assert await journals.acknowledge(session, None) == 0
    assert list(tmp_path.iterdir()) == []


def test_only_the_sessions_that_were_used_last_have_a_journal(tmp_path: Path) -> None:
    journals, names = Journals(tmp_path), [new_id() for _ in range(KEPT_JOURNALS)]
    for age, name in enumerate(names):
        journals.begin(name, MESSAGE, EventLog()).close()
        os.utime(tmp_path / f"{name}.jsonl", (age, age))
    journals = Journals(tmp_path)  # after a restart
    journals.begin(names[0], MESSAGE, EventLog()).close()
    journals.begin(new_id(), MESSAGE, EventLog()).close()
    assert len(list(tmp_path.iterdir())) == KEPT_JOURNALS
    assert journals.read(names[1]) is None
    assert journals.read(names[0].upper()) is not None
    journals.forget(names[0])
    assert journals.read(names[0]) is None


def test_the_journal_of_a_turn_that_runs_makes_way_for_no_other(tmp_path: Path) -> None:
    journals, names = Journals(tmp_path), [new_id() for _ in range(KEPT_JOURNALS + 2)]
    begun = [journals.begin(name, MESSAGE, EventLog()) for name in names]
    assert [journals.read(name) is not None for name in names] == [True] * len(names)
    for journal in begun[1:]:
        journal.close()
    journals.begin(new_id(), MESSAGE, EventLog()).close()
    assert len(list(tmp_path.iterdir())) == KEPT_JOURNALS
    assert [journals.read(name) is not None for name in names[:5]] == [True, False, False, False, True]
    begun[0].close()


def test_a_journal_is_for_the_owner_alone(tmp_path: Path) -> None:
    Journals(tmp_path).begin(new_id(), MESSAGE, EventLog()).close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_can_not_be_written_is_given_up_and_the_turn_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, session = EventLog(), new_id()
    with caplog.at_level(logging.WARNING):
        Journals(tmp_path / "missing").begin(session, MESSAGE, log).close()
        journals = Journals(tmp_path)
        journal = journals.begin(session, MESSAGE, log)

        def full(fd: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        journal.publish(Text("token", "a"))
        assert [seq for seq, _ in log.read(0)] == [1]
        journal.publish(Text("token", "b"))
        log.read(1)
        journal.close()
    assert ["No such file" in m or "No space left" in m for m in caplog.messages] == [True, True]
    assert journals.read(session) is None


def test_where_a_history_is_encrypted_running_turns_are_written_again_and_ended_ones_in_plain_text_are_removed(
    tmp_path: Path,
) -> None:
    journals, ended, running = Journals(tmp_path), new_id(), new_id()
    log = EventLog()
    journals.begin(ended, MESSAGE, EventLog()).close()
    journal = journals.begin(running, MESSAGE, log)
    journal.publish(Text("token", "said before "))
    journals.use_cipher(None)
    assert len(list(tmp_path.iterdir())) == 2
    journals.use_cipher(CIPHER)
    assert journals.read(ended) is None
    journal.publish(Text("token", "and after"))
    journal.close()
    assert shown(kept(journals, running).events) == shown(log)
    assert [file.name for file in tmp_path.iterdir()] == [f"{running}.jsonl"]
    assert b"said" not in (tmp_path / f"{running}.jsonl").read_bytes()
    sealed = (tmp_path / f"{running}.jsonl").read_bytes()
    Journals(tmp_path).use_cipher(CIPHER)  # after a restart
    assert (tmp_path / f"{running}.jsonl").read_bytes() == sealed
