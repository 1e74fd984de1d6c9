"""Schemas of requests: compared with what the standard's own validator and Python's regular expressions say."""

from __future__ import annotations

import random
import re
from typing import Any

import jsonschema
import pytest

from sidecar.contract.errors import InvalidParams
from sidecar.generation.schema.automaton import Automaton, Budget, NotJudged
from sidecar.generation.schema.conformance import Judge
from sidecar.generation.schema.engine_schema import engine_schema
from sidecar.generation.schema.patterns import UnsupportedPattern, parse
from sidecar.generation.schema.rendering import render

CASES = 600


def some_pattern(chance: random.Random, depth: int = 0) -> str:
    kind = chance.random()
    if depth > 3 or kind < 0.4:
        return str(chance.choice([*"abc01 ", "[0-9]", r"\w", "[a-b]", "[^a]", ".", r"\.", r"\x61", "[\\]-]"]))
    inner = some_pattern(chance, depth + 1)
    if kind < 0.6:
        return inner + some_pattern(chance, depth + 1)
    if kind < 0.75:
        return f"({inner}|{some_pattern(chance, depth + 1)})"
    return f"(?:{inner}){chance.choice(['*', '+', '?', '{2}', '{1,3}', '{2,}', '*?'])}"


def some_value(chance: random.Random, depth: int = 0) -> Any:
    kinds = ["null", "bool", "int", "float", "text", *(["list", "dict"] if depth < 3 else [])]
    kind = chance.choice(kinds)
    if kind == "list":
        return [some_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == "dict":
        return {name: some_value(chance, depth + 1) for name in "abc" if chance.random() < 0.5}
    plain: dict[str, Any] = {"null": None, "bool": chance.random() < 0.5, "int": chance.randrange(-2, 5)}
    plain |= {"float": chance.choice([0.5, 1.0, 2.25]), "text": chance.choice(["", "a", "ab", "b1"])}
    return plain[kind]


def some_schema(chance: random.Random, depth: int = 0) -> Any:
    if depth > 2:
        return chance.choice([True, False, {}, {"type": "integer"}, {"$ref": "#/$defs/x"}])
    schema: dict[str, Any] = {}
    of: dict[str, Any] = {
        "type": lambda: chance.choice(["object", "array", "string", "integer", "number", ["null", "boolean"]]),
        "enum": lambda: [some_value(chance, 2) for _ in range(3)],
        "const": lambda: some_value(chance, 2),
        "minimum": lambda: 1,
        "exclusiveMaximum": lambda: 3,
        "multipleOf": lambda: chance.choice([2, 0.5]),
        "minLength": lambda: 1,
        "maxLength": lambda: 1,
        "pattern": lambda: chance.choice(["a", "^a$", "^.[0-9]?$"]),
        "minItems": lambda: 1,
        "maxItems": lambda: 2,
        "uniqueItems": lambda: True,
        "items": lambda: some_schema(chance, depth + 1),
        "prefixItems": lambda: [some_schema(chance, depth + 1)],
        "contains": lambda: some_schema(chance, depth + 1),
        "properties": lambda: {name: some_schema(chance, depth + 1) for name in "ab"},
        "patternProperties": lambda: {"^[bc]$": some_schema(chance, depth + 1)},
        "additionalProperties": lambda: some_schema(chance, depth + 1),
        "propertyNames": lambda: {"pattern": "^[ab]$"},
        "required": lambda: ["a"],
        "dependentRequired": lambda: {"a": ["b"]},
        "minProperties": lambda: 1,
        "anyOf": lambda: [some_schema(chance, depth + 1), some_schema(chance, depth + 1)],
        "oneOf": lambda: [some_schema(chance, depth + 1), some_schema(chance, depth + 1)],
        "allOf": lambda: [some_schema(chance, depth + 1)],
        "not": lambda: some_schema(chance, depth + 1),
        "if": lambda: some_schema(chance, depth + 1),
        "then": lambda: some_schema(chance, depth + 1),
        "else": lambda: some_schema(chance, depth + 1),
    }
    for name in chance.sample(sorted(of), 3):
        schema[name] = of[name]()
    return schema


def test_patterns_match_what_pythons_match() -> None:
    chance = random.Random(1)  # noqa: S311
    for _ in range(CASES):
        pattern = chance.choice(["", "^"]) + some_pattern(chance) + chance.choice(["", "$"])
        automaton = Automaton(parse(pattern))
        for _ in range(3):
            text = "".join(chance.choice("abc01 .]") for _ in range(chance.randrange(7)))
            assert automaton.matches(text, Budget(1000)) == bool(re.search(pattern, text)), (pattern, text)


def test_values_follow_the_schemas_that_the_standards_validator_says() -> None:
    chance = random.Random(2)  # noqa: S311
    found = {True: 0, False: 0}
    for _ in range(CASES):
        schema = {"$defs": {"x": {"type": "string"}}, "allOf": [some_schema(chance)]}
        validator = jsonschema.Draft202012Validator(schema)
        for value in (some_value(chance), some_value(chance)):
            follows = Judge(schema).problem(value) is None
            assert follows == validator.is_valid(value), (schema, value)
            found[follows] += 1
    assert min(found.values()) > CASES / 4  # both have been tried


def test_a_finding_says_where_without_any_content() -> None:
    schema = {"type": "object", "properties": {"a": {"items": {"pattern": "^x$"}}}, "additionalProperties": False}
    cases = [
        ({"a": ["x", "secret"]}, "$.a[1]: pattern"),
        ({"secret": 1}, "$.*: nothing is allowed there"),
        ([], "$: type"),
    ]
    assert [Judge(schema).problem(value) for value, _ in cases] == [problem for _, problem in cases]


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date", "2026-12-01", "20261201"),
        ("time", "10:00:00Z", "10:00"),
        ("date-time", "2026-12-01T10:00:00.5+01:00", "2026-12-01"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("email", "a@b.c", "a b@c"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
        ("ipv6", "::1", "127.0.0.1"),
        ("uri", "https://x/y", "x y"),
    ],
)
def test_formats_are_judged(form: str, good: str, bad: str) -> None:
    judge = Judge({"format": form})
    assert (judge.problem(good), judge.problem(bad)) == (None, f"$: format {form}")


def test_what_takes_too_long_is_not_judged() -> None:
    schema: Any = {"type": "integer"}
    for _ in range(30):  # each level doubles the work
        schema = {"anyOf": [schema, schema]}
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    many = {"uniqueItems": True}
    for one, value in ((schema, "x"), ({"items": {"$ref": "#"}}, deep), ({"$ref": "#"}, 1), (many, list(range(2000)))):
        with pytest.raises(NotJudged):
            Judge(one).problem(value)
    assert Automaton(parse("^(a+)+$")).matches("a" * 5000 + "b", Budget(10_000)) is False  # Python's takes years


def test_a_pattern_is_sent_as_json_writes_what_it_matches() -> None:
    cases = {
        "^a1$": "^(a1)$",
        r"^\d{2}-\d+$": r"^(([0-9]){2}[\x2D]([0-9])+)$",
        "^(?:a|bc)*$": "^((a|bc)*)$",
        '^"$': r"^((\\\"))$",
        r"^[\n\\a]$": r"^(([a]|\\\\|\\n))$",
        "^é?$": r"^(([\xE9])?)$",
        "^(?<year>[0-9]{4})$": "^(([0-9]){4})$",
    }
    assert {pattern: render(parse(pattern)) for pattern in cases} == cases


def test_an_engines_schema_has_what_a_grammar_can_say() -> None:
    given = {
        "properties": {"pattern": {"pattern": "^a$"}, "b": True, "c": {"maxLength": 5000, "minLength": 2}},
        "items": [{"pattern": "b?"}],
        "const": {"pattern": "^(?=x)"},
        "additionalProperties": False,
    }
    sent = engine_schema(given, "$")
    assert sent["properties"] == {"pattern": {"pattern": "^(a)$"}, "b": {}, "c": {"minLength": 2}}
    assert (sent["const"], sent["additionalProperties"]) == (given["const"], False)
    assert given["items"] == [{"pattern": "b?"}]  # the request keeps its own


REFUSED: list[tuple[Any, str]] = [
    *[
        ({"pattern": one}, ".pattern")
        for one in ("^(?=x)y$", r"(a)\1", r"a\b", r"\p{L}", "(", "a" * 1001, "a{1,1000000}")
    ],
    *[({"pattern": one}, ".pattern") for one in ("(((a{1000}){1000}){1000})", "^(((a?){10}){10}){10}$", "^[]$", "a^b")],
    ({"properties": {"a": {"items": {"pattern": "(?!x)"}}}}, ".properties.a.items.pattern"),
    ({"patternProperties": {"(?<=x)": {}}}, ".patternProperties"),
    ({"minLength": 1001}, ".minLength"),
    ({"items": {"minItems": 10**9}}, ".items.minItems"),
    ({"enum": list(range(1001))}, ".enum"),
    ({"enum": ["x" * 20_000]}, ".enum"),
    ({"anyOf": [{}] * 201}, ".anyOf"),
    ({"properties": {f"p{i}": {} for i in range(201)}}, ".properties"),
    ({"allOf": [{}] * 4000}, ""),
    ({"description": "x" * 300_000}, ""),
]


def test_a_schema_that_refers_to_itself_as_a_whole_is_sent_as_a_definition() -> None:
    """llama.cpp resolves `#/…` only."""
    child = {"type": "object", "properties": {"next": {"$ref": "#"}}, "$defs": {"whole": {"type": "null"}}}
    reference = {"next": {"$ref": "#/$defs/whole_"}}
    assert engine_schema(child, "$") == {
        "type": "object",
        "properties": reference,
        "$defs": {"whole": {"type": "null"}, "whole_": {"type": "object", "properties": reference}},
    }
    assert child["properties"] == {"next": {"$ref": "#"}}, "the host's schema stays as it is"


def test_what_would_stop_an_engine_is_refused_with_its_place() -> None:
    for schema, place in REFUSED:
        with pytest.raises(InvalidParams) as caught:
            engine_schema(schema, "$.x")
        assert caught.value.data["path"] == f"$.x{place}", place
    deep: Any = {}
    for _ in range(300):
        deep = {"x": deep}
    with pytest.raises(InvalidParams):
        engine_schema(deep, "$.x")


def test_what_is_no_regular_expression_is_refused() -> None:
    for pattern in ("(a", "a)", "*a", "a**", "[a", "\\", "[z-a]", "a{3,1}", r"\xZ1", "(?i)a", "(?<n", r"\k<n>"):
        with pytest.raises(UnsupportedPattern):
            Automaton(parse(pattern))
