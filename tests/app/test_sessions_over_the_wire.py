"""Sessions as a host sees them: made, listed, changed, deleted, searched, exported."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import DirectTalk, StartTalk, Talking, new_session, prepare, words

AN_ID = "0b9d7f0e-2c1e-4b5e-9a53-1f4f6a7f2d11"


def titles(talk: Talking, **params: Any) -> list[str]:
    return [session["title"] for session in talk.call("list_sessions", **params)["sessions"]]


def test_a_session_is_made_with_what_was_given(talk: Talking) -> None:
    session = new_session()
    before = time.time()
    made = talk.call(
        "create_session", session_id=session, title="Wool", system="Be brief.", config={"temperature": 0, "stop": "x"}
    )
    assert before <= made["created_at"] == made["updated_at"] <= time.time()
    assert {name: made[name] for name in made if not name.endswith("_at")} == {
        "session_id": session,
        "title": "Wool",
        "system": "Be brief.",
        "server_id": None,
        "config": {**dict.fromkeys(made["config"]), "temperature": 0, "stop": "x"},
        "archived": False,
        "message_count": 0,
        "head": None,
    }
    assert talk.call("get_session", session_id=session) == made
    assert talk.call("get_messages", session_id=session) == {
        "session_id": session,
        "branch": None,
        "messages": [],
        "has_more": False,
    }


def test_a_session_without_anything_gets_an_id_and_the_configs_system_prompt(talk: Talking) -> None:
    talk.call("set_config", patch={"chat": {"system": "From the config."}})
    try:
        made = talk.call("create_session")
        none = talk.call("create_session", system="")
    finally:
        talk.call("reset_config", keys=["chat"])
    assert (made["system"], made["title"], none["system"]) == ("From the config.", "New chat", None)


def test_an_id_can_be_given_once(talk: Talking) -> None:
    session = talk.call("create_session")["session_id"]
    assert talk.fail("create_session", session_id=session)["data"]["path"] == "$.session_id"


@pytest.mark.parametrize("session_id", ["", "1", "not-a-uuid", "../../etc", f"{AN_ID}\n", f" {AN_ID}"])
def test_an_id_that_is_no_uuid_is_refused(talk: Talking, session_id: str) -> None:
    for method, more in (("send_message", {"message": "Hi"}), ("create_session", {}), ("get_session", {})):
        error = talk.fail(method, session_id=session_id, **more)
        assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.session_id")


def test_a_title_comes_from_the_first_message_until_one_is_given(talk: Talking) -> None:
    session = talk.say("text=What is a llama?\nPlease.")["session_id"]
    assert talk.call("get_session", session_id=session)["title"] == "text=What is a llama?"
    assert talk.call("update_session", session_id=session, title="Wool")["title"] == "Wool"
    talk.say("tokens=1", session)
    assert talk.call("get_session", session_id=session)["title"] == "Wool"


def test_what_is_left_out_of_a_change_stays(talk: Talking) -> None:
    session = talk.call("create_session", title="Wool", system="S", config={"seed": 3})["session_id"]
    changes: list[dict[str, Any]] = [
        {"archived": True},
        {"server_id": "other"},
        {"config": {"top_k": 1}},
        {"system": ""},
    ]
    for change in changes:
        before = talk.call("get_session", session_id=session)
        after = talk.call("update_session", session_id=session, **change)
        if "config" in change:
            change = {"config": {**before["config"], "top_k": 1}}
        if "system" in change:
            change = {"system": None}
        assert {**after, "updated_at": 0} == {**before, **change, "updated_at": 0}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("get_session", {}),
        ("get_messages", {}),
        ("update_session", {"title": "x"}),
        ("delete_session", {}),
        ("restore_session", {}),
        ("export_session", {}),
        ("regenerate_message", {}),
        ("edit_message", {"message_id": new_session(), "message": "x"}),
        ("continue_message", {}),
        ("delete_message", {"message_id": new_session()}),
        ("update_message", {"message_id": new_session(), "content": "x"}),
        ("preview_context", {"message": "x"}),
        ("count_tokens", {}),
    ],
)
def test_a_session_that_there_is_not_is_not_found(talk: Talking, method: str, params: dict[str, Any]) -> None:
    assert talk.fail(method, session_id=new_session(), **params)["data"]["name"] == "SESSION_NOT_FOUND"


# --- lists -------------------------------------------------------------------------------------------------


def test_lists_come_in_pages_the_last_used_first(start_talk: StartTalk) -> None:
    host = start_talk(server=False)
    made = [host.call("create_session", title=f"{i}")["session_id"] for i in range(5)]
    host.call("update_session", session_id=made[1], title="1 again")
    first = host.call("list_sessions", limit=2)
    assert [session["title"] for session in first["sessions"]] == ["1 again", "4"]
    host.call("create_session", title="newer")
    assert titles(host, limit=10, cursor=first["next_cursor"]) == ["3", "2", "0"]
    host.call("update_session", session_id=made[0], archived=True)
    assert titles(host) == ["newer", "1 again", "4", "3", "2"]
    assert titles(host, archived=True) == ["0"]
    assert titles(host, query="AGAIN") == ["1 again"]
    assert host.fail("list_sessions", cursor="x")["data"]["path"] == "$.cursor"


# --- the tree ----------------------------------------------------------------------------------------------


def page(talk: Talking, session: str, **params: Any) -> list[str]:
    return [message["content"] for message in talk.call("get_messages", session_id=session, **params)["messages"]]


def test_answering_again_and_editing_branch_and_lose_nothing(talk: Talking) -> None:
    session = new_session()
    first = talk.say("tokens=1", session)
    second = talk.say("tokens=2", session)
    again = talk.call("regenerate_message", session_id=session)
    assert again["user_message_id"] == second["user_message_id"]
    edited = talk.call("edit_message", session_id=session, message_id=first["user_message_id"], message="text=new")
    assert page(talk, session) == ["text=new", "new"]
    whole = talk.call("get_session", session_id=session)
    assert (whole["message_count"], whole["head"], whole["title"]) == (7, edited["message_id"], "tokens=1")

    # Every branch can be shown, and gone on with.
    old = talk.call("get_messages", session_id=session, branch=first["message_id"])
    assert old["branch"] == again["message_id"]
    assert [message["siblings"] for message in old["messages"]] == [
        [first["user_message_id"], edited["user_message_id"]],
        [first["message_id"]],
        [second["user_message_id"]],
        [second["message_id"], again["message_id"]],
    ]
    talk.call("update_session", session_id=session, branch=second["message_id"])
    talk.say("text=on", session)
    assert page(talk, session) == ["tokens=1", words(1), "tokens=2", words(2), "text=on", "on"]
    assert page(talk, session, branch=edited["message_id"]) == ["text=new", "new"]


def test_messages_are_paged_upwards(talk: Talking) -> None:
    session = new_session()
    for i in range(3):
        talk.say(f"text={i}", session)
    newest = talk.call("get_messages", session_id=session, limit=3)
    assert ([m["content"] for m in newest["messages"]], newest["has_more"]) == (["1", "text=2", "2"], True)
    older = talk.call("get_messages", session_id=session, limit=3, before=newest["messages"][0]["message_id"])
    assert ([m["content"] for m in older["messages"]], older["has_more"]) == (["text=0", "0", "text=1"], False)
    assert older["branch"] == newest["branch"]
    none = talk.call("get_messages", session_id=session, before=older["messages"][0]["message_id"])
    assert (none["messages"], none["has_more"]) == ([], False)


def test_only_questions_can_be_edited_and_only_messages_of_the_session(talk: Talking) -> None:
    answer = talk.say("tokens=1")
    session, other = answer["session_id"], talk.say("tokens=1")
    params = {"session_id": session, "message": "x"}
    error = talk.fail("edit_message", message_id=answer["message_id"], **params)
    assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.message_id")
    for method, more in (
        ("edit_message", {"message_id": other["user_message_id"], "message": "x"}),
        ("regenerate_message", {"message_id": other["message_id"]}),
        ("get_messages", {"branch": other["message_id"]}),
        ("get_messages", {"before": other["message_id"]}),
        ("update_session", {"branch": other["message_id"]}),
    ):
        assert talk.fail(method, session_id=session, **more)["data"]["name"] == "SESSION_NOT_FOUND"
    assert page(talk, session) == ["tokens=1", words(1)]


# --- deleting ----------------------------------------------------------------------------------------------


def test_a_deleted_session_can_be_brought_back(talk: Talking) -> None:
    session = talk.say("tokens=1 alpacas")["session_id"]
    before = talk.call("get_session", session_id=session)
    deleted = talk.call("delete_session", session_id=session)
    assert deleted["session_id"] == session
    assert deleted["purge_at"] == pytest.approx(time.time() + 30 * 86_400, abs=60)
    assert talk.fail("get_session", session_id=session)["data"]["name"] == "SESSION_NOT_FOUND"
    assert talk.fail("resume_session", session_id=session)["data"]["name"] == "SESSION_NOT_FOUND"
    assert talk.call("search_messages", query="alpacas")["hits"] == []
    refused = talk.fail("send_message", session_id=session, message="tokens=1")
    assert (refused["data"]["name"], refused["data"]["path"]) == ("INVALID_PARAMS", "$.session_id")
    assert talk.call("restore_session", session_id=session) == before
    assert len(talk.call("search_messages", query="alpacas")["hits"]) == 1


def test_deleting_a_session_stops_its_answers(talk: Talking) -> None:
    session = new_session()
    running, channel = talk.begin_turn("tokens=4 stall-after=2", session)
    waiting, _ = talk.begin_turn("tokens=1", session)
    talk.heard(channel, words(2))
    talk.call("delete_session", session_id=session)
    for request in (running, waiting):
        assert talk.error_of(request)["data"]["name"] == "CANCELLED"
    talk.call("restore_session", session_id=session)
    assert talk.branch(session)[-1] == ("assistant", words(2), "cancelled")


def test_what_was_deleted_long_ago_is_gone_after_a_restart(
    start_talk: StartTalk, data_dir: Path, fake_llama_cpp: Path
) -> None:
    host = start_talk()
    kept, gone = (host.say("tokens=1")["session_id"] for _ in range(2))
    host.call("set_config", patch={"storage": {"deleted_retention_days": 0}})
    host.call("delete_session", session_id=gone)
    host.close()
    host = start_talk(server=False)
    assert host.fail("restore_session", session_id=gone)["data"]["name"] == "SESSION_NOT_FOUND"
    assert host.call("get_session", session_id=kept)["message_count"] == 2


# --- search, files, subscriptions --------------------------------------------------------------------------


def test_messages_of_all_sessions_are_searched(talk: Talking) -> None:
    one = talk.say("text=The vicuña's wool")
    other = talk.say("text=Vicuna meat? No!")
    hits = talk.call("search_messages", query="vicuña")["hits"]
    assert [hit["message_id"] for hit in hits] == [
        *(other["message_id"], other["user_message_id"]),
        *(one["message_id"], one["user_message_id"]),
    ]
    assert hits[-1] == {
        "session_id": one["session_id"],
        "session_title": "text=The vicuña's wool",
        "message_id": one["user_message_id"],
        "role": "user",
        "snippet": "text=The \u0002vicuña\u0003's wool",
        "created_at": hits[-1]["created_at"],
    }
    first = talk.call("search_messages", query="vicu", limit=3)
    rest = talk.call("search_messages", query="vicu", limit=3, cursor=first["next_cursor"])
    assert [*first["hits"], *rest["hits"]] == hits
    only = talk.call("search_messages", query="wool", session_id=other["session_id"])
    assert only == {"hits": [], "next_cursor": None}


def test_a_session_is_exported_and_brought_into_another_sidecar(talk: Talking, tmp_path: Path) -> None:
    session = new_session()
    first = talk.say("text=one", session, system="Be brief.")
    talk.call("edit_message", session_id=session, message_id=first["user_message_id"], message="text=two")
    exported = talk.call("export_session", session_id=session)
    copy = talk.call("import_session", content=exported["content"])
    assert copy["session_id"] != session
    prepare(tmp_path / "other", tmp_path)
    with DirectTalk(tmp_path / "other") as host:
        brought = host.call("import_session", content=exported["content"])
        again = host.call("export_session", session_id=session)
    assert (brought["session_id"], brought["message_count"], brought["system"]) == (session, 4, "Be brief.")
    before, after = json.loads(exported["content"]), json.loads(again["content"])
    assert {**after, "updated_at": 0} == {**before, "updated_at": 0}
    markdown = talk.call("export_session", session_id=copy["session_id"], format="markdown")
    assert markdown["content"] == "# text=one\n\n> Be brief.\n\n## You\n\ntext=two\n\n## Assistant (tiny)\n\ntwo\n"
    assert talk.fail("import_session", content="{}")["data"]["path"] == "$.content"


def test_whoever_subscribes_hears_of_every_session_that_changes(talk: Talking) -> None:
    channel, session = talk.new_channel(), new_session()
    talk.call("subscribe", topics=["sessions"], channel=channel)
    talk.say("text=Wool", session)
    told = talk.event(channel, "session")["session"]
    assert (told["session_id"], told["title"]) == (session, "text=Wool")
    talk.until(lambda: talk.events[channel][-1]["event"]["session"]["message_count"] == 2)
    talk.call("update_session", session_id=session, title="Meat")
    talk.until(lambda: talk.events[channel][-1]["event"]["session"]["title"] == "Meat")
    talk.call("delete_session", session_id=session)
    assert talk.event(channel, "session_deleted")["session_id"] == session
    talk.call("unsubscribe", channel=channel)
    assert talk.event(channel, "done") == {"status": "done"}
