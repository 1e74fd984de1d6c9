"""The contract as plain values that the generators render: types, structs, unions, methods.

Knows neither where they are read from nor the languages that are generated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sidecar.contract.errors import SidecarError
from sidecar.contract.method import Merge

ScalarName = Literal["string", "integer", "number", "boolean", "null", "any"]


@dataclass(frozen=True)
class Scalar:
    """A JSON scalar, or anything at all."""

    name: ScalarName


@dataclass(frozen=True)
class Array:
    """A list."""

    item: Type


@dataclass(frozen=True)
class Dictionary:
    """An object whose member names are data."""

    value: Type


@dataclass(frozen=True)
class Choice:
    """One of these values."""

    values: tuple[str | int, ...]


@dataclass(frozen=True)
class Named:
    """A struct, or an alias that the contract has a name for."""

    name: str


@dataclass(frozen=True)
class OneOf:
    """A value of one of these types; never null."""

    members: tuple[Type, ...]


@dataclass(frozen=True)
class Nullable:
    """A value or null."""

    inner: Type


Type = Scalar | Array | Dictionary | Choice | Named | OneOf | Nullable


@dataclass(frozen=True)
class Member:
    """A member of a struct. `owner` is the class that declares it, which may be a base that is never sent itself."""

    name: str
    type: Type
    required: bool
    description: str
    owner: str


@dataclass(frozen=True)
class StructModel:
    """An object type. `tag` is the member that distinguishes it; `same_as` has the same members without it."""

    name: str
    module: str
    description: str
    members: tuple[Member, ...]
    role: Literal["params", "result", "event"]
    tag: tuple[str, str] | None
    same_as: str | None


@dataclass(frozen=True)
class AliasModel:
    """A name for a choice or a union."""

    name: str
    module: str
    description: str
    type: Choice | OneOf


@dataclass(frozen=True)
class EventUnion:
    """What a channel carries, by `status`."""

    name: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class MethodModel:
    """A method. `outlives_request`: its channel continues after the response, until another request ends it."""

    name: str
    family: str
    description: str
    params: StructModel
    result: Type
    events: str | None
    errors: tuple[str, ...]
    outlives_request: bool


@dataclass
class Contract:
    """Everything that is generated from."""

    structs: dict[str, StructModel] = field(default_factory=dict)
    aliases: dict[str, AliasModel] = field(default_factory=dict)
    unions: dict[str, EventUnion] = field(default_factory=dict)
    methods: list[MethodModel] = field(default_factory=list)
    merges: dict[str, Merge] = field(default_factory=dict)
    """How events merge, by `status`: hosts that merge know no more of an event."""
    errors: list[type[SidecarError]] = field(default_factory=list)
