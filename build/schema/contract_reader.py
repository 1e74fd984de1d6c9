"""Reads `sidecar.contract` into the values of `contract_model`.

Owns the questions of what has a name, which members are always there and which types belong to a method. Knows
nothing of the languages that are generated.
"""

from __future__ import annotations

import ast
import inspect
import sys
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from contract_model import (
    AliasModel,
    Array,
    Choice,
    Contract,
    Dictionary,
    EventUnion,
    Member,
    MethodModel,
    Named,
    Nullable,
    OneOf,
    Scalar,
    StructModel,
    Type,
)
from msgspec import inspect as info

from sidecar.contract import FAMILIES, METHODS, Event, Method, Params, Result
from sidecar.contract.errors import all_errors
from sidecar.contract.sessions import SessionExport


def read_contract() -> Contract:
    """Read the authored contract."""
    return _Reader().contract


class _Reader:
    def __init__(self) -> None:
        self.contract = Contract(errors=all_errors())
        self._alias_names: dict[Type, str] = {}
        for alias in sorted(_aliases(), key=lambda a: len(repr(a.value))):  # an inner alias before one that uses it
            self._add_alias(alias)
        unions = dict(_event_unions())
        for method in METHODS.values():
            self._add_method(method, unions)
        self._struct(SessionExport)
        self.contract.structs = dict(sorted(self.contract.structs.items(), key=lambda item: item[1].module))
        self.contract.aliases = dict(sorted(self.contract.aliases.items()))

    def _add_alias(self, alias: _Alias) -> None:
        found = self._type(info.type_info(alias.value))
        if not isinstance(found, Choice | OneOf):
            raise TypeError(f"{alias.name} is the same as {found}")
        self._alias_names[found] = alias.name
        if isinstance(found, Choice):
            found = Choice(typing.get_args(alias.value))  # as authored; msgspec sorts them
        self.contract.aliases[alias.name] = AliasModel(alias.name, alias.module, alias.description, found)

    def _add_method(self, method: Method, unions: dict[tuple[type[Event], ...], str]) -> None:
        params = self._struct(method.params)
        events = unions[method.events] if method.events else None
        if events is not None:
            self.contract.unions[events] = EventUnion(events, tuple(self._struct(e).name for e in method.events))
            for event in method.events:
                status = str(event.__struct_config__.tag)
                if self.contract.merges.setdefault(status, event.merge) != event.merge:
                    raise TypeError(f"{event.__name__} merges otherwise than another event of its status")
        self.contract.methods.append(
            MethodModel(
                name=method.name,
                family=next(family for family, methods in FAMILIES.items() if method in methods),
                description=params.description,
                params=params,
                result=self._type(info.type_info(method.result)),
                events=events,
                errors=tuple(error.name for error in method.errors),
                outlives_request=method.streams and any(m.name == "channel" and m.required for m in params.members),
            )
        )

    def _struct(self, cls: type[msgspec.Struct]) -> StructModel:
        known = self.contract.structs.get(cls.__name__)
        if known is not None:
            return known
        described = info.type_info(cls)
        if not isinstance(described, info.StructType):
            raise TypeError(f"{cls.__name__} is not a struct")
        sent_whole = issubclass(cls, Result | Event)
        unset = {f.name for f in msgspec.structs.fields(cls) if f.default is msgspec.UNSET}  # inspect hides it
        members = []
        for member in described.fields:
            type_, description = self._described(member.type)
            required = member.name not in unset if sent_whole else member.required
            members.append(Member(member.encode_name, type_, required, description, _owner(cls, member.name)))
        struct = StructModel(
            name=cls.__name__,
            module=_family(cls.__module__),
            description=inspect.cleandoc(cls.__doc__ or ""),
            members=tuple(members),
            role="event" if issubclass(cls, Event) else "params" if issubclass(cls, Params) else "result",
            tag=(described.tag_field, str(described.tag)) if described.tag_field is not None else None,
            same_as=next((b.__name__ for b in _bases(cls) if b.__struct_fields__ == cls.__struct_fields__), None),
        )
        self.contract.structs[cls.__name__] = struct
        return struct

    def _described(self, node: info.Type) -> tuple[Type, str]:
        if isinstance(node, info.Metadata):
            type_, inner = self._described(node.type)
            return type_, str((node.extra_json_schema or {}).get("description", inner))
        return self._type(node), ""

    def _type(self, node: info.Type) -> Type:
        found = self._unnamed(node)
        name = self._alias_names.get(found)
        return found if name is None else Named(name)

    def _unnamed(self, node: info.Type) -> Type:
        match node:
            case info.Metadata():
                return self._type(node.type)
            case info.StrType():
                return Scalar("string")
            case info.IntType():
                return Scalar("integer")
            case info.FloatType():
                return Scalar("number")
            case info.BoolType():
                return Scalar("boolean")
            case info.NoneType():
                return Scalar("null")
            case info.AnyType():
                return Scalar("any")
            case info.ListType():
                return Array(self._type(node.item_type))
            case info.DictType():
                return Dictionary(self._type(node.value_type))
            case info.LiteralType():
                return Choice(tuple(value for value in node.values if isinstance(value, str | int)))
            case info.StructType():
                return Named(self._struct(node.cls).name)
            case info.UnionType():
                return self._union(node)
        raise TypeError(f"the generators do not know {node}")

    def _union(self, node: info.UnionType) -> Type:
        members = tuple(self._type(member) for member in node.types if not isinstance(member, info.NoneType))
        found: Type = members[0] if len(members) == 1 else OneOf(members)
        name = self._alias_names.get(found)
        if name is not None:
            found = Named(name)
        return Nullable(found) if any(isinstance(member, info.NoneType) for member in node.types) else found


@dataclass(frozen=True)
class _Alias:
    name: str
    module: str
    description: str
    value: Any


def _modules() -> list[types.ModuleType]:
    return [module for name, module in sorted(sys.modules.items()) if name.startswith("sidecar.contract.")]


def _family(module: str) -> str:
    return module.removeprefix("sidecar.contract.")


def _aliases() -> Iterator[_Alias]:
    """The module-level names for choices and unions, with the string that stands below them as description."""
    for module in _modules():
        body = ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8")).body
        for statement, below in zip(body, [*body[1:], ast.Pass()], strict=True):
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                continue
            name = statement.targets[0].id
            value = getattr(module, name)
            if typing.get_origin(value) not in (Literal, typing.Union, types.UnionType):
                continue
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else ""
            yield _Alias(name, _family(module.__name__), inspect.cleandoc(str(text)), value)


def _event_unions() -> Iterator[tuple[tuple[type[Event], ...], str]]:
    """`START_EVENTS` is the union `StartEvent`."""
    for module in _modules():
        for name, value in vars(module).items():
            if name.endswith("_EVENTS"):
                yield value, name.removesuffix("S").title().replace("_", "")


def _owner(cls: type, member: str) -> str:
    return next(base.__name__ for base in cls.__mro__ if member in inspect.get_annotations(base))


def _bases(cls: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    if issubclass(cls, Event):
        yield from (base for base in cls.__mro__[1:] if issubclass(base, Result) and base is not Result)
