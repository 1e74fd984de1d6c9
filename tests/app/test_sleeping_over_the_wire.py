"""Servers that sleep, as a host sees them."""

from __future__ import annotations

from pathlib import Path

from tests.app.talking import Engine, StartTalk, new_session, prepare, words


def test_a_message_wakes_its_server_and_the_session_stays(
    data_dir: Path, fake_llama_cpp: Path, start_talk: StartTalk
) -> None:
    prepare(data_dir, fake_llama_cpp, engines={"max_loaded": 1})
    talk = start_talk(server=False)
    talk.call("start_llama_server", extra_args=["--ready-after", "0.5"])  # a load that can be followed
    first = talk.say("tokens=2")
    talk.call("start_llama_server", server_id="other")
    states = {server["server_id"]: (server["state"], server["pid"] is None) for server in talk.call("list_servers")}
    assert states == {"default": ("sleeping", True), "other": ("ready", False)}
    assert talk.call("is_llama_running") is True

    request, channel = talk.begin_turn("tokens=3", first["session_id"])
    second = talk.answer(request)["result"]
    loading = [event["event"] for event in talk.events[channel] if event["event"]["status"] == "loading"]
    loads = [event["progress"] for event in loading if event["progress"] is not None]  # nothing to tell for a second
    assert loads == sorted(loads)
    assert 0 < loads[-1] <= 1
    assert (second["content"], second["context"]["max_context"]) == (words(3), first["context"]["max_context"])
    assert len(talk.branch(first["session_id"])) == 4
    assert talk.call("get_server", server_id="other")["state"] == "sleeping"


def test_tokens_are_counted_by_a_server_that_is_woken_for_it(
    data_dir: Path, fake_llama_cpp: Path, start_talk: StartTalk
) -> None:
    prepare(data_dir, fake_llama_cpp, engines={"max_loaded": 1})
    talk = start_talk()
    before = talk.call("count_tokens", text="some words", server_id="default")
    talk.call("start_llama_server", server_id="other")
    assert talk.call("count_tokens", text="some words", server_id="default") == before


def test_a_message_to_a_sleeping_server_without_room_is_refused_and_a_later_one_wakes_it(
    data_dir: Path, fake_llama_cpp: Path, start_talk: StartTalk
) -> None:
    prepare(data_dir, fake_llama_cpp, engines={"max_loaded": 1})
    talk = start_talk()
    known = talk.say("tokens=1")["session_id"]
    other = Engine(talk)
    long, channel = other.begin_turn("tokens=4 hold-after=2")
    talk.heard(channel, words(2))
    talk.call("set_config", patch={"engines": {"start_timeout_seconds": 0.3}})  # running servers keep theirs
    session = new_session()
    asked = [
        talk.begin("send_message", message="tokens=1", session_id=session, server_id="default"),
        talk.begin("count_tokens", text="some words", server_id="default"),
        talk.begin("preview_context", session_id=known, message="some words"),
    ]
    assert [talk.error_of(request)["data"]["name"] for request in asked] == ["QUEUE_FULL"] * 3
    assert (talk.call("get_server")["state"], talk.has_session(session)) == ("sleeping", False)
    talk.call("reset_config", keys=["engines.start_timeout_seconds"])
    later, _ = talk.begin_turn("tokens=3", session, server_id="default")
    other.release()
    assert talk.answer(later)["result"]["content"] == words(3)
    assert talk.answer(long)["result"]["content"] == words(4)


def test_a_server_that_nobody_asks_sleeps_after_the_time_in_the_config(
    data_dir: Path, fake_llama_cpp: Path, start_talk: StartTalk
) -> None:
    prepare(data_dir, fake_llama_cpp, engines={"idle_unload_minutes": 0.005})
    talk = start_talk()
    channel = talk.new_channel()
    talk.call("subscribe", topics=["servers"], channel=channel)
    talk.until(
        lambda: any(
            event["event"].get("server", {}).get("state") == "sleeping" for event in talk.events.get(channel, ())
        )
    )
    assert talk.say("tokens=2")["content"] == words(2)
