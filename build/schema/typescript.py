"""The TypeScript package's `types.ts` and `contract.ts`.

Owns the form of the contract in TypeScript. The runtime that uses them is in `ipc_schema/typescript`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from contract_model import (
    AliasModel,
    Array,
    Choice,
    Contract,
    Dictionary,
    EventUnion,
    MethodModel,
    Named,
    Nullable,
    OneOf,
    Scalar,
    StructModel,
    Type,
)

from sidecar.contract.life import CONTRACT_VERSION
from sidecar.contract.method import TERMINAL
from sidecar.contract.topics import TOPICS, TopicRow

_SCALARS = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "any": "unknown",
}
_LINE_LENGTH = 110
_HEADER = "// Generated from sidecar/contract by build/schema/generate.py. Do not edit.\n"


def types_ts(contract: Contract) -> str:
    """`types.ts`: every type, and `Methods`, which says what belongs to which method."""
    parts = [_HEADER]
    parts += [_alias(alias) for alias in contract.aliases.values()]
    parts += [_struct(struct) for struct in contract.structs.values()]
    parts += [_events(union) for union in contract.unions.values()]
    parts.append(_methods(contract.methods))
    return "\n".join(parts)


def contract_ts(contract: Contract, contract_hash: str) -> str:
    """`contract.ts`: what the runtime must know of each method, the errors, version and hash."""
    lines = [
        _HEADER,
        'import type { MethodName, Topic } from "./types.js";',
        "",
        "/** The contract that this client was generated from: major and minor. */",
        f"export const CONTRACT_VERSION = {json.dumps(CONTRACT_VERSION)};",
        "",
        "/** SHA-256 of its OpenRPC document, as `initialize` answers it. */",
        f"export const CONTRACT_HASH = {json.dumps(contract_hash)};",
        "",
        "/**",
        " * How a method uses channels. `none`: not at all. `request`: events come until its response.",
        " * `subscription`: events come after its response too, until the channel's last one.",
        " */",
        'export type Streaming = "none" | "request" | "subscription";',
        "",
        "/** Every method, and how it streams. */",
        "export const METHODS = {",
        *(f"  {_key(method.name)}: {json.dumps(_streaming(method))}," for method in contract.methods),
        "} as const satisfies Record<MethodName, Streaming>;",
        "",
        "/** The `status` of a channel's last event. */",
        f"export const TERMINAL: ReadonlySet<unknown> = new Set({json.dumps(TERMINAL)});",
        "",
        "/** A topic: the method to catch up with, and the default time between two readings (0: there are none). */",
        "export interface TopicRow {",
        "  catchUp: MethodName;",
        "  intervalMs: number;",
        "  /** What its events show; `key` is the path of the thing's id, `removes` says that it is gone. */",
        "  events: Readonly<Record<string, { subject: string; key: readonly string[]; removes: boolean }>>;",
        "}",
        "",
        "/** Every topic. Its events are by their `status`. */",
        "export const TOPICS = {",
        *(line for name, row in TOPICS.items() for line in _topic(name, row)),
        "} as const satisfies Record<Topic, TopicRow>;",
        "",
        "/** Every error a host can see, by the name to switch on. */",
        "export const ERROR_CODES = {",
    ]
    for error in contract.errors:
        description = (error.__doc__ or "").strip()
        if error.members():
            description += f" `data` may also have: {', '.join(error.members())}."
        lines += [*_doc(description, "  "), f"  {error.name}: {error.code},"]
    lines += [
        "} as const;",
        "",
        "/** The stable name of an error. */",
        "export type ErrorName = keyof typeof ERROR_CODES;",
    ]
    return "\n".join(lines) + "\n"


def _topic(name: str, row: TopicRow) -> Iterator[str]:
    yield f"  {name}: {{"
    yield f"    catchUp: {json.dumps(row.catch_up)},"
    yield f"    intervalMs: {row.interval_ms},"
    yield "    events: {"
    for event in row.events:
        merge = event.merge
        key = json.dumps(merge.key.split("/")[1:])
        shown = f"{{ subject: {json.dumps(merge.subject)}, key: {key}, removes: {json.dumps(merge.removes)} }}"
        yield f"      {event.__struct_config__.tag}: {shown},"
    yield "    },"
    yield "  },"


def _streaming(method: MethodModel) -> str:
    if method.events is None:
        return "none"
    return "subscription" if method.outlives_request else "request"


def _alias(alias: AliasModel) -> str:
    line = f"export type {alias.name} = {_type(alias.type)};"
    if len(line) > _LINE_LENGTH:
        line = line.replace(" | ", "\n  | ").replace(" = ", " =\n  | ")
    return _lines([*_doc(alias.description), line])


def _struct(struct: StructModel) -> str:
    lines = [*_doc(struct.description)]
    if struct.same_as is not None:
        lines.append(f"export interface {struct.name} extends {struct.same_as} {{")
    elif not struct.members and struct.tag is None:
        lines.append(f"export type {struct.name} = Record<string, never>;")
        return _lines(lines)
    else:
        lines.append(f"export interface {struct.name} {{")
    if struct.tag is not None:
        lines.append(f"  {struct.tag[0]}: {json.dumps(struct.tag[1])};")
    for member in struct.members if struct.same_as is None else ():
        lines += _doc(member.description, "  ")
        rendered = _type(member.type)
        if member.required:
            lines.append(f"  {member.name}: {rendered};")
        elif struct.role == "params":
            # A host may spell "left out" as undefined: JSON.stringify leaves it out too.
            lines.append(f"  {member.name}?: {rendered} | undefined;")
        else:
            lines.append(f"  {member.name}?: {rendered};")
    return _lines([*lines, "}"])


def _events(union: EventUnion) -> str:
    return _lines([f"export type {union.name} =", *(f"  | {name}" for name in union.members)])[:-1] + ";\n"


def _methods(methods: Iterable[MethodModel]) -> str:
    lines = [
        "/** The types of each method. `events` is never where it does not stream. */",
        "export interface Methods {",
    ]
    for method in methods:
        lines += _doc(method.description, "  ")
        events = method.events or "never"
        params = method.params.name
        lines.append(
            f"  {_key(method.name)}: {{ params: {params}; result: {_type(method.result)}; events: {events} }};"
        )
    return _lines([*lines, "}", "", "/** The name of a method. */", "export type MethodName = keyof Methods;"])


def _type(type_: Type) -> str:
    match type_:
        case Scalar(name):
            return _SCALARS[name]
        case Named(name):
            return name
        case Array(item):
            rendered = _type(item)
            return f"({rendered})[]" if " | " in rendered else f"{rendered}[]"
        case Dictionary(value):
            return f"Record<string, {_type(value)}>"
        case Choice(values):
            return " | ".join(json.dumps(value) for value in values)
        case OneOf(members):
            return " | ".join(_type(member) for member in members)
        case Nullable(inner):
            return f"{_type(inner)} | null"


def _doc(text: str, indent: str = "") -> Iterator[str]:
    if not text:
        return
    lines = text.replace("*/", "*\\/").split("\n")
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield f"{indent}/**"
    for line in lines:
        yield f"{indent} * {line}".rstrip()
    yield f"{indent} */"


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
