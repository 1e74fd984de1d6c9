"""What waits to be written to a host."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract import CancelledEvent, ErrorEvent, WireError
from sidecar.contract.chat import TurnQueued, TurnToolCall
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.contract.topics import ServerRemovedEvent, SubscriptionDone
from sidecar.events.event_log import EventLog
from sidecar.events.live_feed import LiveFeed
from sidecar.events.outbox import LINE_OVERHEAD_BYTES, Outbox, encode

ALL = 10**9


def tool_call(number: int) -> TurnToolCall:
    """An event that is kept as it is, whatever follows."""
    return TurnToolCall(
        tool_call=ToolCall(id=str(number), type="function", function=ToolFunction(name="f", arguments="{}"))
    )


def sent(outbox: Outbox, max_bytes: int = ALL) -> list[Any]:
    return [json.loads(line) for line in outbox.take(max_bytes)]


def notification(channel: str, seq: int, event: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "channel", "params": {"channel": channel, "seq": seq, "event": event}}


class TestEncoding:
    @given(text=st.text())
    def test_every_text_arrives_as_it_was_and_splits_no_line(self, text: str) -> None:
        line = encode({"text": text})
        assert json.loads(line) == {"text": text}
        assert len(line.decode().splitlines()) == 1

    @pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\n", "\r", "\x0b", "\x0c", "\x1c", "\0"])
    def test_what_some_hosts_take_for_the_end_of_a_line_is_escaped(self, separator: str) -> None:
        line = encode([f"a{separator}b", {separator: separator}])
        assert separator not in line.decode()
        assert json.loads(line) == [f"a{separator}b", {separator: separator}]

    def test_what_only_looks_like_a_separator_in_bytes_is_left_alone(self) -> None:
        text = "\u20a8\u2027\u202a\u00c2\u0405\u1085 \U000e2028"
        assert encode(text) == json.dumps(text, ensure_ascii=False).encode()

    def test_a_file_name_that_is_not_utf_8_is_told_with_replacement_characters(self) -> None:
        name = b"model-\xff.gguf".decode("utf-8", "surrogateescape")
        error = InvalidParams(f"{name} is wrong", path="$")
        told = json.loads(encode({"result": [name, {name: 1}], "error": WireError.of(error)}))
        assert told["result"] == ["model-\ufffd\ufffd\ufffd.gguf", {"model-\ufffd\ufffd\ufffd.gguf": 1}]
        assert told["error"]["message"] == "model-\ufffd\ufffd\ufffd.gguf is wrong"

    @pytest.mark.parametrize("value", [2**70, object(), {1: 2}])
    def test_what_json_has_no_words_for_is_a_type_error(self, value: object) -> None:
        with pytest.raises(TypeError):
            encode({"value": value})


class TestQueue:
    def test_lines_come_out_as_they_went_in_and_are_counted(self) -> None:
        outbox = Outbox()
        for number in range(5):
            outbox.send_line(b"%d" % number)
            assert outbox.news.is_set()
        assert outbox.waiting_bytes == 5 * (1 + LINE_OVERHEAD_BYTES)
        assert outbox.take(2) == [b"0", b"1"]
        assert outbox.take(1) == [b"2"]
        assert outbox.waiting_bytes == 2 * (1 + LINE_OVERHEAD_BYTES)
        assert outbox.take(ALL) == [b"3", b"4"]
        assert (outbox.waiting_bytes, outbox.take(ALL)) == (0, [])

    def test_a_line_longer_than_what_is_asked_for_comes_out_all_the_same(self) -> None:
        outbox = Outbox()
        outbox.send_line(b"x" * 100)
        assert outbox.take(1) == [b"x" * 100]

    @pytest.mark.case(17)
    @pytest.mark.parametrize("text", ["pong", "x" * 1000, "x" * 50_000])
    def test_lines_that_wait_take_the_memory_that_is_counted(self, text: str) -> None:
        outbox = Outbox()
        tracemalloc.start()
        try:
            for number in range(200):
                outbox.send_line(encode({"jsonrpc": "2.0", "id": number, "result": text}))
            assert tracemalloc.get_traced_memory()[0] < 1.3 * outbox.waiting_bytes
        finally:
            tracemalloc.stop()

    def test_the_last_response_waits_until_it_is_released(self) -> None:
        outbox = Outbox()
        outbox.send_last(b"good-bye")
        outbox.send_line(b"first")
        assert outbox.take(ALL) == [b"first"]
        outbox.release_last()
        outbox.release_last()
        assert outbox.take(ALL) == [b"good-bye"]


class TestChannels:
    def test_events_wait_in_their_source_until_the_host_takes_them(self) -> None:
        outbox, log = Outbox(), EventLog()
        outbox.open_channel("c", log)
        log.append(TurnQueued(position=1))
        for word in ("a ", "b ", "c"):
            log.append_text("token", word)
        log.append_text("reasoning", "hm\u2028")
        assert outbox.waiting_bytes == 0
        assert sent(outbox) == [
            notification("c", 1, {"status": "queued", "position": 1}),
            notification("c", 2, {"status": "token", "chunk": "a b c"}),
            notification("c", 3, {"status": "reasoning", "reasoning": "hm\u2028"}),
        ]
        assert sent(outbox) == []

    def test_what_was_there_before_the_channel_is_sent(self) -> None:
        outbox, log = Outbox(), EventLog()
        for position in range(3):
            log.append(tool_call(position))
        outbox.open_channel("c", log, after_seq=1)
        assert [m["params"]["seq"] for m in sent(outbox)] == [2, 3]

    def test_a_last_event_comes_before_a_response_that_is_sent_after_it(self) -> None:
        outbox, log = Outbox(), EventLog()
        outbox.open_channel("c", log)
        log.append(CancelledEvent(partial="x"))
        outbox.send_line(b'"the response"')
        assert sent(outbox) == [notification("c", 1, {"status": "cancelled", "partial": "x"}), "the response"]

    def test_a_source_with_much_to_say_is_taken_a_piece_at_a_time_and_in_order(self) -> None:
        outbox, feed = Outbox(), LiveFeed()
        outbox.open_channel("s", feed)
        for number in range(100):
            feed.put(ServerRemovedEvent(server_id=f"{number}"))
        outbox.send_line(b'"in between"')
        told = sent(outbox, 1000)
        assert 1 < len(told) < 20
        feed.put(ServerRemovedEvent(server_id="late"))
        while pieces := sent(outbox, 1000):
            assert len(pieces) < 20
            told += pieces
        assert told.pop() == "in between"
        assert [m["params"]["event"]["server_id"] for m in told] == [*map(str, range(100)), "late"]
        assert [m["params"]["seq"] for m in told] == list(range(1, 102))

    def test_an_end_from_outside_waits_for_all_that_the_source_has_said(self) -> None:
        outbox, log = Outbox(), EventLog()
        channel = outbox.open_channel("c", log)
        for position in range(10):
            log.append(tool_call(position))
        told = sent(outbox, 1)
        outbox.end_channel(channel, CancelledEvent())
        told += sent(outbox)
        assert [m["params"]["seq"] for m in told] == list(range(1, 12))
        assert told[-1]["params"]["event"] == {"status": "cancelled"}

    def test_an_end_from_outside_comes_after_what_the_source_said_and_is_the_last(self) -> None:
        outbox, log = Outbox(), EventLog()
        channel = outbox.open_channel("c", log)
        log.append_text("token", "text")
        final = ErrorEvent(error=WireError.of(InvalidParams("no", path="$")))
        outbox.end_channel(channel, final)
        outbox.end_channel(channel, final)
        log.append_text("token", "too late")
        told = sent(outbox)
        assert [(m["params"]["seq"], m["params"]["event"]["status"]) for m in told] == [(1, "token"), (2, "error")]

    def test_an_end_from_outside_is_not_told_where_the_source_has_ended(self) -> None:
        outbox, log = Outbox(), EventLog()
        channel = outbox.open_channel("c", log)
        log.append(CancelledEvent())
        outbox.end_channel(channel, ErrorEvent(error=WireError.of(InvalidParams("no", path="$"))))
        assert sent(outbox) == [notification("c", 1, {"status": "cancelled"})]

    def test_names_are_escaped(self) -> None:
        outbox, log = Outbox(), EventLog()
        outbox.open_channel('"\u2028\\', log)
        log.append(CancelledEvent())
        [line] = outbox.take(ALL)
        assert "\u2028" not in line.decode()
        assert orjson.loads(line) == notification('"\u2028\\', 1, {"status": "cancelled"})

    def test_a_subscription_ends_with_its_last_event(self) -> None:
        outbox, feed = Outbox(), LiveFeed()
        outbox.open_channel("s", feed)
        for name in ("a", "b", "a"):
            feed.put(ServerRemovedEvent(server_id=name))
        feed.close(SubscriptionDone())
        feed.put(ServerRemovedEvent(server_id="too late, but not too late to be read"))
        assert [(m["params"]["seq"], m["params"]["event"]["status"]) for m in sent(outbox)] == [
            (1, "server_removed"),
            (2, "server_removed"),
            (3, "server_removed"),
            (4, "done"),
        ]
        feed.put(ServerRemovedEvent(server_id="nobody reads this"))
        assert sent(outbox) == []


Step = tuple[str, int, str]
interleavings = st.lists(
    st.tuples(st.sampled_from(["say", "event", "take", "answer"]), st.integers(0, 2), st.text("ab\u2028é", max_size=3)),
    max_size=50,
)


@given(steps=interleavings, bite=st.integers(1, 200))
def test_whatever_is_said_and_taken_when_each_channel_is_whole_and_in_order(steps: list[Step], bite: int) -> None:
    outbox = Outbox()
    logs = [EventLog() for _ in range(3)]
    for number, log in enumerate(logs):
        outbox.open_channel(str(number), log)
    said: list[str] = ["", "", ""]
    answers: list[str] = []
    told: list[Any] = []
    for what, number, text in steps:
        if what == "say":
            logs[number].append_text("token", text)
            said[number] += text
        elif what == "event":
            logs[number].append(TurnQueued(position=0))
        elif what == "answer":
            answers.append(text)
            outbox.send_line(encode(text))
        else:
            told += sent(outbox, bite)
    for log in logs:
        log.append(CancelledEvent())
    outbox.send_line(encode("the end"))
    told += sent(outbox)
    assert [m for m in told if isinstance(m, str)] == [*answers, "the end"]
    assert told[-1] == "the end"
    for number in range(3):
        events = [m["params"] for m in told if not isinstance(m, str) and m["params"]["channel"] == str(number)]
        assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
        assert "".join(e["event"].get("chunk", "") for e in events) == said[number]
        assert events[-1]["event"]["status"] == "cancelled"
    assert outbox.waiting_bytes == 0
