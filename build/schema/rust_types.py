"""The Rust crate's `types.rs`.

Owns the form of the contract's types in Rust. What the contract leaves without a name, a choice or a union in one
member, is named after the class that declares the member: `SamplingParamsStop`.

typify 0.8.0 was tried on the same schema: it stops at `if`/`then` (which params belong to which method), and without
those makes 44,156 lines of it in place of 4,038, with a checked newtype for every bounded string. Its enums refuse
values that are newer than the crate, which a host has to tolerate.
"""

from __future__ import annotations

from collections.abc import Iterable

from contract_model import (
    Array,
    Choice,
    Contract,
    Dictionary,
    EventUnion,
    Member,
    Named,
    Nullable,
    OneOf,
    Scalar,
    StructModel,
    Type,
)
from rust_names import doc, member, variant

_LINE_LENGTH = 100
_STRUCT_LITERAL_WIDTH = 18
"""rustfmt's: a longer one is broken into lines."""
_SCALARS = {
    "string": "String",
    "integer": "i64",
    "number": "f64",
    "boolean": "bool",
    "null": "()",
    "any": "Value",
}
_HEADER = """\
//! Every type of the contract. Generated from sidecar/contract by build/schema/generate.py; do not edit.
//!
//! Members that this crate does not know are ignored, values that it does not know are `Newer`, so that it goes
//! on working with a later minor version of the contract.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
"""
_NEWER = """\
    /// A value that is newer than this crate; it cannot be sent.
    #[serde(other, skip_serializing)]
    Newer,"""


class RustTypes:
    """Renders the types, and collects those that get their name here."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._definitions: dict[str, str] = {}
        for alias in contract.aliases.values():
            self._define(alias.name, alias.type, alias.description)
        for struct in contract.structs.values():
            if not _is_only_a_variant(struct):
                self._definitions[struct.name] = self._struct(struct)
        for union in contract.unions.values():
            self._definitions[union.name] = self._events(union)
        self.results = {m.name: self._type(m.result, variant(m.name) + "Result") for m in contract.methods}
        """The Rust type of each method's result."""

    def types_rs(self) -> str:
        """`types.rs`."""
        return "\n".join([_HEADER, *(text for _, text in sorted(self._definitions.items()))])

    def _type(self, type_: Type, name: str) -> str:
        match type_:
            case Scalar(scalar):
                return _SCALARS[scalar]
            case Named(named):
                return named
            case Nullable(inner):
                return f"Option<{self._type(inner, name)}>"
            case Array(item):
                return f"Vec<{self._type(item, name)}>"
            case Dictionary(Scalar("any")):
                return "Map<String, Value>"
            case Dictionary(value):
                return f"BTreeMap<String, {self._type(value, name)}>"
            case Choice(values) if all(isinstance(value, int) for value in values):
                return "i64"
            case Choice() | OneOf():
                self._define(name, type_, "")
                return name

    def _define(self, name: str, type_: Choice | OneOf, description: str) -> None:
        if isinstance(type_, Choice):
            rendered = _choice(name, type_, description)
        elif all(isinstance(m, Named) and self._tag(m) is not None for m in type_.members):
            rendered = self._tagged(name, type_, description)
        else:
            rendered = self._untagged(name, type_, description)
        if self._definitions.setdefault(name, rendered) != rendered:
            raise ValueError(f"two types would be called {name}")

    def _struct(self, struct: StructModel) -> str:
        derives = ["Debug", "Clone", "PartialEq", "Serialize", "Deserialize"]
        required = [m for m in struct.members if m.required]
        if struct.role == "params" and not required:
            derives.insert(2, "Default")
        lines = [*doc(struct.description), f"#[derive({', '.join(derives)})]"]
        if not struct.members:
            return _lines([*lines, f"pub struct {struct.name} {{}}"])
        lines.append(f"pub struct {struct.name} {{")
        for m in struct.members:
            lines += doc(m.description, indent="    ")
            if not m.required:
                lines.append('    #[serde(skip_serializing_if = "Option::is_none")]')
            lines.append(f"    pub {member(m.name)}: {self._member_type(m)},")
        lines.append("}")
        if struct.role == "params" and required:
            lines += ["", *self._constructor(struct, required)]
        return _lines(lines)

    def _member_type(self, m: Member) -> str:
        rendered = self._type(m.type, m.owner + variant(m.name))
        return rendered if m.required or isinstance(m.type, Nullable) else f"Option<{rendered}>"

    def _constructor(self, struct: StructModel, required: list[Member]) -> list[str]:
        arguments = [f"{member(m.name)}: impl Into<{self._member_type(m)}>" for m in required]
        signature = f"    pub fn new({', '.join(arguments)}) -> Self {{"
        if len(signature) > _LINE_LENGTH:
            signature = "\n".join(["    pub fn new(", *(f"        {a}," for a in arguments), "    ) -> Self {"])
        fields = (f"{member(m.name)}{f': {member(m.name)}.into()' if m.required else ': None'}" for m in struct.members)
        return [
            f"impl {struct.name} {{",
            "    /// What must be given; everything else is left to its default.",
            signature,
            *_self_literal(list(fields)),
            "    }",
            "}",
        ]

    def _tag(self, named: Named) -> tuple[str, str] | None:
        struct = self._contract.structs.get(named.name)
        return None if struct is None else struct.tag

    def _tagged(self, name: str, type_: OneOf, description: str) -> str:
        structs = [self._contract.structs[m.name] for m in type_.members if isinstance(m, Named)]
        tag_field = next(s.tag[0] for s in structs if s.tag is not None)
        lines = [*_derive(description), f'#[serde(tag = "{tag_field}")]', f"pub enum {name} {{"]
        for struct in structs:
            tag = struct.tag[1] if struct.tag is not None else ""
            lines += doc(struct.description, indent="    ")
            lines += [f'    #[serde(rename = "{tag}")]', f"    {variant(tag)}({struct.name}),"]
        return _lines([*lines, "}"])

    def _untagged(self, name: str, type_: OneOf, description: str) -> str:
        lines = [*_derive(description), "#[serde(untagged)]", f"pub enum {name} {{"]
        for m in type_.members:
            kind = _kind(m)
            lines.append(f"    {kind}({self._type(m, name + kind)}),")
        lines.append("}")
        if Scalar("string") in type_.members:
            for source in ("&str", "String"):
                lines += [
                    "",
                    f"impl From<{source}> for {name} {{",
                    f"    fn from(text: {source}) -> Self {{",
                    f"        Self::Text(text{'.to_owned()' if source == '&str' else ''})",
                    "    }",
                    "}",
                ]
        return _lines(lines)

    def _events(self, union: EventUnion) -> str:
        lines = [
            f"/// What a channel of this kind carries, distinguished by `status`: {len(union.members)} kinds of event.",
            "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]",
            '#[serde(tag = "status", rename_all = "snake_case")]',
            f"pub enum {union.name} {{",
        ]
        for name in union.members:
            struct = self._contract.structs[name]
            tag = struct.tag[1] if struct.tag is not None else ""
            payload = f"({struct.same_as or name})" if struct.members else ""
            lines += [*doc(struct.description, indent="    "), f"    {variant(tag)}{payload},"]
        return _lines([*lines, _NEWER, "}"])


def _is_only_a_variant(struct: StructModel) -> bool:
    """Whether an event needs no struct of its own: its members are a result's, or it has none."""
    return struct.role == "event" and (struct.same_as is not None or not struct.members)


def _choice(name: str, type_: Choice, description: str) -> str:
    derives = "Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize"
    lines = [*doc(description), f"#[derive({derives})]", f"pub enum {name} {{"]
    for value in type_.values:
        lines += [f'    #[serde(rename = "{value}")]', f"    {variant(str(value))},"]
    return _lines([*lines, _NEWER, "}"])


def _kind(type_: Type) -> str:
    match type_:
        case Array():
            return "List"
        case Dictionary():
            return "Object"
        case Choice():
            return "Name"
        case Named(name):
            return name
        case Scalar("string"):
            return "Text"
        case Scalar("boolean"):
            return "Flag"
        case Scalar("integer" | "number"):
            return "Number"
    raise TypeError(f"no name for {type_} in a union")


def _derive(description: str) -> list[str]:
    return [*doc(description), "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]"]


def _self_literal(fields: list[str]) -> list[str]:
    if len(fields) == 1 and len(fields[0]) <= _STRUCT_LITERAL_WIDTH:
        return [f"        Self {{ {fields[0]} }}"]
    return ["        Self {", *(f"            {field}," for field in fields), "        }"]


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
