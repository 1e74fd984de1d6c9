"""The table of topics and the merge policies of events hold together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from sidecar.contract import METHODS, Event, openrpc
from sidecar.contract.method import KEEP, TERMINAL
from sidecar.contract.topics import TOPICS, StateEvent, Topic

EVENTS = {event for method in METHODS.values() for event in method.events}
SCHEMAS: dict[str, Any] = openrpc.document()["components"]["schemas"]


def status_of(event: type[Event]) -> str:
    return str(event.__struct_config__.tag)


def members_at(schema: dict[str, Any], path: str) -> Iterator[dict[str, Any]]:
    for name in path.split("/")[1:]:
        schema = schema["properties"][name]
        if "$ref" in schema:
            schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    yield schema


def test_every_topic_has_a_row_and_a_method_to_catch_up_with() -> None:
    assert tuple(TOPICS) == get_args(Topic)
    assert {row.catch_up for row in TOPICS.values()} <= METHODS.keys()


def test_events_of_a_topic_belong_to_no_other_and_are_in_the_schema() -> None:
    events = [event for row in TOPICS.values() for event in row.events]
    assert len(set(events)) == len(events)
    assert {event.__name__ for event in events} <= SCHEMAS.keys()
    assert set(StateEvent.__subclasses__()) <= set(events)


def test_events_of_one_status_merge_alike_and_the_last_one_never() -> None:
    policies = {(status_of(event), event.merge) for event in EVENTS}
    assert len({status for status, _ in policies}) == len(policies)
    assert {merge for status, merge in policies if status in TERMINAL} == {KEEP}


def test_what_a_merge_policy_names_is_a_member_of_its_event() -> None:
    kinds = {"text": "string", "lines": "array"}
    for event in EVENTS:
        merge, schema = event.merge, SCHEMAS[event.__name__]
        if merge.policy in kinds:
            assert schema["properties"][merge.member]["type"] == kinds[merge.policy], event
            assert merge.limit > 0 or merge.policy == "text"
        if merge.policy == "newest":
            assert merge.subject
            assert issubclass(event, StateEvent)
        if merge.key:
            assert [member["type"] for member in members_at(schema, merge.key)] == ["string"], event


def test_events_of_one_subject_are_of_one_topic() -> None:
    topics = {(event.merge.subject, name) for name, row in TOPICS.items() for event in row.events}
    subjects = [subject for subject, _ in topics if subject]
    assert len(set(subjects)) == len(subjects)
