"""The JSON schema of an answer that is a tool call.

Owns that form: `{"name": …, "arguments": …}` for a call, `{"answer": …}` for an answer without one. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_DATA = frozenset({"const", "enum", "default", "examples", "example"})
"""Keywords whose value is data: what is named $ref in it refers to nothing."""


def call_schema(tools: Sequence[dict[str, Any]], answer: Any = None) -> dict[str, Any]:
    """The schema of a call of one of these tools.

    Args:
        tools: at least one, in OpenAI's form.
        answer: the schema of an answer without a call; `None` if a call is required.
    """
    definitions: dict[str, Any] = {}
    forms: list[dict[str, Any]] = []
    for place, tool in enumerate(tools):
        function = tool["function"]
        arguments = _placed(function.get("parameters") or {"type": "object"}, f"tool_{place}", definitions)
        forms.append(_object({"name": {"const": function["name"]}, "arguments": arguments}))
    if answer is not None:
        forms.append(_object({"answer": _placed(answer, "answer", definitions)}))
    schema = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {**schema, "$defs": definitions} if definitions else schema


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _placed(schema: Any, name: str, definitions: dict[str, Any]) -> Any:
    """A whole schema as a part of another one. Where it refers to itself, it becomes a definition of that."""
    moved = _moved(schema, f"#/$defs/{name}")
    if moved == schema:
        return schema
    definitions[name] = moved
    return {"$ref": f"#/$defs/{name}"}


def _moved(schema: Any, root: str) -> Any:
    """The schema with its references from another root; its depth has been checked (`engine_schema`)."""
    if isinstance(schema, list):
        return [_moved(one, root) for one in schema]
    if not isinstance(schema, dict):
        return schema
    moved: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[name] = root + value[1:]
        else:
            moved[name] = value if name in _DATA else _moved(value, root)
    return moved
