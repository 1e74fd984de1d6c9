"""Malformed tools, tool choices and formats of answers are refused with the place of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.contract.errors import InvalidParams
from sidecar.generation.honouring.request_shape import checked_response_format, checked_tool_choice, checked_tools


def tool(name: Any = "f", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def schema(**members: Any) -> dict[str, Any]:
    return tool(parameters={"type": "object", "properties": {"a": members}})


A = "$.tools[0].function.parameters.properties.a"
TOOLS = [tool()]
DEEP: dict[str, Any] = {}
for _ in range(70):
    DEEP = {"items": DEEP}


@pytest.mark.parametrize(
    ("tools", "path"),
    [
        ([], "$.tools"),
        ([{"name": "x"}], "$.tools[0].type"),
        ([{"type": "retrieval"}], "$.tools[0].type"),
        ([{"type": "function"}], "$.tools[0].function"),
        ([{"type": "function", "function": "f"}], "$.tools[0].function"),
        ([{"type": "function", "function": {}}], "$.tools[0].function.name"),
        ([tool(7)], "$.tools[0].function.name"),
        ([tool("")], "$.tools[0].function.name"),
        ([tool("get weather")], "$.tools[0].function.name"),
        ([tool("f"), tool("g"), tool("f")], "$.tools[2].function.name"),
        ([tool(description=["x"])], "$.tools[0].function.description"),
        ([tool(strict="yes")], "$.tools[0].function.strict"),
        ([tool(parameters=[])], "$.tools[0].function.parameters"),
        ([tool(parameters={"type": "string"})], "$.tools[0].function.parameters.type"),
        ([tool(parameters={"type": "object", "properties": []})], "$.tools[0].function.parameters.properties"),
        ([tool(parameters={"type": "object", "required": [1]})], "$.tools[0].function.parameters.required"),
        ([schema(type="strin")], f"{A}.type"),
        ([schema(type=[])], f"{A}.type"),
        ([schema(enum=[])], f"{A}.enum"),
        ([schema(anyOf={})], f"{A}.anyOf"),
        ([schema(anyOf=[{}, 7])], f"{A}.anyOf[1]"),
        ([schema(items="string")], f"{A}.items"),
        ([schema(items=[{}, {"pattern": 1}])], f"{A}.items[1].pattern"),
        ([schema(minimum="1")], f"{A}.minimum"),
        ([schema(minItems=-1)], f"{A}.minItems"),
        ([schema(maxLength=float("inf"))], f"{A}.maxLength"),
        ([schema(**{"$ref": "#/nowhere"})], f"{A}.$ref"),
        ([schema(**{"$ref": "https://example.org/schema.json"})], f"{A}.$ref"),
        ([schema(**{"$ref": "#a"})], f"{A}.$ref"),
        ([schema(**DEEP)], A + ".items" * 64),
    ],
)
def test_malformed_tools_are_refused_with_their_place(tools: list[dict[str, Any]], path: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        checked_tools(tools)
    assert refused.value.data == {"path": path}
    assert [remedy.params for remedy in refused.value.remedies] == [{"names": ["tools"]}]


def test_tools_go_to_the_engine_as_they_are_without_what_is_null() -> None:
    refers = {"properties": {"x": {"$ref": "#/$defs/a~1b"}, "y": {"$ref": "#"}}, "$defs": {"a/b": {"type": "string"}}}
    given = [tool("a.b", description="d", parameters={"type": "object", **refers, "additionalProperties": False})]
    assert checked_tools(None) is None
    checked = checked_tools([given[0], tool("g", description=None, parameters=None, strict=None)])
    assert checked == [given[0], tool("g", parameters={"type": "object", "properties": {}})]


@pytest.mark.parametrize(
    ("choice", "tools", "path"),
    [
        ("required", None, "$.tool_choice"),
        ({}, TOOLS, "$.tool_choice.type"),
        ({"type": "function"}, TOOLS, "$.tool_choice.function"),
        ({"type": "function", "function": {"name": None}}, TOOLS, "$.tool_choice.function.name"),
        ({"type": "function", "function": {"name": "g"}}, TOOLS, "$.tool_choice.function.name"),
        ({"type": "function", "function": {"name": "f"}}, None, "$.tool_choice.function.name"),
    ],
)
def test_a_choice_of_no_tool_is_refused(choice: Any, tools: Any, path: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        checked_tool_choice(choice, tools)
    assert refused.value.data == {"path": path}


def test_choices_and_formats_that_are_right_are_kept() -> None:
    named = {"type": "function", "function": {"name": "f"}}
    for choice in (None, "auto", "none", named):
        assert checked_tool_choice(choice, TOOLS) == choice
    for kept in (None, {"type": "text"}, {"type": "json_object", "schema": {"type": "array", "items": True}}):
        assert checked_response_format(kept) == kept
    wrapper = {"name": "n", "strict": None, "schema": {"type": ["string", "null"], "enum": ["a", None]}}
    checked = checked_response_format({"type": "json_schema", "json_schema": wrapper})
    assert checked == {"type": "json_schema", "json_schema": {"name": "n", "schema": wrapper["schema"]}}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({}, "$.response_format.type"),
        ({"type": "xml"}, "$.response_format.type"),
        ({"type": "json_schema"}, "$.response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "$.response_format.json_schema.schema"),
        (
            {"type": "json_schema", "json_schema": {"schema": {"properties": {"a": 1}}}},
            "$.response_format.json_schema.schema.properties.a",
        ),
        ({"type": "json_object", "schema": "x"}, "$.response_format.schema"),
        ({"type": "json_object", "schema": {"type": "x"}}, "$.response_format.schema.type"),
    ],
)
def test_a_malformed_format_is_refused_with_its_place(given: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidParams) as refused:
        checked_response_format(given)
    assert refused.value.data == {"path": path}
