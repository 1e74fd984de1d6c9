"""Sample values made from the JSON Schemas: what a host may send and what the sidecar may answer.

The Rust crate's round trip and the contract's own tests run on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contract_model import Contract
from json_schema import bundle

_BY_PATTERN = {
    r"^(sha256:)?[0-9a-fA-F]{64}$(?!\n)": f"sha256:{'0a' * 32}",
    r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$(?!\n)": (
        "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b"
    ),
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)": "server-1",
    r"^[A-Za-z0-9][A-Za-z0-9_.:\[\]-]{0,79}$(?!\n)": "CUDA0",
    r"^[A-Za-z0-9._~+/=-]{16,256}$(?!\n)": "0123456789abcdef",
    r"^https?://": "http://127.0.0.1:8080",
}
_ALTERNATIVES = 3
"""Samples of each type with every member, each taking another alternative where there are several."""


def samples(contract: Contract) -> dict[str, dict[str, list[Any]]]:
    """`{"params" | "results" | "events": {method: [value, …]}}`."""
    definitions = bundle(contract)["$defs"]
    results = definitions["MethodResults"]["properties"]
    out: dict[str, dict[str, list[Any]]] = {"params": {}, "results": {}, "events": {}}
    for method in contract.methods:
        out["params"][method.name] = _distinct(_samples(definitions[method.params.name], definitions))
        out["results"][method.name] = _distinct(_samples(results[method.name], definitions))
        if method.events is not None:
            members = contract.unions[method.events].members
            out["events"][method.name] = _distinct(s for m in members for s in _samples(definitions[m], definitions))
    return out


def _samples(schema: dict[str, Any], definitions: dict[str, Any]) -> Iterator[Any]:
    yield _Sampler(definitions, alternative=-1, optional=False).value(schema)
    for alternative in range(_ALTERNATIVES):
        yield _Sampler(definitions, alternative=alternative, optional=True).value(schema)


class _Sampler:
    """Makes one sample; `alternative` of every choice is taken, the last one where there are not so many."""

    def __init__(self, definitions: dict[str, Any], *, alternative: int, optional: bool) -> None:
        self._definitions = definitions
        self._alternative = alternative
        self._optional = optional

    def value(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self.value(self._definitions[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return self.value(self._pick(schema["anyOf"]))
        if "enum" in schema:
            return self._pick(schema["enum"])
        match schema.get("type"):
            case "string":
                return self._string(schema)
            case "integer":
                return _clamped(7, schema)
            case "number":
                return float(_clamped(0.5, schema))
            case "boolean":
                return self._pick([True, False])
            case "null":
                return None
            case "array":
                return [self.value(schema["items"])] if "items" in schema else [1, "two", None]
            case "object":
                return self._object(schema)
        raise TypeError(f"no sample for {schema}")

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "properties" not in schema:
            inner = schema.get("additionalProperties")
            return {"key": self.value(inner) if isinstance(inner, dict) else {"nested": [1, "two", None]}}
        required = schema.get("required", ())
        members = schema["properties"].items()
        return {name: self.value(member) for name, member in members if self._optional or name in required}

    def _string(self, schema: dict[str, Any]) -> str:
        if "pattern" in schema:
            return _BY_PATTERN[schema["pattern"]]
        # What hosts are known to break on: a line separator, an astral character, a quote.
        return 'a "text" \u2028 \U0001f999'

    def _pick(self, alternatives: list[Any]) -> Any:
        return alternatives[min(self._alternative, len(alternatives) - 1)]


def _clamped(value: float, schema: dict[str, Any]) -> float:
    least: float = schema.get("minimum", schema.get("exclusiveMinimum", value))
    most: float = schema.get("maximum", value)
    return min(max(value, least), most)


def _distinct(values: Iterator[Any]) -> list[Any]:
    out: list[Any] = []
    for value in values:
        # 1 and 1.0 and True are equal in Python and differ on the wire.
        if repr(value) not in map(repr, out):
            out.append(value)
    return out
