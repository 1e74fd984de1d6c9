"""A JSON schema as it is sent to an engine: within bounds, and with every pattern written so that it is enforced.

Owns the bounds. An engine makes a grammar of a schema on the thread that serves all requests, and its parsers recurse:
without bounds one schema stops it, or overflows its stack. What an engine would ignore is left in; `conformance` judges
the answer by the schema as it was given.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from sidecar.contract.errors import InvalidParams
from sidecar.contract.remedies import change_params
from sidecar.generation.schema.automaton import MAX_TRANSITIONS, Automaton
from sidecar.generation.schema.patterns import MAX_REPETITIONS, UnsupportedPattern, parse
from sidecar.generation.schema.rendering import render

MAX_BYTES = 256 * 1024
"""The largest schema as JSON; OpenAI takes 120,000 characters of names and values."""

MAX_DEPTH = 200
"""How deep objects and arrays of a schema may be nested: 64 schemas within schemas (`json_schema`) with the objects and
arrays between them."""

MAX_NODES = 3000
"""Objects and arrays in a schema: so many properties cost llama-server two seconds of processor time. OpenAI takes
5,000 properties."""

MAX_OPTIONAL = 200
"""Properties of one object that are not required. llama.cpp writes a rule for each rest of them, by recursion, so that
the work grows with their square: a second for 200."""

MAX_ENUM = 1000
"""Values of one enum; as OpenAI's."""

MAX_ENUM_BYTES = 15_000
"""Bytes of one enum as JSON; as OpenAI's. 100,000 cost llama-server five seconds."""

MAX_ALTERNATIVES = 200
"""Schemas in one anyOf or oneOf: 800 cost llama-server six seconds of processor time for the first token."""

_LEAST = ("minLength", "minItems", "minProperties", "minContains")
_MOST = ("maxLength", "maxItems")
_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose value is an object of schemas: its names are no keywords."""

_ROOT = "whole"
"""Name of the definition that stands for the whole schema, where the schema refers to itself with `#`."""

_VALUES = ("const", "enum", "default", "examples", "example")
"""Keywords whose value is data."""


def engine_schema(schema: Any, path: str) -> Any:
    """The schema for an engine.

    Args:
        schema: a JSON schema.
        path: where it stands in the parameters, such as `$.response_format.json_schema.schema`.

    Raises:
        InvalidParams: a bound is exceeded, or a pattern cannot be enforced; its path names the place.
    """
    _check_form(schema, path)
    copying = _Copy(_root_name(schema))
    copy = copying.of(schema, path)
    if copying.refers_to_root:
        copy = _with_root(copy, copying.root_name)
    if (size := len(orjson.dumps(schema))) > MAX_BYTES:
        raise _refused(f"The schema has {size} bytes, and {MAX_BYTES} are accepted.", path)
    return copy


def _check_form(schema: Any, path: str) -> None:
    nodes, waiting = 0, [(schema, 1)]
    while waiting:  # not by recursion: the depth is not known to be bounded yet
        node, depth = waiting.pop()
        if not isinstance(node, dict | list):
            continue
        nodes += 1
        if depth > MAX_DEPTH:
            raise _refused(f"The schema is nested more than {MAX_DEPTH} deep.", path)
        if nodes > MAX_NODES:
            raise _refused(f"The schema has more than {MAX_NODES} objects and arrays.", path)
        waiting += [(child, depth + 1) for child in (node.values() if isinstance(node, dict) else node)]


def _root_name(schema: Any) -> str:
    """A name that no definition of the schema has."""
    taken = schema.get("$defs", {}) if isinstance(schema, dict) else {}
    name = _ROOT
    while name in taken:
        name += "_"
    return name


def _with_root(copy: dict[str, Any], name: str) -> dict[str, Any]:
    """The copy with itself as a definition: llama.cpp resolves `#/…`, and not `#`, which recursive schemas use."""
    whole = {key: value for key, value in copy.items() if key not in ("$defs", "definitions")}
    return {**copy, "$defs": {**copy.get("$defs", {}), name: whole}}


class _Copy:
    """Copies a schema for an engine.

    Args:
        root_name: name of the definition that references to the whole schema are led to.

    Attributes:
        refers_to_root: there was such a reference.
    """

    def __init__(self, root_name: str) -> None:
        self.root_name = root_name
        self.refers_to_root = False
        self._transitions = 0

    def of(self, schema: Any, path: str) -> Any:
        """The copy of a part of it."""
        if schema is True:  # means the same; engines take objects only
            return {}
        if isinstance(schema, list):
            return [self.of(one, f"{path}[{i}]") for i, one in enumerate(schema)]
        if not isinstance(schema, dict):
            return schema
        _check_counts(schema, path)
        return dict(self._members(schema, path))

    def _members(self, schema: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
        for name, value in schema.items():
            here = f"{path}.{name}"
            if name == "pattern" and isinstance(value, str):
                yield name, self._pattern(value, here)
            elif name in _SCHEMAS and isinstance(value, dict):
                if name == "patternProperties":
                    for pattern in value:
                        self._pattern(pattern, here)
                yield name, {key: self.of(one, f"{here}.{key}") for key, one in value.items()}
            elif name == "$ref" and value == "#":
                self.refers_to_root = True
                yield name, f"#/$defs/{self.root_name}"
            elif name in _VALUES or isinstance(value, bool):
                yield name, value
            elif name in _MOST and isinstance(value, int) and value > MAX_REPETITIONS:
                continue  # the grammar cannot count so far; the answer is judged by it
            else:
                yield name, self.of(value, here)

    def _pattern(self, pattern: str, path: str) -> str:
        try:
            parsed = parse(pattern)
            self._transitions += Automaton(parsed).transitions
            if self._transitions > MAX_TRANSITIONS:
                raise UnsupportedPattern("the patterns of the schema are too large together")
            return render(parsed)
        except UnsupportedPattern as problem:
            raise _refused(
                f"The pattern cannot be enforced: {problem}.",
                path,
                "Use classes, groups, alternatives and counted repetitions, with ^ and $ at the ends only.",
            ) from None


def _check_counts(schema: dict[str, Any], path: str) -> None:
    for name in _LEAST:
        if isinstance(value := schema.get(name), int) and value > MAX_REPETITIONS:
            raise _refused(f"{name} is {value}, and engines count up to {MAX_REPETITIONS}.", f"{path}.{name}")
    if isinstance(values := schema.get("enum"), list):
        if len(values) > MAX_ENUM:
            raise _refused(f"The enum has {len(values)} values, and {MAX_ENUM} are accepted.", f"{path}.enum")
        if (length := len(orjson.dumps(values))) > MAX_ENUM_BYTES:
            raise _refused(f"The enum has {length} bytes, and {MAX_ENUM_BYTES} are accepted.", f"{path}.enum")
    for name in ("anyOf", "oneOf"):
        if isinstance(some := schema.get(name), list) and len(some) > MAX_ALTERNATIVES:
            raise _refused(
                f"{name} has {len(some)} alternatives, and {MAX_ALTERNATIVES} are accepted.", f"{path}.{name}"
            )
    if isinstance(properties := schema.get("properties"), dict):
        required = schema.get("required")
        names = set(filter(lambda name: isinstance(name, str), required if isinstance(required, list) else ()))
        optional = sum(name not in names for name in properties)
        if optional > MAX_OPTIONAL:
            raise _refused(
                f"{optional} properties are not required, and {MAX_OPTIONAL} of one object are accepted.",
                f"{path}.properties",
                "Name those that every answer has in `required`, or divide the object.",
            )


def _refused(
    message: str, path: str, hint: str = "Make the schema smaller, or ask in several messages."
) -> InvalidParams:
    parameter = path.removeprefix("$.").split(".")[0].split("[")[0]
    return InvalidParams(message, path=path, hint=hint, remedies=(change_params(parameter),))
