"""Every place in the contract where a host can put a text, found by walking the parameters of all methods.

A new parameter is a new sink without anybody having to think of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import inspect

from sidecar.contract import METHODS
from sidecar.contract.config import Config
from sidecar.contract.sessions import SessionExport

SESSION = "0b8e6f2a-3c1d-4e5f-8a9b-0c1d2e3f4a5b"
NUMBER = 1

Build = Callable[[str], Any]
"""Makes a value with a text in one place of it."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A place for a text in a method's parameters.

    Attributes:
        method: the method.
        path: where in its parameters.
        params: the parameters with a text there; what else is required is filled in.
    """

    method: str
    path: str
    params: Callable[[str], dict[str, Any]]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def sinks() -> list[Sink]:
    """All of them."""
    found: list[Sink] = []
    for name, method in METHODS.items():
        for path, build in _places(inspect.type_info(method.params), "$"):
            if (name, path) == ("set_config", "$.patch[*]"):
                found += [_config_sink(where, make) for where, make in _places(inspect.type_info(Config), "$.patch")]
            elif (name, path) == ("import_session", "$.content"):
                found += [_import_sink(w, make) for w, make in _places(inspect.type_info(SessionExport), "$.content")]
                found.append(Sink(name, path, build))
            else:
                found.append(Sink(name, path, build))
    return found


def _config_sink(path: str, build: Build) -> Sink:
    return Sink("set_config", path, lambda text: {"patch": build(text)})


def _import_sink(path: str, build: Build) -> Sink:
    return Sink("import_session", path, lambda text: {"content": json.dumps(build(text))})


def _places(kind: inspect.Type, path: str) -> Iterator[tuple[str, Build]]:
    match kind:
        case inspect.Metadata(type=inner):
            yield from _places(inner, path)
        case inspect.StrType() | inspect.AnyType():
            yield path, lambda text: text
        case inspect.UnionType(types=types):
            for one in types:
                yield from _places(one, path)
        case inspect.ListType(item_type=item) | inspect.CollectionType(item_type=item):
            yield from ((where, _in_list(build)) for where, build in _places(item, f"{path}[]"))
        case inspect.DictType(value_type=value):
            yield from ((where, _as_value(build)) for where, build in _places(value, f"{path}[*]"))
            yield f"{path}[key]", lambda text, value=value: {text: _least(value)}  # type: ignore[misc]
        case inspect.StructType(fields=fields):
            for field in fields:
                for where, build in _places(field.type, f"{path}.{field.encode_name}"):
                    yield where, _in_struct(kind, field.encode_name, build)


def _in_list(build: Build) -> Build:
    return lambda text: [build(text)]


def _as_value(build: Build) -> Build:
    return lambda text: {"key": build(text)}


def _in_struct(kind: inspect.StructType, name: str, build: Build) -> Build:
    rest = _least(kind)
    return lambda text: {**rest, name: build(text)}


def _least(kind: inspect.Type) -> Any:
    """The simplest valid value."""
    match kind:
        case inspect.Metadata(type=inner):
            return _least(inner)
        case inspect.StrType(pattern=pattern):
            return SESSION if pattern and "-" in pattern and "{8}" in pattern else "http://x" if pattern else "x"
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.UnionType(types=types):
            return None if any(isinstance(one, inspect.NoneType) for one in types) else _least(types[0])
        case inspect.ListType(item_type=item):
            return [_least(item)]
        case inspect.DictType():
            return {}
        case inspect.BoolType():
            return False
        case inspect.IntType() | inspect.FloatType():
            return NUMBER
        case inspect.StructType(fields=fields, tag_field=tag_field, tag=tag):
            required = {field.encode_name: _least(field.type) for field in fields if field.required}
            return required | ({tag_field: tag} if tag_field else {})
    return None
