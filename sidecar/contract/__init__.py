"""The contract: every method, parameter, result, event and error that a host can see.

Authored here and nowhere else; `ipc_schema/` and the Python client are generated from it.
"""

from __future__ import annotations

from sidecar.contract import (
    builds,
    chat,
    config,
    downloads,
    engines,
    hub,
    life,
    logs,
    memory,
    models,
    resources,
    servers,
    sessions,
)
from sidecar.contract.method import CancelledEvent, ErrorEvent, Event, Lane, Method, Params, Result, WireError

FAMILIES: dict[str, tuple[Method, ...]] = {
    "Life": life.METHODS,
    "Servers": (*servers.METHODS, *engines.METHODS, *builds.METHODS),
    "Chat": chat.METHODS,
    "Sessions": sessions.METHODS,
    "Config": config.METHODS,
    "Logs": logs.METHODS,
    "Models": (*models.METHODS, *hub.METHODS, *downloads.METHODS, *memory.METHODS),
    "Resources": resources.METHODS,
}
"""The methods by family, in the order in which they are documented."""

METHODS: dict[str, Method] = {method.name: method for family in FAMILIES.values() for method in family}
"""Every method by name."""

__all__ = [
    "FAMILIES",
    "METHODS",
    "CancelledEvent",
    "ErrorEvent",
    "Event",
    "Lane",
    "Method",
    "Params",
    "Result",
    "WireError",
]
