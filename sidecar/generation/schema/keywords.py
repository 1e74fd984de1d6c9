"""The shape of a JSON schema: whether each keyword has a value of its kind.

Owns the keywords that engines compile to a grammar (llama.cpp's json-schema-to-grammar.cpp); others are left alone.
Pure. Whether a grammar can express the schema is not judged here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from sidecar.contract.errors import InvalidParams
from sidecar.contract.remedies import change_params

MAX_DEPTH = 64
"""Schemas within schemas. A grammar grows with each; OpenAI allows 10, and generated ones stay below 30."""

_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_TEXTS = ("pattern", "format", "$ref")
_ONE = ("items", "additionalProperties", "additionalItems", "not", "contains")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")


def check_schema(schema: dict[str, Any], *, path: str, param: str) -> None:
    """Check a schema and all within it.

    Args:
        schema: the schema.
        path: where it stands.
        param: the parameter that it came in, for the remedy.

    Raises:
        InvalidParams: a keyword has a value that it cannot have; `path` says which.
    """
    waiting: list[tuple[Any, str, int]] = [(schema, path, 0)]
    while waiting:
        one, at, depth = waiting.pop()
        if isinstance(one, bool):
            continue
        if not isinstance(one, dict):
            raise invalid(param, at, "must be a schema: an object, true or false")
        if depth > MAX_DEPTH:
            raise invalid(param, at, f"is nested more than {MAX_DEPTH} times")
        for name, what in _faults(one):
            raise invalid(param, f"{at}.{name}", what)
        if "$ref" in one and not _resolves(one["$ref"], schema):
            raise invalid(param, f"{at}.$ref", "must point to a schema within this one, such as #/$defs/name")
        waiting += [(part, f"{at}{step}", depth + 1) for step, part in _parts(one)]


def _faults(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Keywords with a value of another kind, and what they need."""
    kinds = schema.get("type", "object")
    for kind in kinds if isinstance(kinds, list) and kinds else [kinds]:
        if not isinstance(kind, str) or kind not in _TYPES:
            yield "type", f"must be one of {', '.join(sorted(_TYPES))}"
    if "enum" in schema and not (isinstance(schema["enum"], list) and schema["enum"]):
        yield "enum", "must be a list with at least one value"
    required = schema.get("required", [])
    if isinstance(required, bool):  # of draft 3, where it stood in the property; engines ignore it
        required = []
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield "required", "must be a list of names"
    for name in _NAMED:
        if not isinstance(schema.get(name, {}), dict):
            yield name, "must be an object of schemas"
    for name in _LISTS:
        if name in schema and not (isinstance(schema[name], list) and schema[name]):
            yield name, "must be a list of schemas"
    for name in _TEXTS:
        if not isinstance(schema.get(name, ""), str):
            yield name, "must be text"
    for name in _NUMBERS:
        if not _is_number(schema.get(name, 0)) and not (name.startswith("exclusive") and schema[name] in (True, False)):
            yield name, "must be a number"
    for name in _COUNTS:
        count = schema.get(name, 0)
        if not _is_number(count) or count != int(count) or count < 0:
            yield name, "must be a whole number, 0 or more"


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas within a schema, and where they stand in it."""
    for name in _ONE:
        if name in schema:
            part = schema[name]
            if isinstance(part, list) and name == "items":  # a tuple, before draft 2020-12
                yield from ((f".{name}[{place}]", one) for place, one in enumerate(part))
            else:
                yield f".{name}", part
    for name in _LISTS:
        yield from ((f".{name}[{place}]", one) for place, one in enumerate(schema.get(name, ())))
    for name in _NAMED:
        yield from ((f".{name}.{key}", one) for key, one in schema.get(name, {}).items())


def _resolves(reference: str, root: dict[str, Any]) -> bool:
    """Whether a reference points into its schema: engines fetch no others (RFC 6901, section 6)."""
    if not reference.startswith("#"):
        return False
    found: Any = root
    for step in unquote(reference[1:]).split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif isinstance(found, dict) and name in found:
            found = found[name]
        else:
            return False
    return reference == "#" or reference.startswith("#/")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def invalid(param: str, path: str, what: str, hint: str = "Correct the JSON schema.") -> InvalidParams:
    """The refusal of a part of a parameter.

    Args:
        param: the parameter.
        path: the part, as a JSON path.
        what: what is wrong with it, as the rest of a sentence that begins with the path.
        hint: what to do.
    """
    return InvalidParams(f"{path.removeprefix('$.')} {what}.", path=path, hint=hint, remedies=(change_params(param),))
