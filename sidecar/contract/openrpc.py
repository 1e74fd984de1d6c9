"""The contract as an OpenRPC document, built from the tables of this package.

Served by `rpc.discover` and written to `ipc_schema/`; the same function makes both, so they cannot differ.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import orjson

from sidecar.contract import FAMILIES, METHODS
from sidecar.contract.errors import SidecarError, all_errors
from sidecar.contract.life import CONTRACT_VERSION
from sidecar.contract.method import COMMON_ERRORS, KEEP, Event, Method, Params
from sidecar.contract.notifications import notification_schemas, notifications
from sidecar.contract.server_settings import FLAGS, ServerSettings
from sidecar.contract.sessions import ExportedMessage, SessionExport
from sidecar.contract.topics import TOPICS, TopicRow

REF_TEMPLATE = "#/components/schemas/{name}"


@cache
def document() -> dict[str, Any]:
    """The whole contract as plain JSON values. Cached, since building it takes 0.1 s; callers must not change it."""
    families = {method.name: family for family, methods in FAMILIES.items() for method in methods}
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "llama-sidecar",
            "version": CONTRACT_VERSION,
            "description": "Local language models over line-delimited JSON-RPC 2.0. One JSON value per line, UTF-8.",
            "license": {"name": "Apache-2.0"},
        },
        "methods": [_method(method, families[method.name]) for method in METHODS.values()],
        "components": {
            "schemas": dict(sorted((schemas() | _notification_schemas()).items())),
            "errors": {e.name: _error(e) for e in all_errors()},
        },
        "x-notifications": notifications(REF_TEMPLATE),
        "x-topics": {name: _topic(row) for name, row in TOPICS.items()},
    }


def contract_hash(openrpc: dict[str, Any]) -> str:
    """SHA-256 over the document with sorted keys and no spaces."""
    return hashlib.sha256(orjson.dumps(openrpc, option=orjson.OPT_SORT_KEYS)).hexdigest()


def schemas() -> dict[str, Any]:
    """JSON Schemas of every named type, by name."""
    types = [t for m in METHODS.values() for t in (m.params, m.result, *m.events)]
    _, components = msgspec.json.schema_components([*types, SessionExport], ref_template=REF_TEMPLATE)
    _, sent_by_hosts = msgspec.json.schema_components([m.params for m in METHODS.values()])
    # Ours only: a struct elsewhere in the process may have the same name.
    ours = f"{__package__}."
    structs = {s.__name__: s for s in _subclasses(msgspec.Struct) if s.__module__.startswith(ours)}
    for name in components.keys() - sent_by_hosts.keys() - {SessionExport.__name__, ExportedMessage.__name__}:
        _require_sent_members(structs[name], components[name])
    for name, schema in components.items():
        struct = structs[name]
        if issubclass(struct, Event) and struct.merge is not KEEP:
            schema["x-merge"] = msgspec.to_builtins(struct.merge)
        if issubclass(struct, Params):
            _add_defaults(struct, schema["properties"])
        if "description" in schema:  # a docstring, which Python before 3.13 leaves indented
            schema["description"] = inspect.cleandoc(schema["description"])
    return dict(sorted(components.items()))


def _notification_schemas() -> dict[str, Any]:
    """The schemas of what is no method, beside those of the types."""
    events = dict.fromkeys(event for method in METHODS.values() for event in method.events)
    return notification_schemas({"anyOf": [schema_of(event) for event in events]}, ref_template=REF_TEMPLATE)


def schema_of(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of one type, with references into `schemas()`."""
    (schema,), _ = msgspec.json.schema_components([annotation], ref_template=REF_TEMPLATE)
    return schema


def _method(method: Method, family: str) -> dict[str, Any]:
    description = inspect.cleandoc(method.params.__doc__ or "")
    out: dict[str, Any] = {
        "name": method.name,
        "summary": description.split("\n")[0],
        "description": description,
        "tags": [{"name": family}],
        "paramStructure": "by-name",
        "params": list(_params(method)),
        "result": {"name": "result", "schema": schema_of(method.result)},
        "errors": [{"$ref": f"#/components/errors/{e.name}"} for e in (*method.errors, *COMMON_ERRORS)],
    }
    if method.events:
        out["x-events"] = [schema_of(event) for event in method.events]
    if method.lane is not None:
        out["x-lane"] = {"name": method.lane.name, "key": method.lane.key}
    return out


def _params(method: Method) -> Iterator[dict[str, Any]]:
    _, components = msgspec.json.schema_components([method.params], ref_template=REF_TEMPLATE)
    schema = components[method.params.__name__]
    required = set(schema.get("required", ()))
    for name, member in schema["properties"].items():
        yield {
            "name": name,
            "required": name in required,
            "schema": {"$ref": f"{REF_TEMPLATE.format(name=method.params.__name__)}/properties/{name}"},
            **({"description": member["description"]} if "description" in member else {}),
        }


def _add_defaults(params: type[Params], members: dict[str, Any]) -> None:
    for name, value in params.defaults.items():
        members[name]["default"] = value
    if issubclass(params, ServerSettings):
        for name, flag in FLAGS.items():
            members[name]["x-flag"] = flag.name
            members[name]["x-engines"] = sorted(flag.kinds)


def _topic(row: TopicRow) -> dict[str, Any]:
    out: dict[str, Any] = {"events": [schema_of(event) for event in row.events], "catch_up": row.catch_up}
    return out | {"interval_ms": row.interval_ms} if row.interval_ms else out


def _error(error: type[SidecarError]) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": inspect.cleandoc(error.__doc__ or ""),
        "data": {"name": error.name, "retryable": error.retryable, "members": list(error.members())},
    }


def _require_sent_members(struct: type[msgspec.Struct], schema: dict[str, Any]) -> None:
    """A default in a struct that only the sidecar sends is internal: hosts always receive the member, unless UNSET."""
    tag = [struct.__struct_config__.tag_field] if struct.__struct_config__.tag is not None else []
    always = [f.encode_name for f in msgspec.structs.fields(struct) if f.default is not msgspec.UNSET]
    schema["required"] = [*tag, *always]
    for member in schema["properties"].values():
        member.pop("default", None)


def _subclasses(root: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in root.__subclasses__():
        yield child
        yield from _subclasses(child)
