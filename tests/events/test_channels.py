"""Events that wait for a slow reader: nothing is lost, numbers have no gaps, memory is bounded by what is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract import CancelledEvent, Event
from sidecar.contract.chat import TurnPrefill, TurnQueued, TurnToolCall
from sidecar.contract.logs import LogEntry
from sidecar.contract.servers import ServerInfo
from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.contract.topics import LogsEvent, ServerEvent, ServerRemovedEvent, SessionDeletedEvent, SubscriptionDone
from sidecar.events.event_log import Entry, EventLog, Text, TextStatus, status_of
from sidecar.events.live_feed import LIVE_LOG_LINES, LOG_LINES_AN_EVENT, LiveFeed

Read = tuple[int, Entry]
Got = tuple[int, tuple[TextStatus, str] | Event]


@dataclass
class Reader:
    """Reads a log when told to; keeps what it has got."""

    log: EventLog
    seq: int = 0
    got: list[Got] = field(default_factory=list)

    def read(self) -> None:
        new = self.log.read(self.seq)
        self.got += [(seq, (e.status, e.text) if isinstance(e, Text) else e) for seq, e in new]
        if new:
            self.seq = new[-1][0]

    @property
    def text(self) -> str:
        return "".join(e[1] for _, e in self.got if isinstance(e, tuple))


def tool_call(number: int) -> TurnToolCall:
    """An event that is kept as it is, whatever follows."""
    return TurnToolCall(
        tool_call=ToolCall(id=str(number), type="function", function=ToolFunction(name="f", arguments="{}"))
    )


def prefill(processed: int) -> TurnPrefill:
    return TurnPrefill(processed=processed, total=100, cached=0)


def entry(seq: int) -> LogEntry:
    return LogEntry(seq=seq, at=0.0, source="sidecar", level="info", message=f"line {seq}")


Step = tuple[str, int]
KINDS: dict[str, TextStatus] = {"token": "token", "reasoning": "reasoning"}
steps = st.lists(
    st.tuples(
        st.sampled_from(["token", "reasoning", "event", "progress", "read 0", "read 1", "ack"]), st.integers(0, 9)
    ),
    max_size=60,
)


@given(steps=steps)
def test_no_text_is_lost_and_numbers_have_no_gaps_whoever_reads_when(steps: list[Step]) -> None:
    log = EventLog()
    readers = [Reader(log), Reader(log)]
    said: list[tuple[TextStatus, str]] = []
    for what, number in steps:
        if kind := KINDS.get(what):
            log.append_text(kind, f"{kind}{number} ")
            said.append((kind, f"{kind}{number} "))
        elif what == "event":
            log.append(tool_call(number))
        elif what == "progress":
            log.append(prefill(number))
        elif what == "ack":  # of what all have got, as an honest host does
            log.forget(min(reader.seq for reader in readers))
        else:
            readers[int(what[-1])].read()
    log.append(CancelledEvent())
    for reader in readers:
        reader.read()
        assert [seq for seq, _ in reader.got] == list(range(1, log.last_seq + 1))
        assert reader.text == "".join(text for _, text in said)
        for kind in KINDS.values():
            got = "".join(e[1] for _, e in reader.got if isinstance(e, tuple) and e[0] == kind)
            assert got == "".join(text for status, text in said if status == kind)
        assert reader.got[-1][1] == CancelledEvent()
        assert log.read(reader.seq) == ()
    assert readers[0].got == readers[1].got


@given(steps=steps, after=st.integers(0, 80))
def test_a_reader_that_comes_later_gets_what_the_first_one_got(steps: list[Step], after: int) -> None:
    log = EventLog()
    first = Reader(log)
    for what, number in steps:
        if kind := KINDS.get(what):
            log.append_text(kind, str(number))
        elif what == "progress":
            log.append(prefill(number))
        else:
            first.read()
    log.append(CancelledEvent())
    first.read()
    point = log.resume_point(after)
    late = Reader(log, seq=point)
    late.read()
    assert late.got == [one for one in first.got if one[0] > point]
    assert late.got[-1] == first.got[-1]


@given(counts=st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_unread_text_waits_as_one_event(counts: list[int]) -> None:
    log = EventLog()
    for i, count in enumerate(counts):
        for _ in range(count):
            log.append_text("token", "x")
        assert log.last_seq == i + 1
        log.read(i)


def test_a_reader_is_told_of_news_and_of_what_was_there_before() -> None:
    log, woken = EventLog(), []
    log.follow(lambda: woken.append("early"))
    assert woken == []
    log.append(TurnQueued(position=0))
    log.append_text("token", "a")
    log.append_text("token", "b")  # joins what waits; nobody needs to be told again
    assert woken == ["early", "early"]
    log.follow(lambda: woken.append("late"))
    assert woken == ["early", "early", "late"]


def test_a_reader_that_left_is_told_nothing() -> None:
    log, woken = EventLog(), []

    def wake() -> None:
        woken.append(1)

    log.follow(wake)
    log.unfollow(wake)
    log.unfollow(wake)
    log.append(TurnQueued(position=0))
    assert woken == []


def test_after_its_last_event_a_log_takes_nothing() -> None:
    log = EventLog()
    log.append(CancelledEvent())
    assert log.closed
    with pytest.raises(ValueError):
        log.append(TurnQueued(position=0))
    with pytest.raises(ValueError):
        log.append_text("token", "x")
    assert [status_of(e) for _, e in log.read(0)] == ["cancelled"]


def test_progress_replaces_only_unread_progress() -> None:
    log = EventLog()
    log.append(prefill(1))
    log.append(prefill(2))
    assert log.read(0) == [(1, prefill(2))]
    log.append(prefill(3))
    log.append(TurnQueued(position=0))
    log.append(prefill(4))
    assert log.read(1) == [(2, prefill(3)), (3, TurnQueued(position=0)), (4, prefill(4))]


def test_what_was_acknowledged_is_let_go_but_never_the_last_event() -> None:
    log = EventLog()
    for position in range(3):
        log.append(tool_call(position))
    log.forget()
    assert log.kept == 3  # nothing has been read
    log.read(0)
    log.forget(2)
    assert (log.kept, log.read(0)) == (1, [(3, tool_call(2))])
    log.append(CancelledEvent())
    log.forget(99)
    assert [seq for seq, _ in log.read(0)] == [4]
    log.forget()
    log.forget(99)
    assert [seq for seq, _ in log.read(0)] == [4]


def test_a_log_can_begin_after_events_that_are_gone() -> None:
    log = EventLog(after_seq=7)
    log.append(CancelledEvent())
    assert (log.last_seq, log.read(0), log.read(7)) == (8, [(8, CancelledEvent())], [(8, CancelledEvent())])
    assert log.resume_point(7) == log.resume_point(8) == log.resume_point(99) == 7


# --- subscriptions -----------------------------------------------------------------------------------------------

puts = st.lists(st.one_of(st.integers(0, 3), st.just("read"), st.just("logs")), max_size=60)


@given(puts=puts)
def test_at_most_one_state_a_key_waits_and_what_was_left_out_is_counted(puts: list[int | str]) -> None:
    feed = LiveFeed()
    got: list[Read] = []
    put_of: dict[str, int] = {}
    logged = 0
    for put in puts:
        if isinstance(put, int):
            feed.put(ServerRemovedEvent(server_id=str(put)))
            put_of[str(put)] = put_of.get(str(put), 0) + 1
        elif put == "logs":
            feed.add_log_entries([entry(logged), entry(logged + 1)])
            logged += 2
        else:
            new = feed.read(0)
            states = [e.server_id for _, e in new if isinstance(e, ServerRemovedEvent)]
            assert len(states) == len(set(states))
            got += new
    feed.close(SubscriptionDone())
    got += feed.read(0)
    assert [seq for seq, _ in got] == list(range(1, len(got) + 1))
    assert [status_of(e) for _, e in got].index("done") == len(got) - 1
    for server_id, count in put_of.items():
        told = [e for _, e in got if isinstance(e, ServerRemovedEvent) and e.server_id == server_id]
        assert sum(1 + e.dropped for e in told) == count
    lines = [e.seq for _, event in got if isinstance(event, LogsEvent) for e in event.entries]
    assert lines == list(range(logged))
    assert feed.read(0) == []


def test_the_newest_state_is_shown_whatever_its_kind() -> None:
    feed = LiveFeed()
    unknown: dict[str, Any] = dict.fromkeys(ServerInfo.__struct_fields__)
    feed.put(ServerEvent(server=ServerInfo(**unknown | {"server_id": "a"})))
    feed.put(ServerRemovedEvent(server_id="b"))
    feed.put(SessionDeletedEvent(session_id="a"))
    feed.put(ServerRemovedEvent(server_id="a"))
    assert feed.read(0) == [
        (1, ServerRemovedEvent(server_id="b")),
        (2, SessionDeletedEvent(session_id="a")),
        (3, ServerRemovedEvent(server_id="a", dropped=1)),
    ]


@pytest.mark.parametrize("at_once", [1, 7, LIVE_LOG_LINES + 500])
def test_of_too_many_log_lines_the_oldest_are_dropped_and_counted(at_once: int) -> None:
    feed = LiveFeed()
    count = 0
    while count < LIVE_LOG_LINES + 500:
        feed.add_log_entries([entry(count + i) for i in range(at_once)])
        count += at_once
    events = log_events(feed.read(0))
    assert [e.dropped for e in events] == [count - LIVE_LOG_LINES] + [0] * (len(events) - 1)
    assert [e.seq for event in events for e in event.entries] == list(range(count - LIVE_LOG_LINES, count))
    assert max(len(event.entries) for event in events) <= LOG_LINES_AN_EVENT
    feed.add_log_entries([entry(0)])
    assert [e.dropped for e in log_events(feed.read(0))] == [0]


def test_a_subscriber_is_told_once_it_follows() -> None:
    woken: list[int] = []
    ways: list[Callable[[LiveFeed], None]] = [
        lambda feed: feed.put(ServerRemovedEvent(server_id="a")),
        lambda feed: feed.add_log_entries([entry(1)]),
        lambda feed: feed.close(SubscriptionDone()),
    ]
    for first in ways:
        feed = LiveFeed()
        first(feed)
        feed.follow(lambda: woken.append(1))
    assert woken == [1, 1, 1]


def test_no_lines_are_no_news() -> None:
    feed, woken = LiveFeed(), []
    feed.follow(lambda: woken.append(1))
    feed.add_log_entries([])
    assert (woken, feed.read(0)) == ([], [])


def log_events(read: Sequence[tuple[int, Entry | Event]]) -> list[LogsEvent]:
    return [event for _, event in read if isinstance(event, LogsEvent)]
