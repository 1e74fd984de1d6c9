"""The OpenRPC document and the JSON Schema bundle.

Owns the schemas of the wire envelopes, which the contract's structs do not describe. The rest of both files comes
from `sidecar.contract.openrpc`, as `rpc.discover` serves it.
"""

from __future__ import annotations

from typing import Any

import orjson
from contract_model import Contract

from sidecar.contract import openrpc
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import CONTRACT_VERSION
from sidecar.contract.notifications import notification_schemas

_COMPONENT = openrpc.REF_TEMPLATE.format(name="")
_DEFINITION = "#/$defs/"

Schema = dict[str, Any]


def openrpc_json() -> str:
    """`openrpc.json`."""
    return _dump(openrpc.document())


def schema_json(contract: Contract) -> str:
    """`schema.json`."""
    return _dump(bundle(contract))


def bundle(contract: Contract) -> Schema:
    """JSON Schema 2020-12: every named type and every kind of line under `$defs`."""
    document = openrpc.document()
    results = {method["name"]: method["result"]["schema"] for method in document["methods"]}
    types = openrpc.schemas()
    unions = {
        union.name: _tagged_union({str(types[m]["properties"]["status"]["enum"][0]): m for m in union.members})
        for union in contract.unions.values()
    }
    envelopes = _envelopes(contract, results)
    taken = sorted(types.keys() & (unions.keys() | envelopes.keys()))
    if taken:
        raise ValueError(f"the contract and the envelopes both define {', '.join(taken)}")
    definitions = _with_local_references({**types, **unions, **envelopes})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"llama-sidecar contract {CONTRACT_VERSION}",
        "description": "A line to the sidecar is a HostMessage, a line from it a SidecarMessage.",
        "$defs": dict(sorted(definitions.items())),
    }


def _envelopes(contract: Contract, results: dict[str, Schema]) -> dict[str, Schema]:
    events = [{"$ref": _DEFINITION + name} for name in contract.unions]
    return {
        **notification_schemas({"anyOf": events}, ref_template=_DEFINITION + "{name}"),
        "Request": _request(contract),
        "Response": _message(
            "The answer to a request that succeeded. Which result belongs to which method is in `MethodResults`.",
            {"id": _ref("RequestId"), "result": True},
        ),
        "ErrorResponse": _message(
            "The answer to a request that failed. `id` is null where the request's could not be read.",
            {"id": _ref("RequestId"), "error": _ref("ErrorObject")},
        ),
        "ErrorObject": _error_object(contract),
        "HostMessage": _one_line("Request", "CancelNotification"),
        "SidecarMessage": _one_line("Response", "ErrorResponse", "ChannelNotification"),
        "MethodResults": {
            "description": "The result of each method, as the member of its name.",
            "type": "object",
            "properties": results,
        },
    }


def _request(contract: Contract) -> Schema:
    request = _message(
        "A request; without `id` a notification, which is never answered.",
        {
            "id": _ref("RequestId"),
            "method": {"enum": [method.name for method in contract.methods]},
            "params": {"type": "object"},
        },
        required=("method",),
    )
    request["allOf"] = []
    for method in contract.methods:
        then: Schema = {"properties": {"params": _ref(method.params.name)}}
        if any(member.required for member in method.params.members):
            then["required"] = ["params"]
        request["allOf"].append({"if": {"properties": {"method": {"const": method.name}}}, "then": then})
    return request


def _error_object(contract: Contract) -> Schema:
    return {
        "description": "What went wrong. Hosts switch on `data.name`.",
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {"type": "object"}},
        "required": ["code", "message", "data"],
        "oneOf": [_known_error(error) for error in contract.errors],
    }


def _known_error(error: type[SidecarError]) -> Schema:
    data = {
        "name": {"const": error.name},
        "retryable": {"type": "boolean"},
        "hint": {"type": "string"},
        "remedies": {"type": "array", "items": _ref("Remedy")},
        **dict.fromkeys(error.members(), True),
    }
    return {
        "description": (error.__doc__ or "").strip(),
        "properties": {
            "code": {"const": error.code},
            "data": {"type": "object", "properties": data, "required": ["name", "retryable", "hint", "remedies"]},
        },
    }


def _message(description: str, members: Schema, *, required: tuple[str, ...] | None = None) -> Schema:
    return {"description": description, **_object({"jsonrpc": {"const": "2.0"}, **members}, required=required)}


def _object(members: Schema, *, required: tuple[str, ...] | None = None) -> Schema:
    always = list(members) if required is None else ["jsonrpc", *required]
    return {"type": "object", "properties": members, "required": always}


def _one_line(*kinds: str) -> Schema:
    one = [_ref(kind) for kind in kinds]
    return {
        "description": "One line, or a batch of them.",
        "anyOf": [*one, {"type": "array", "minItems": 1, "items": {"anyOf": one}}],
    }


def _tagged_union(members: dict[str, str]) -> Schema:
    return {
        "oneOf": [_ref(name) for name in members.values()],
        "discriminator": {
            "propertyName": "status",
            "mapping": {tag: _DEFINITION + name for tag, name in members.items()},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": _DEFINITION + name}


def _with_local_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_local_references(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_local_references(item) for item in value]
    if isinstance(value, str) and value.startswith(_COMPONENT):
        return _DEFINITION + value.removeprefix(_COMPONENT)
    return value


def _dump(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
