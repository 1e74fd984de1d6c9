"""A host that reloads its page goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Engine, StartTalk, Talking, assert_gapless, new_session, words


def seqs(talk: Talking, channel: str) -> list[int]:
    return [event["seq"] for event in talk.events[channel]]


def begin_resume(talk: Talking, session: str, **params: Any) -> tuple[int, str]:
    channel = talk.new_channel()
    return talk.begin("resume_session", session_id=session, channel=channel, **params), channel


def test_a_second_channel_gets_everything_and_goes_on_live(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, first = engine.begin_turn("tokens=6 hold-after=3", session)
    talk.heard(first, words(3))
    resumed, second = begin_resume(talk, session)
    talk.heard(second, words(3))
    engine.release()
    assert talk.answer(resumed)["result"] == talk.answer(request)["result"]
    assert talk.text(first) == talk.text(second) == words(6)
    assert talk.events[second][0]["event"] == {"status": "queued", "position": 0, "session_id": session}
    assert talk.events[second][-1]["event"] == talk.events[first][-1]["event"]
    for channel in (first, second):
        assert_gapless(talk.events[channel])


@pytest.mark.parametrize("running", [True, False])
def test_a_host_goes_on_after_any_event_it_has(talk: Talking, engine: Engine, running: bool) -> None:
    session = new_session()
    request, channel = engine.begin_turn("reasoning=2 tokens=6 hold-after=3", session)
    talk.heard(channel, words(3))
    if not running:
        engine.release()
        talk.answer(request)
    seen = list(talk.events[channel])
    following = [(after_seq, *begin_resume(talk, session, after_seq=after_seq)) for after_seq in seqs(talk, channel)]
    if running:
        engine.release()
        talk.answer(request)
    for after_seq, resumed, again in following:
        result = talk.answer(resumed)["result"]
        last = talk.events[channel][-1]
        assert (last["event"]["status"], result["content"]) == ("done", words(6))
        first = min(after_seq + 1, last["seq"])  # the last event is always shown
        assert talk.events[again][0]["seq"] == first
        assert talk.events[again][-1] == {**last, "channel": again}
        before = [event for event in seen if event["seq"] < first]
        texts = [e["event"].get("chunk", "") for e in (*before, *talk.events[again])]
        assert "".join(texts) == words(6)


def test_a_number_of_an_earlier_answer_gets_everything_of_this_one(talk: Talking, engine: Engine) -> None:
    session = new_session()
    engine.say("tokens=1", session)
    _, channel = engine.begin_turn("tokens=4 hold-after=2", session)
    talk.heard(channel, words(2))
    resumed, again = begin_resume(talk, session, after_seq=1000)
    engine.release()
    assert talk.answer(resumed)["result"]["content"] == words(4)
    assert (talk.events[again][0]["seq"], talk.text(again)) == (1, words(4))


def test_without_a_channel_resuming_waits_for_the_answer(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=4 hold-after=2", session)
    talk.heard(channel, words(2))
    resumed = talk.begin("resume_session", session_id=session)
    engine.release()
    assert talk.answer(resumed)["result"] == talk.answer(request)["result"]


def test_cancelling_a_resumption_leaves_the_answer_alone(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=4 hold-after=2", session)
    talk.heard(channel, words(2))
    resumed, again = begin_resume(talk, session)
    talk.heard(again, words(2))
    talk.notify("$/cancel", id=resumed)
    assert talk.error_of(resumed)["data"]["name"] == "CANCELLED"
    assert talk.statuses(again)[-1] == "cancelled"
    engine.release()
    assert talk.answer(request)["result"]["content"] == words(4)


def test_a_cancelled_answer_is_told_to_everybody_who_follows_it(talk: Talking, engine: Engine) -> None:
    session = new_session()
    request, channel = engine.begin_turn("tokens=4 stall-after=2", session)
    talk.heard(channel, words(2))
    resumed, again = begin_resume(talk, session)
    talk.heard(again, words(2))
    talk.notify("$/cancel", id=request)
    for one in (request, resumed):
        error = talk.error_of(one)
        assert (error["data"]["name"], error["data"]["partial"]) == ("CANCELLED", words(2))
    late, late_channel = begin_resume(talk, session)
    assert talk.error_of(late)["data"]["partial"] == words(2)
    assert talk.text(late_channel) == words(2)


def test_what_has_arrived_need_not_be_kept(talk: Talking) -> None:
    session = new_session()
    request, channel = talk.begin_turn("tokens=6", session)
    talk.answer(request)
    last = seqs(talk, channel)[-1]
    assert talk.call("ack", session_id=session, seq=2) == {"kept_events": last - 2}
    assert talk.call("ack", session_id=session) == {"kept_events": 1}
    resumed, again = begin_resume(talk, session, after_seq=0)
    assert talk.answer(resumed)["result"]["content"] == words(6)
    assert (seqs(talk, again), talk.statuses(again)) == ([last], ["done"])
    assert talk.call("ack", session_id=new_session()) == {"kept_events": 0}


def test_there_is_nothing_to_resume_in_an_unknown_or_empty_session(talk: Talking) -> None:
    empty = talk.call("create_session")["session_id"]
    for session in (new_session(), empty):
        resumed, channel = begin_resume(talk, session)
        error = talk.error_of(resumed)
        assert error["data"]["name"] == "SESSION_NOT_FOUND"
        assert talk.events[channel] == [{"channel": channel, "seq": 1, "event": {"status": "error", "error": error}}]


def test_an_answer_can_be_resumed_after_the_sidecar_was_restarted(start_talk: StartTalk) -> None:
    host, whole, cut_off = start_talk(), new_session(), new_session()
    before = host.say("reasoning=1 tokens=3", whole)
    _, channel = host.begin_turn("tokens=9 stall-after=2", cut_off)
    host.heard(channel, words(2))
    host.close()

    host = start_talk(server=False)
    resumed, again = begin_resume(host, whole)
    assert host.answer(resumed)["result"] == before
    assert host.statuses(again) == ["queued", "prefill", "reasoning", "token", "done"]
    assert host.text(again) == words(3)
    last = seqs(host, again)[-1]
    resumed, again = begin_resume(host, whole, after_seq=last - 1)
    assert host.answer(resumed)["result"] == before
    assert [(e["seq"], e["event"]["status"]) for e in host.events[again]] == [(last, "done")]
    resumed, again = begin_resume(host, cut_off)
    error = host.error_of(resumed)
    assert (error["data"]["name"], error["data"]["partial"]) == ("CANCELLED", words(2))
    assert host.statuses(again)[-2:] == ["token", "cancelled"]


@pytest.mark.case(20, 27)
def test_an_answer_that_a_kill_of_the_sidecar_broke_off_is_resumed_under_its_numbers(
    start_talk: StartTalk, data_dir: Path
) -> None:
    host, session = start_talk(process=True), new_session()
    _, channel = host.begin_turn("reasoning=2 tokens=60 hold-after=50", session)
    host.heard(channel, words(50))
    seen = host.events[channel]
    host.process.kill()
    host.process.wait()

    again_there = start_talk(server=False)
    assert again_there.branch(session)[-1] == ("assistant", words(50), "interrupted")
    for after_seq in (0, 3, len(seen), 1000):
        resumed, again = begin_resume(again_there, session, after_seq=after_seq)
        error = again_there.error_of(resumed)
        assert (error["data"]["name"], error["data"]["partial"]) == ("ENGINE_CRASHED", words(50))
        first = after_seq if after_seq <= len(seen) else 0
        assert again_there.events[again][:-1] == [{**event, "channel": again} for event in seen[first:]]
        assert (again_there.events[again][-1]["seq"], again_there.statuses(again)[-1]) == (len(seen) + 1, "error")
    again_there.call("delete_session", session_id=session)
    assert list((data_dir / "turns").iterdir()) == []


def test_a_whole_answer_is_resumed_event_by_event_after_a_restart(start_talk: StartTalk) -> None:
    host, session = start_talk(), new_session()
    request, channel = host.begin_turn("reasoning=2 tokens=9", session)
    told, seen = host.answer(request), host.events[channel]
    host.close()
    host = start_talk(server=False)
    resumed, again = begin_resume(host, session, after_seq=2)
    assert host.answer(resumed)["result"] == told["result"]
    assert host.events[again] == [{**event, "channel": again} for event in seen[2:]]
