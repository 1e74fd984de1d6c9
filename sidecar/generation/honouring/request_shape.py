"""The shape of `tools`, `tool_choice` and `response_format`, as OpenAI's API defines them.

Owns what is refused of them, each with the exact place, before anything is stored or sent: engines answer a malformed
one with HTTP 500. Members that are null count as left out; what is returned has none, since engines refuse those, too.
Whether a model can honour the request is not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sidecar.contract.errors import InvalidParams
from sidecar.generation.schema.keywords import check_schema, invalid

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
"""Names of functions. OpenAI's rule is `[A-Za-z0-9_-]{1,64}`; MCP servers and gateways use dots, colons and slashes."""

_FORMATS = ("text", "json_object", "json_schema")


def checked_tools(tools: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Tools that every engine understands.

    Raises:
        InvalidParams: they are malformed.
    """
    if tools is None:
        return None
    if not tools:
        raise _invalid("tools", "$.tools", "is empty", "Leave `tools` out where there are none.")
    checked: list[dict[str, Any]] = []
    names: set[str] = set()
    for place, tool in enumerate(tools):
        path = f"$.tools[{place}]"
        if tool.get("type") != "function":
            raise _invalid("tools", f"{path}.type", 'must be "function"')
        function = _object(tool.get("function"), "tools", f"{path}.function")
        name = _name(function.get("name"), "tools", f"{path}.function.name")
        if name in names:
            raise _invalid("tools", f"{path}.function.name", "is the name of another tool as well")
        names.add(name)
        checked.append({"type": "function", "function": _function(function, f"{path}.function")})
    return checked


def checked_tool_choice(
    choice: str | dict[str, Any] | None, tools: Sequence[dict[str, Any]] | None
) -> str | dict[str, Any] | None:
    """The choice among tools that have been checked.

    Raises:
        InvalidParams: it is malformed, or names a tool that there is not.
    """
    if isinstance(choice, dict):
        if choice.get("type") != "function":
            raise _invalid("tool_choice", "$.tool_choice.type", 'must be "function"')
        function = _object(choice.get("function"), "tool_choice", "$.tool_choice.function")
        name = _name(function.get("name"), "tool_choice", "$.tool_choice.function.name")
        if name not in [tool["function"]["name"] for tool in tools or ()]:
            raise _invalid("tool_choice", "$.tool_choice.function.name", "is the name of no tool in `tools`")
        return {"type": "function", "function": {"name": name}}
    if choice == "required" and not tools:
        raise _invalid("tool_choice", "$.tool_choice", 'is "required", and there are no `tools`')
    return choice


def checked_response_format(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """The format of the answer.

    Raises:
        InvalidParams: it is malformed.
    """
    if given is None:
        return None
    name, path = "response_format", "$.response_format"
    kind = given.get("type")
    if kind not in _FORMATS:
        raise _invalid(name, f"{path}.type", f"must be one of {', '.join(_FORMATS)}")
    if kind == "json_schema":
        wrapper = _object(given.get("json_schema"), name, f"{path}.json_schema")
        schema = _object(wrapper.get("schema"), name, f"{path}.json_schema.schema")
        check_schema(schema, path=f"{path}.json_schema.schema", param=name)
        return {**given, "json_schema": _without_nulls(wrapper)}
    if kind == "json_object" and given.get("schema") is not None:
        check_schema(_object(given["schema"], name, f"{path}.schema"), path=f"{path}.schema", param=name)
    return _without_nulls(given)


def schema_of(response_format: dict[str, Any]) -> tuple[Any, str] | None:
    """The schema of a response_format, and its path; `None` if there is none."""
    if response_format.get("type") == "json_schema":
        return response_format["json_schema"]["schema"], "$.response_format.json_schema.schema"
    if response_format.get("type") == "json_object" and response_format.get("schema") is not None:
        return response_format["schema"], "$.response_format.schema"
    return None


def _function(function: dict[str, Any], path: str) -> dict[str, Any]:
    checked = _without_nulls(function)
    if not isinstance(checked.get("description", ""), str):
        raise _invalid("tools", f"{path}.description", "must be text")
    if not isinstance(checked.get("strict", False), bool):
        raise _invalid("tools", f"{path}.strict", "must be true or false")
    parameters = _object(checked.get("parameters", {}), "tools", f"{path}.parameters")
    if parameters.get("type", "object") != "object":
        raise _invalid("tools", f"{path}.parameters.type", 'must be "object"')
    check_schema(parameters, path=f"{path}.parameters", param="tools")
    checked["parameters"] = parameters or {"type": "object", "properties": {}}
    return checked


def _without_nulls(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _object(value: Any, param: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(param, path, "must be an object")
    return value


def _name(value: Any, param: str, path: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _invalid(param, path, "must be a name of 1 to 128 letters, digits and _ - . : /")
    return value


def _invalid(param: str, path: str, what: str, hint: str | None = None) -> InvalidParams:
    return invalid(param, path, what, hint or f"Correct `{param}`: it has the form of OpenAI's API.")
