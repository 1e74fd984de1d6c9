"""Channels and subscriptions over the wire: what they show, that nothing is lost on a slow host, who is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.contract.generated import CONTRACT_HASH
from sidecar.contract.life import CONTRACT_VERSION
from tests.app.talking import Engine, SocketConnection, StartTalk, Talking, assert_gapless, new_session, words
from tests.processes.programs import wait_for_file, wait_until_gone
from tests.raw_host import LineHost, RawHost

OPENRPC = Path(__file__).parents[2] / "ipc_schema" / "openrpc.json"


@pytest.fixture
def channel(talk: Talking) -> Iterator[str]:
    """A channel's name; a subscription on it ends with the test."""
    name = talk.new_channel()
    yield name
    talk.call("unsubscribe", channel=name)


def shown(host: LineHost, channel: str, status: str) -> list[dict[str, Any]]:
    """The events of a status that a channel has shown."""
    return [e["event"] for e in host.events.get(channel, []) if e["event"]["status"] == status]


def server_states(host: LineHost, channel: str, server_id: str) -> list[str]:
    return [
        e["server"]["state"] for e in shown(host, channel, "server") if e["server"]["server_id"] == server_id
    ]  # fmt: skip


def ask(server: dict[str, Any], verb: str, path: str) -> Any:
    """Ask an engine past the sidecar."""
    connection = SocketConnection(server["socket_path"])
    connection.request(verb, path, headers={"Authorization": f"Bearer {server['api_key']}"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def busy_slots(server: dict[str, Any]) -> int:
    """How many answers an engine works on."""
    return sum(slot["is_processing"] for slot in ask(server, "GET", "/slots"))


def refused_as_locked(host: LineHost, method: str, **params: Any) -> dict[str, Any]:
    """Call a method, and see that the data folder is another sidecar's; the error's data."""
    error = host.fail(method, **params)
    assert (error["code"], error["data"]["name"]) == (-32029, "DATA_DIR_LOCKED")
    data: dict[str, Any] = error["data"]
    return data


# --- subscriptions -----------------------------------------------------------------------------------------


def test_a_subscription_to_servers_begins_with_all_there_are_and_tells_each_change(talk: Talking, channel: str) -> None:
    subscription = talk.call("subscribe", topics=["servers"], channel=channel)
    assert subscription == {"channel": channel, "topics": ["servers"]}
    talk.until(lambda: len(shown(talk, channel, "server")) >= 1)
    assert [e["server"] for e in shown(talk, channel, "server")] == talk.call("list_servers")
    info = talk.call("start_llama_server", server_id="watched", extra_args=["--ready-after", "0.1"])
    talk.until(lambda: server_states(talk, channel, "watched")[-1:] == ["ready"])
    # A state that came and went before the host could read it is not shown, but counted.
    changes = [e for e in shown(talk, channel, "server") if e["server"]["server_id"] == "watched"]
    assert len(changes) + sum(e["dropped"] for e in changes) == len(["planning", "starting", "loading", "warming", "r"])
    assert changes[-1]["server"] == info
    talk.call("stop_llama_server", server_id="watched")
    removed = talk.event(channel, "server_removed")
    assert removed["server_id"] == "watched"
    assert talk.call("unsubscribe", channel=channel) == {"channel": channel, "found": True}
    assert talk.events[channel][-1]["event"] == {"status": "done"}
    assert_gapless(talk.events[channel])


def test_after_unsubscribing_nothing_more_comes_and_the_name_is_free_again(talk: Talking, channel: str) -> None:
    for _ in range(3):
        talk.events.pop(channel, None)
        talk.call("subscribe", topics=["sessions"], channel=channel)
        talk.call("create_session", title="one")
        talk.event(channel, "session")
        assert talk.call("unsubscribe", channel=channel)["found"]
        assert [e["event"]["status"] for e in talk.events[channel]] == ["session", "done"]
        assert [e["seq"] for e in talk.events[channel]] == [1, 2]
        talk.call("create_session", title="two")
        assert len(talk.events[channel]) == 2
    assert talk.call("unsubscribe", channel=channel) == {"channel": channel, "found": False}


def test_two_subscriptions_to_a_topic_are_told_the_same_and_end_apart(talk: Talking, channel: str) -> None:
    second = talk.new_channel()
    for name in (channel, second):
        talk.call("subscribe", topics=["sessions", "sessions"], channel=name)
    for title in ("one", "two"):
        made = talk.call("create_session", title=title)
        for name in (channel, second) if title == "one" else (channel,):
            talk.until(lambda name=name, made=made: made in [e["session"] for e in shown(talk, name, "session")])  # type: ignore[misc]
        talk.call("unsubscribe", channel=second)
    assert [e["session"]["title"] for e in shown(talk, channel, "session")] == ["one", "two"]
    assert [e["event"]["status"] for e in talk.events[second]] == ["session", "done"]


def test_one_channel_can_have_several_topics(talk: Talking, channel: str, engine: Engine) -> None:
    talk.call("subscribe", topics=["servers", "sessions", "logs", "resources"], channel=channel)
    session = new_session()
    engine.say("tokens=1", session)
    talk.until(lambda: session in [e["session"]["session_id"] for e in shown(talk, channel, "session")])
    talk.call("restart_server", server_id=engine.server_id)
    for status in ("server", "resources", "logs"):
        talk.event(channel, status)
    talk.call("unsubscribe", channel=channel)
    assert_gapless(talk.events[channel])
    assert talk.statuses(channel)[-1] == "done"


def test_resources_come_again_and_again(talk: Talking, channel: str) -> None:
    talk.call("subscribe", topics=["resources"], channel=channel, options={"interval_ms": 100})
    talk.event(channel, "resources", at_least=3)
    times = [e["resources"]["at"] for e in shown(talk, channel, "resources")]
    assert times == sorted(set(times))
    assert "default" in [s["server_id"] for s in shown(talk, channel, "resources")[0]["resources"]["servers"]]


def test_log_lines_are_those_of_the_source_and_level_asked_for(talk: Talking, channel: str, engine: Engine) -> None:
    of_all = talk.new_channel()
    options = {"source": f"server:{engine.server_id}", "min_level": "error"}
    talk.call("subscribe", topics=["logs"], channel=channel, options=options)
    talk.call("subscribe", topics=["logs"], channel=of_all, options={"min_level": "debug"})
    talk.call("restart_server", server_id=engine.server_id)
    failing = ["--say-on-load", "E it can not\nW it may not\nE it will not", "--exit-on-load", "1"]
    engine.stop()
    talk.fail("start_llama_server", server_id=engine.server_id, extra_args=failing)
    for name in (channel, of_all):
        talk.call("unsubscribe", channel=name)
    entries = [entry for e in shown(talk, channel, "logs") for entry in e["entries"]]
    assert [(e["source"], e["level"]) for e in entries] == [(options["source"], "error")] * 2
    everything = [entry for e in shown(talk, of_all, "logs") for entry in e["entries"]]
    assert {entry["seq"] for entry in entries} < {entry["seq"] for entry in everything}
    assert {"sidecar", options["source"]} <= {entry["source"] for entry in everything}
    numbers = [entry["seq"] for entry in everything]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    kept = talk.call("get_logs", since=numbers[0] - 1, limit=len(numbers))
    assert kept["entries"] == everything


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"topics": [], "channel": "x"}, "$.topics"),
        ({"topics": ["nothing"], "channel": "x"}, "$.topics[0]"),
        ({"topics": "servers", "channel": "x"}, "$.topics"),
        ({"topics": ["servers"]}, "$.channel"),
        ({"topics": ["servers"], "channel": ""}, "$.channel"),
        ({"topics": ["servers"], "channel": "x" * 201}, "$.channel"),
        ({"topics": ["resources"], "channel": "x", "options": {"interval_ms": 99}}, "$.options.interval_ms"),
        ({"topics": ["logs"], "channel": "x", "options": {"min_level": "trace"}}, "$.options.min_level"),
        ({"topics": ["logs"], "channel": "x", "options": {"speed": 1}}, "$.options.speed"),
    ],
)
def test_a_subscription_that_can_not_be_is_refused_with_its_path(
    talk: Talking, params: dict[str, Any], path: str
) -> None:
    error = talk.fail("subscribe", **params)
    assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", path)
    assert talk.call("unsubscribe", channel="x")["found"] is False


# --- names -------------------------------------------------------------------------------------------------


def test_a_name_in_use_is_refused_and_the_channel_that_has_it_goes_on(talk: Talking, engine: Engine) -> None:
    request, name = engine.begin_turn("tokens=4 hold-after=2", new_session())
    talk.heard(name, words(2))
    refused = [
        talk.begin("subscribe", topics=["servers"], channel=name),
        talk.begin("start_llama_server", server_id="never", channel=name),
        engine.begin_turn("tokens=1", new_session(), channel=name)[0],
    ]
    for one in refused:
        data = talk.error_of(one)["data"]
        assert (data["name"], data["path"]) == ("INVALID_PARAMS", "$.channel")
    assert talk.call("unsubscribe", channel=name)["found"] is False  # it is no subscription
    engine.release()
    assert talk.answer(request)["result"]["content"] == words(4) == talk.text(name)
    assert talk.statuses(name)[-1] == "done"
    assert "never" not in {info["server_id"] for info in talk.call("list_servers")}


def test_a_name_is_free_when_its_request_is_answered(talk: Talking, engine: Engine) -> None:
    name = talk.new_channel()
    for text in ("tokens=1", "tokens=2"):
        engine.say(text, new_session(), channel=name)
        assert (talk.events.pop(name)[0]["seq"], talk.events.get(name)) == (1, None)


def test_any_text_can_be_a_name(talk: Talking, engine: Engine) -> None:
    for name in ('ä\u2028\0\U0001f600"\\', " ", "x" * 200):
        engine.say("tokens=2", new_session(), channel=name)
        assert talk.text(name) == words(2)
        assert talk.events.pop(name)[-1]["event"]["status"] == "done"


# --- slow hosts --------------------------------------------------------------------------------------------


@pytest.mark.case(17)
def test_a_host_that_stops_reading_gets_all_text_afterwards_in_few_events(start_talk: StartTalk) -> None:
    host = start_talk()
    server = host.call("get_server")
    request, name = host.begin_turn("tokens=20000 hold-after=1")
    host.event(name, "token")
    host.stop_reading()
    ask(server, "POST", "/release")
    while busy_slots(server):  # each look takes a request's time
        continue
    host.go_on_reading()
    result = host.answer(request)["result"]
    assert host.text(name) == result["content"] == words(20000)
    assert host.statuses(name) == ["queued", "prefill", "token", "done"]
    pieces = [len(e["chunk"].split()) for e in shown(host, name, "token")]
    assert max(pieces) > 1000
    assert_gapless(host.events[name])
    assert host.events[name][0]["seq"] == 1


@pytest.mark.case(17)
def test_log_lines_that_a_slow_host_misses_are_counted_and_the_newest_are_shown(
    start_talk: StartTalk, tmp_path: Path
) -> None:
    host = start_talk(server=False)
    source = "server:default"
    host.call("subscribe", topics=["logs"], channel="logs", options={"source": source})
    pids = tmp_path / "pids"
    flags = ["--pid-file", str(pids), "--ready-after", "0.2", "--flood-stderr", "30000", "--exit-on-load", "1"]
    host.stop_reading()
    request = host.begin("start_llama_server", channel="start", extra_args=flags)
    wait_for_file(pids)
    [pid] = json.loads(pids.read_text())
    wait_until_gone(pid)
    host.go_on_reading()
    assert host.error_of(request)["data"]["name"] == "ENGINE_START_FAILED"
    host.call("unsubscribe", channel="logs")
    events = shown(host, "logs", "logs")
    [told] = [s["lines"] for s in host.call("list_log_sources") if s["source"] == source]
    dropped = sum(e["dropped"] for e in events)
    assert sum(len(e["entries"]) for e in events) + dropped == told
    assert dropped > 10_000
    numbers = [entry["seq"] for e in events for entry in e["entries"]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == host.call("get_logs", source=source, limit=1)["entries"][0]["seq"]
    assert_gapless(host.events["logs"])


# --- the contract, and a data folder for one ---------------------------------------------------------------


def test_the_contract_is_told_as_it_was_published_while_a_server_runs(talk: Talking) -> None:
    assert talk.call("is_llama_running")
    assert talk.call("rpc.discover") == json.loads(OPENRPC.read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", [None, "1", "1.0", "1.99", 1])
def test_a_host_of_the_same_major_version_is_welcome(talk: Talking, version: Any) -> None:
    told = talk.call("initialize", client={"name": "test", "version": "0"}, contract_version=version)
    assert (told["server"]["name"], told["contract_version"]) == ("llama-sidecar", CONTRACT_VERSION)
    assert (told["contract_hash"], told["pid"], told["data_dir"]) == (*(CONTRACT_HASH, talk.pid, str(talk.data_dir)),)
    assert told["notices"] == []
    published = {method["name"] for method in talk.call("rpc.discover")["methods"]}
    assert set(told["capabilities"]["methods"]) == published


@pytest.mark.parametrize("version", ["2", "0.9", "2.0.0", "", "x", 2, 11])
def test_a_host_of_another_major_version_is_refused_with_both_named(talk: Talking, version: Any) -> None:
    error = talk.fail("initialize", contract_version=version)
    assert (error["code"], error["data"]["name"], bool(error["data"]["hint"])) == (-32031, "NOT_SUPPORTED", True)
    assert (str(version) in error["message"], CONTRACT_VERSION in error["message"]) == (True, True)
    assert talk.call("ping") == "pong"


def test_a_second_sidecar_on_a_data_folder_lives_and_refuses_to_work(talk: Talking) -> None:
    config = (talk.data_dir / "config.json").read_bytes()
    with RawHost(talk.data_dir) as second:
        document = second.call("rpc.discover")
        assert second.call("ping") == "pong"
        simple = {m["name"] for m in document["methods"] if not any(p.get("required") for p in m["params"])}
        assert {"initialize", "start_llama_server", "get_config", "create_session", "get_resources"} < simple
        for method in simple - {"rpc.discover", "ping", "shutdown"}:
            data = refused_as_locked(second, method)
            assert (data["pid"], data["data_dir"]) == (talk.pid, str(talk.data_dir))
            assert "--data-dir" in data["hint"]
        refused_as_locked(second, "subscribe", topics=["servers"], channel="c")
        assert second.call("shutdown") is None
        assert second.close() == 0
    assert (talk.data_dir / "config.json").read_bytes() == config
    assert talk.say("tokens=1")["content"] == words(1)


def test_a_data_folder_is_free_when_its_sidecar_was_killed(data_dir: Path) -> None:
    first = RawHost(data_dir)
    first.call("ping")
    with RawHost(data_dir) as second:
        refused_as_locked(second, "list_sessions")
        first.process.kill()
        first.close()
        refused_as_locked(second, "list_sessions")  # it is asked for at the start only
    with RawHost(data_dir) as third:
        assert third.call("list_sessions")["sessions"] == []
