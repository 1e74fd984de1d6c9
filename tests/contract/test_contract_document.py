"""The OpenRPC document holds together, and says what a host developer needs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.contract import METHODS, Event, Method, openrpc
from sidecar.contract.errors import all_errors
from sidecar.contract.generated import CONTRACT_HASH
from tests.contract.laws import for_every_method

WRITTEN = json.loads((Path(__file__).resolve().parents[2] / "ipc_schema" / "openrpc.json").read_text(encoding="utf-8"))
SCHEMAS: dict[str, Any] = WRITTEN["components"]["schemas"]
UNIONS = list(dict.fromkeys(method.events for method in METHODS.values() if method.events))
TERMINAL = {"done", "error", "cancelled"}
OBVIOUS = {"archived", "channel", "config", "context_policy", "format", "message", "options", "patch", "query"}
OBVIOUS |= {"server_id", "session_id", "title", "topics"}
"""Parameters whose name and method say it all."""


def nodes(value: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from nodes(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, f"{path}/{index}")


def resolve(reference: str) -> Any:
    found = WRITTEN
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_written_document_is_the_one_that_is_served() -> None:
    assert openrpc.document() == WRITTEN


def test_the_hash_is_that_of_the_document() -> None:
    assert openrpc.contract_hash(WRITTEN) == CONTRACT_HASH


def test_every_reference_resolves() -> None:
    references = [(path, node["$ref"]) for path, node in nodes(WRITTEN) if isinstance(node.get("$ref"), str)]
    assert references
    for path, reference in references:
        assert isinstance(resolve(reference), dict), path


def test_every_discriminator_leads_to_a_type_with_its_tag() -> None:
    for path, node in nodes(WRITTEN):
        if "discriminator" in node:
            tag = node["discriminator"]["propertyName"]
            for value, reference in node["discriminator"]["mapping"].items():
                assert resolve(reference)["properties"][tag]["enum"] == [value], path


@pytest.mark.parametrize("union", UNIONS, ids=lambda union: union[0].__name__)
def test_the_events_of_a_channel_are_told_apart_by_status(union: tuple[type[Event], ...]) -> None:
    statuses = [SCHEMAS[event.__name__]["properties"]["status"]["enum"] for event in union]
    assert all(len(status) == 1 for status in statuses)
    assert len({status[0] for status in statuses}) == len(union)
    assert all("status" in SCHEMAS[event.__name__]["required"] for event in union)
    assert TERMINAL & {status[0] for status in statuses}


def test_every_error_of_a_method_is_in_the_document() -> None:
    known = {error.name for error in all_errors()}
    assert set(WRITTEN["components"]["errors"]) == known
    for method in METHODS.values():
        names = [error.name for error in method.errors]
        assert set(names) <= known
        assert len(set(names)) == len(names), f"{method.name} names an error twice"


class TestEveryMethod:
    @for_every_method
    def test_is_named_by_a_verb_and_a_noun(self, method: Method) -> None:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*|rpc\.discover", method.name)

    @for_every_method
    def test_is_described(self, method: Method) -> None:
        description = method.params.__doc__ or ""
        assert re.match(r"[A-Z].*[.:]", description), "a sentence for the host's developer"

    @for_every_method
    def test_describes_every_parameter_that_its_name_does_not(self, method: Method) -> None:
        silent = {
            name
            for name, schema in SCHEMAS[method.params.__name__]["properties"].items()
            if "description" not in schema
        }
        assert silent <= OBVIOUS

    @for_every_method
    def test_takes_a_channel_where_it_streams(self, method: Method) -> None:
        if method.streams:
            assert "channel" in SCHEMAS[method.params.__name__]["properties"]

    @for_every_method
    def test_waits_by_a_parameter_that_it_has(self, method: Method) -> None:
        if method.lane is not None and method.lane.key is not None:
            assert method.lane.key in SCHEMAS[method.params.__name__]["required"]


def test_every_type_is_described() -> None:
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []


def test_names_say_the_unit() -> None:
    kinds = {"_at": {"number"}, "_bytes": {"integer"}, "_ms": {"integer", "number"}, "_seconds": {"integer", "number"}}
    for path, schema in nodes(SCHEMAS):
        for name, member in schema.get("properties", {}).items():
            for suffix, allowed in kinds.items():
                if name.endswith(suffix):
                    types = {part.get("type") for part in member.get("anyOf", [member])} - {"null"}
                    assert types <= allowed, f"{path}/{name}"


def test_a_result_says_which_members_are_always_there() -> None:
    assert SCHEMAS["TurnResult"]["required"] == [
        "session_id",
        "message_id",
        "user_message_id",
        "content",
        "finish_reason",
        "usage",
        "timings",
        "context",
        "warnings",
    ]
    assert SCHEMAS["StartLoading"]["required"] == ["status", "stage", "progress"]


def test_parameters_are_closed_and_results_are_open() -> None:
    for method in METHODS.values():
        assert SCHEMAS[method.params.__name__]["additionalProperties"] is False
    assert SCHEMAS["ServerInfo"].get("additionalProperties", True) is True
