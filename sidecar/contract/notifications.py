"""The notifications of the wire: an event of a channel, and the cancellation of a request.

Owns their names and JSON Schemas, which the contract's structs do not describe: they are no methods, and are never
answered.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

CHANNEL_NOTIFICATION = "channel"

CANCEL_NOTIFICATIONS = ("$/cancel", "$/cancelRequest")
"""Two names for one notification. The second is that of the Language Server Protocol, which its JSON-RPC libraries
(vscode-jsonrpc and its relatives) send by themselves when a call is cancelled."""

LARGEST_ID = 2**53
"""The largest integer that every host keeps exactly."""

MAX_CHANNEL_CHARACTERS = 200


def notification_schemas(event: Schema, *, ref_template: str) -> dict[str, Schema]:
    """The schemas of both notifications and of a request's id, by name.

    Args:
        event: the schema of the events of all channels.
        ref_template: how another of these schemas is referred to; `{name}` stands for its name.
    """
    id_ = {"$ref": ref_template.format(name="RequestId")}
    return {
        "RequestId": {
            "description": "Chosen by the host and echoed as it is. No two requests under way have the same.",
            "anyOf": [
                {"type": "string"},
                {"type": "integer", "minimum": -LARGEST_ID, "maximum": LARGEST_ID},
                {"type": "null"},
            ],
        },
        "ChannelNotification": _notification(
            "An event of a channel.",
            {"const": CHANNEL_NOTIFICATION},
            {
                "channel": {"type": "string", "minLength": 1, "maxLength": MAX_CHANNEL_CHARACTERS},
                "seq": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "Counts up without gaps, from 1; after resume_session from `after_seq` + 1.",
                },
                "event": event,
            },
        ),
        "CancelNotification": _notification(
            "Cancel a request under way; it is answered with CANCELLED. Both names mean the same.",
            {"enum": list(CANCEL_NOTIFICATIONS)},
            {"id": id_},
        ),
    }


def notifications(ref_template: str) -> list[dict[str, Any]]:
    """Each notification: its name, who sends it, and where its schema is."""
    return [
        {"name": name, "from": sender, "schema": {"$ref": ref_template.format(name=schema)}}
        for name, sender, schema in (
            (CHANNEL_NOTIFICATION, "sidecar", "ChannelNotification"),
            *((name, "host", "CancelNotification") for name in CANCEL_NOTIFICATIONS),
        )
    ]


def _notification(description: str, method: Schema, params: Schema) -> Schema:
    members = {
        "jsonrpc": {"const": "2.0"},
        "method": method,
        "params": {"type": "object", "properties": params, "required": list(params)},
    }
    return {"description": description, "type": "object", "properties": members, "required": list(members)}
