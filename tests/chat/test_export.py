"""Sessions as files, and back."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.chat import export, messages, sessions
from sidecar.chat.messages import StoredMessage, new_message
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import Session, SessionConfig, SessionExport, Timings, ToolCall, ToolFunction, Usage
from tests.chat.rows import a_session, new_id, open_history, say

# Lone surrogates never get into a history: the wire refuses them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def exported(db: sqlite3.Connection, session_id: str) -> SessionExport:
    content = export.as_json(sessions.get(db, session_id), messages.all_of(db, session_id)).content
    return export.read_json(content)


def json_of(db: sqlite3.Connection, session: Session) -> str:
    return export.as_json(session, messages.all_of(db, session.session_id)).content


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[int | None, StoredMessage]]:
    """Messages of every kind, each with the index of its parent."""
    made: list[tuple[int | None, StoredMessage]] = []
    for i in range(draw(st.integers(0, 8))):
        message = new_message("", None, role=draw(st.sampled_from(["user", "assistant", "tool"])), content=draw(TEXT))
        message.state = draw(st.sampled_from(["complete", "cancelled", "error", "interrupted"]))
        message.created_at = draw(st.floats(0, 2e9))
        message.finish_reason = draw(st.none() | st.sampled_from(["stop", "length"]))
        message.model = draw(st.none() | TEXT)
        if draw(st.booleans()):
            message.parts = [{"type": "text", "text": draw(TEXT)}]
        if draw(st.booleans()):
            message.reasoning = draw(TEXT)
        if draw(st.booleans()):
            function = ToolFunction(name=draw(TEXT), arguments=draw(TEXT))
            message.tool_calls = [ToolCall(id=draw(TEXT), type="function", function=function)]
        if draw(st.booleans()):
            message.tool_call_id = draw(TEXT)
        if draw(st.booleans()):
            message.usage = Usage(prompt_tokens=draw(st.integers(0, 2**40)), completion_tokens=1, cached_tokens=0)
            rate = draw(st.none() | st.floats(0, 1e6))
            message.timings = Timings(ttft_ms=rate, prompt_per_second=rate, predicted_per_second=None, total_ms=1.5)
        made.append((draw(st.none() | st.integers(0, i - 1)) if i else None, message))
    return made


def grow(db: sqlite3.Connection, session: Session, tree: list[tuple[int | None, StoredMessage]], head: int) -> None:
    """Put a tree into a session."""
    for parent, message in tree:
        message.session_id = session.session_id
        message.parent_id = None if parent is None else tree[parent][1].message_id
        messages.insert(db, message)
    if tree:
        sessions.set_head(db, session.session_id, tree[head % len(tree)][1].message_id)


@given(tree=trees(), head=st.integers(0, 7), title=TEXT.filter(bool), system=st.none() | TEXT.filter(bool))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_session_comes_back_as_it_was(
    tree: list[tuple[int | None, StoredMessage]], head: int, title: str, system: str | None
) -> None:
    here, there = open_history(), open_history()
    try:
        config = SessionConfig(temperature=0.5, stop=["x"])
        session = a_session(here, title=title, system=system, config=config)
        grow(here, session, tree, head)
        before = exported(here, session.session_id)
        brought = export.insert(there, before)
        assert brought.session_id == session.session_id
        after = exported(there, brought.session_id)
        assert msgspec.structs.replace(after, updated_at=before.updated_at) == before
        assert brought.message_count == len(tree)
    finally:
        here.close()
        there.close()


@given(tree=trees(), head=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_session_brought_in_twice_is_a_copy_with_new_ids(
    tree: list[tuple[int | None, StoredMessage]], head: int
) -> None:
    db = open_history()
    try:
        session = a_session(db, title="wool")
        grow(db, session, tree, head)
        first = exported(db, session.session_id)
        copy = exported(db, export.insert(db, first).session_id)
        assert exported(db, session.session_id) == first
        pairs = list(zip(first.messages, copy.messages, strict=True))
        ids: dict[str | None, str | None] = {old.message_id: new.message_id for old, new in pairs}
        assert not set(ids) & set(ids.values())
        ids[None] = None
        assert copy.head == ids[first.head]
        for old, new in pairs:
            renamed = {"message_id": ids[old.message_id], "parent_id": ids[old.parent_id]}
            assert msgspec.structs.replace(old, **renamed) == new
    finally:
        db.close()


def test_an_answer_that_is_being_written_is_exported_as_interrupted(db: sqlite3.Connection) -> None:
    session = a_session(db)
    say(db, session, "q")
    db.execute("UPDATE messages SET state = 'running'")
    assert [message.state for message in exported(db, session.session_id).messages] == ["interrupted"]


def test_a_session_without_a_title_is_brought_in_without_one(db: sqlite3.Connection) -> None:
    content = json_of(db, a_session(db))
    brought = export.insert(db, export.read_json(content))
    sessions.give_title(db, brought.session_id, "What is a llama?")
    assert sessions.get(db, brought.session_id).title == "What is a llama?"


def valid() -> dict[str, Any]:
    """An exported session with a question and an answer, as plain values."""
    ids = [new_id(), new_id()]
    said = {"content": "x", "created_at": 1.0}
    return {
        "format": "llama-sidecar/session",
        "version": 1,
        "session_id": new_id(),
        "title": "wool",
        "system": None,
        "config": {},
        "created_at": 1.0,
        "updated_at": 2.0,
        "head": ids[1],
        "messages": [
            {"message_id": ids[0], "role": "user", **said},
            {"message_id": ids[1], "parent_id": ids[0], "role": "assistant", **said},
        ],
    }


def spoil(change: str) -> str:
    file = valid()
    first, second = file["messages"]
    match change:
        case "not JSON":
            return "{"
        case "another kind":
            file["format"] = "other"
        case "a newer version":
            file["version"] = 2
        case "no id":
            file["session_id"] = "1"
        case "an id twice":
            second["message_id"] = first["message_id"]
        case "a child before its parent":
            file["messages"] = [second, first]
        case "a parent elsewhere":
            first["parent_id"] = new_id()
        case "its own parent":
            first["parent_id"] = first["message_id"]
        case "a head elsewhere":
            file["head"] = new_id()
        case "a role unheard of":
            first["role"] = "system"
        case "a text that is none":
            first["content"] = 5
        case "a config unheard of":
            file["config"] = {"temperature": -1}
        case "a part that is none":
            first["parts"] = [{"type": "video", "url": "x"}]
        case "an image on the network":
            first["parts"] = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/a.png"}}]
        case "an image in a file":
            first["parts"] = [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]
    return msgspec.json.encode(file).decode()


def test_the_file_that_the_next_test_spoils_is_right(db: sqlite3.Connection) -> None:
    brought = export.insert(db, export.read_json(spoil("nothing")))
    assert brought.message_count == 2


@pytest.mark.parametrize(
    "change",
    [
        *("not JSON", "another kind", "a newer version", "no id", "an id twice", "a child before its parent"),
        *("a parent elsewhere", "its own parent", "a head elsewhere", "a role unheard of", "a text that is none"),
        *("a config unheard of", "a part that is none", "an image on the network", "an image in a file"),
    ],
)
def test_a_file_with_a_mistake_is_refused(change: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        export.read_json(spoil(change))
    assert caught.value.data == {"path": "$.content"}


@pytest.mark.parametrize("depth", [1, 300, 100_000])
def test_content_parts_that_no_message_has_are_refused_however_deep(depth: int) -> None:
    content = valid()
    content["messages"][0]["parts"] = ["deep"]
    deep = '{"a":' * depth + "1" + "}" * depth
    with pytest.raises(InvalidParams):
        export.read_json(json.dumps(content).replace('"deep"', deep))


def test_half_a_character_in_a_file_is_refused() -> None:
    content = spoil("nothing").replace('"wool"', '"\\ud800"')
    with pytest.raises(InvalidParams):
        export.read_json(content)


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_no_text_brings_anything_but_a_refusal(content: str) -> None:
    with pytest.raises(InvalidParams):
        export.read_json(content)


def test_markdown_shows_the_branch_in_use(db: sqlite3.Connection) -> None:
    session = a_session(db, title="Wool\nand more", system="Be brief.\nBe kind.")
    question = say(db, session, "What is a llama?")
    say(db, session, "another answer", after=question, role="assistant")
    answer = new_message(session.session_id, question.message_id, role="assistant", content="An animal.")
    answer.model, answer.reasoning, answer.state = "tiny", "An animal, then.", "cancelled"
    answer.tool_calls = [ToolCall(id="c", type="function", function=ToolFunction(name="look", arguments='{"at": 1}'))]
    branch = [question, answer]
    shown = export.as_markdown(sessions.get(db, session.session_id), branch)
    assert shown.filename == f"Wool-and-more-{time.strftime('%Y-%m-%d')}.md"
    assert (
        shown.content
        == """\
# Wool and more

> Be brief.
> Be kind.

## You

What is a llama?

## Assistant (tiny)

<details><summary>Reasoning</summary>

An animal, then.

</details>

An animal.

```json
look({"at": 1})
```

*(cancelled)*
"""
    )


@given(st.text())
def test_a_file_name_is_one_that_every_system_takes(title: str) -> None:
    db = open_history()
    try:
        name = export.as_json(a_session(db, title=title), []).filename
    finally:
        db.close()
    assert name.endswith(".json")
    assert len(name.encode()) <= 255
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert not name.startswith((".", "-"))
