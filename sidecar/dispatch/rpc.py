"""jsonrpcserver's public interface, imported without the dependencies of its unused parts.

Owns how it is imported. On import jsonrpcserver builds a validator of requests with jsonschema, which `validator=`
replaces at each dispatch, and a demonstration server on `http.server`. Stand-ins take the places of both meanwhile,
unless they are there already; its own modules are imported as they are, and only what its `__all__` names is used. To
the first reply of a sidecar (140 ms of a processor's time) it adds 92 ms with both, 38 ms without jsonschema and 14 ms
without either, against 20 ms that composition and dispatch may cost together. To a request it adds 28 us; its
asynchronous functions add 68, for a task and a chain of awaits around each call.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


class _NoValidator:
    """A validator for requests that have been validated already."""

    def __init__(self, _schema: Any) -> None: ...

    def validate(self, _request: Any) -> None: ...

    @staticmethod
    def check_schema(_schema: Any) -> None: ...


STAND_INS: dict[str, dict[str, Any]] = {
    "jsonschema": {},
    "jsonschema.validators": {"validator_for": lambda _schema: _NoValidator},
    "http.server": {"BaseHTTPRequestHandler": object, "HTTPServer": object},
}


@contextmanager
def _standing_in() -> Iterator[None]:
    placed = [name for name in STAND_INS if name.partition(".")[0] not in sys.modules or name not in sys.modules]
    for name in placed:
        sys.modules[name] = module = ModuleType(name)
        vars(module).update(STAND_INS[name])
    try:
        yield
    finally:
        for name in placed:
            del sys.modules[name]


with _standing_in(), warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # about how it reads its schema
    from jsonrpcserver import JsonRpcError, Result, Success, dispatch_to_serializable

__all__ = ["JsonRpcError", "Result", "Success", "dispatch_to_serializable"]
