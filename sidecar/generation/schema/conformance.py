"""Whether an answer follows a JSON schema.

Owns the judgement of what was asked for: the keywords of draft 2020-12 that say something about a value, and the older
spellings of `items` and `definitions`. Keywords and formats that it does not know demand nothing, as the
standard says. A library would bring Python's `re`, whose time has no bound, and five packages.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sidecar.generation.schema.automaton import Automaton, Budget, NotJudged
from sidecar.generation.schema.patterns import UnsupportedPattern, parse

MAX_STEPS = 500_000
"""The work of one judgement, at most a second. Alternatives within alternatives multiply."""

STEPS_PER_SCHEMA = 5
"""What it takes to apply one schema to one value."""


class Judge:
    """Judges values by a schema.

    Args:
        schema: the schema; references are followed within it only.
    """

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._budget = Budget(MAX_STEPS)
        self._automata: dict[str, Automaton | None] = {}

    def problem(self, value: Any) -> str | None:
        """Why a value does not follow the schema: the place and the keyword, without any of its content.

        Raises:
            NotJudged: the judgement would take too long.
        """
        self._budget = Budget(MAX_STEPS)
        try:
            return next(self._problems(self._root, value, "$"), None)
        except RecursionError:  # a value nested as deep as its schema refers to itself
            raise NotJudged from None

    def _problems(self, schema: Any, value: Any, path: str) -> Iterator[str]:
        self._budget.spend(STEPS_PER_SCHEMA)
        if schema is False:
            yield f"{path}: nothing is allowed there"
        if not isinstance(schema, dict):
            return
        if isinstance(reference := schema.get("$ref"), str):
            yield from self._problems(self._referred(reference), value, path)
        self._budget.spend(len(_list_of(schema.get("enum"))))
        for keyword, judge in _ANY.items():
            if keyword in schema and not judge(schema[keyword], value):
                yield f"{path}: {keyword}"
        yield from self._combined(schema, value, path)
        if isinstance(value, str):
            yield from self._text(schema, value, path)
        elif isinstance(value, list):
            yield from self._list(schema, value, path)
        elif isinstance(value, dict):
            yield from self._object(schema, value, path)
        elif _is_number(value):
            yield from (
                f"{path}: {keyword}"
                for keyword, judge in _NUMBER.items()
                if _is_number(schema.get(keyword)) and not judge(schema[keyword], value)
            )

    def _follows(self, schema: Any, value: Any) -> bool:
        return next(self._problems(schema, value, "$"), None) is None

    def _combined(self, schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        for one in _list_of(schema.get("allOf")):
            yield from self._problems(one, value, path)
        if (some := _list_of(schema.get("anyOf"))) and not any(self._follows(one, value) for one in some):
            yield f"{path}: anyOf"
        if (some := _list_of(schema.get("oneOf"))) and sum(self._follows(one, value) for one in some) != 1:
            yield f"{path}: oneOf"
        if "not" in schema and self._follows(schema["not"], value):
            yield f"{path}: not"
        if "if" in schema:
            branch = "then" if self._follows(schema["if"], value) else "else"
            yield from self._problems(schema.get(branch), value, path)

    def _text(self, schema: dict[str, Any], value: str, path: str) -> Iterator[str]:
        yield from _counted(schema, "Length", len(value), path)
        if isinstance(pattern := schema.get("pattern"), str) and not self._matches(pattern, value):
            yield f"{path}: pattern"
        form = schema.get("format")
        if isinstance(form, str) and form in _FORMATS and not _has_format(form, value):
            yield f"{path}: format {form}"

    def _list(self, schema: dict[str, Any], value: list[Any], path: str) -> Iterator[str]:
        yield from _counted(schema, "Items", len(value), path)
        unique = schema.get("uniqueItems") is True
        self._budget.spend(len(value) ** 2 if unique else 0)
        if unique and any(_equal(a, b) for i, a in enumerate(value) for b in value[:i]):
            yield f"{path}: uniqueItems"
        items: Any = schema.get("items")
        first = _list_of(schema.get("prefixItems"))
        if isinstance(items, list):  # before 2020-12
            items, first = schema.get("additionalItems"), items
        for i, one in enumerate(value):
            applied = first[i] if i < len(first) else items
            if applied is not None:
                yield from self._problems(applied, one, f"{path}[{i}]")
        if "contains" in schema:
            found = sum(self._follows(schema["contains"], one) for one in value)
            least, most = schema.get("minContains", 1), schema.get("maxContains", len(value))
            if not least <= found <= most:
                yield f"{path}: contains"

    def _object(self, schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
        yield from _counted(schema, "Properties", len(value), path)
        yield from (f"{path}: required" for name in _list_of(schema.get("required")) if name not in value)
        known, patterned = _object_of(schema.get("properties")), _object_of(schema.get("patternProperties"))
        for name, one in value.items():
            here, applied = f"{path}.{name}" if name in known else f"{path}.*", False
            if name in known:
                applied = True
                yield from self._problems(known[name], one, here)
            for pattern, demanded in patterned.items():
                if self._matches(pattern, name):
                    applied = True
                    yield from self._problems(demanded, one, here)
            if not applied and "additionalProperties" in schema:
                yield from self._problems(schema["additionalProperties"], one, here)
            if "propertyNames" in schema:
                yield from self._problems(schema["propertyNames"], name, here)
        for name, others in _object_of(schema.get("dependentRequired")).items():
            if name in value and not all(other in value for other in _list_of(others)):
                yield f"{path}: dependentRequired"
        for name, demanded in _object_of(schema.get("dependentSchemas")).items():
            if name in value:
                yield from self._problems(demanded, value, path)

    def _matches(self, pattern: str, text: str) -> bool:
        if pattern not in self._automata:
            try:
                self._automata[pattern] = Automaton(parse(pattern))
            except UnsupportedPattern:  # such a schema is refused before it is sent
                self._automata[pattern] = None
        automaton = self._automata[pattern]
        return automaton is None or automaton.matches(text, self._budget)

    def _referred(self, reference: str) -> Any:
        """What a reference points to (RFC 6901); demands nothing if there is no such place."""
        at = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(at, dict) and name in at:
                at = at[name]
            elif isinstance(at, list) and name.isdigit() and int(name) < len(at):
                at = at[int(name)]
            else:
                return None
        return at if reference.startswith("#") else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(a: Any, b: Any) -> bool:
    """Equality of JSON: 1 is 1.0, and not true."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    return bool(a == b)


def _has_type(types: Any, value: Any) -> bool:
    names = types if isinstance(types, list) else [types]
    return any(name in _TYPES and _TYPES[name](value) for name in names)


def _is_multiple(divisor: float, value: float) -> bool:
    if divisor <= 0 or (isinstance(value, int) and isinstance(divisor, int)):
        return divisor <= 0 or value % divisor == 0
    quotient = value / divisor
    return abs(quotient - round(quotient)) <= abs(quotient) * 1e-9  # 0.3 is three times 0.1


def _counted(schema: dict[str, Any], what: str, count: int, path: str) -> Iterator[str]:
    least: Any = schema.get(f"min{what}")
    most: Any = schema.get(f"max{what}")
    if _is_number(least) and count < least:
        yield f"{path}: min{what}"
    if _is_number(most) and count > most:
        yield f"{path}: max{what}"


def _list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and value == int(value),
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}

_ANY: dict[str, Callable[[Any, Any], bool]] = {
    "type": _has_type,
    "const": _equal,
    "enum": lambda values, value: any(_equal(one, value) for one in _list_of(values)),
}

_NUMBER: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda bound, value: value >= bound,
    "maximum": lambda bound, value: value <= bound,
    "exclusiveMinimum": lambda bound, value: value > bound,
    "exclusiveMaximum": lambda bound, value: value < bound,
    "multipleOf": _is_multiple,
}


def _time_of_day(text: str) -> None:
    if not re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?([zZ]|[+-]\d\d:\d\d)", text):
        raise ValueError
    time.fromisoformat(text[:8])


def _date_time(text: str) -> None:
    day, _, rest = text.replace("t", "T").partition("T")
    _date(day)
    _time_of_day(rest)
    datetime.fromisoformat(f"{day}T{rest[:8]}")


def _date(text: str) -> None:
    if len(text) != len("2026-12-01"):
        raise ValueError
    date.fromisoformat(text)


def _email(text: str) -> None:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", text):
        raise ValueError


def _uri(text: str) -> None:
    if not urlsplit(text).scheme or any(char.isspace() for char in text):
        raise ValueError


_FORMATS: dict[str, Callable[[str], Any]] = {
    "date": _date,
    "time": _time_of_day,
    "date-time": _date_time,
    "uuid": UUID,
    "email": _email,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "uri": _uri,
}


def _has_format(name: str, text: str) -> bool:
    try:
        _FORMATS[name](text)
    except ValueError:
        return False
    return True
