"""jsonrpcserver's dispatcher, without the rest of jsonrpcserver.

Owns how it is imported. The package's own `__init__` brings a second dispatcher with a JSON Schema library and an HTTP
server, that of oslash all of its monads: together twice the time of everything else that is needed for a first reply.
None of it is used here, so the modules that are used are imported without it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec


@contextmanager
def _without_init(name: str) -> Iterator[None]:
    """Let modules of a package be imported without running its `__init__`, which is left to who imports it later."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None:
        yield
        return
    bare = sys.modules[name] = module_from_spec(spec)
    try:
        yield
    finally:
        if sys.modules.get(name) is bare:
            del sys.modules[name]


with _without_init("jsonrpcserver"), _without_init("oslash"):
    from jsonrpcserver.async_dispatcher import dispatch_request
    from jsonrpcserver.exceptions import JsonRpcError
    from jsonrpcserver.request import Request
    from jsonrpcserver.result import Result, Success
    from jsonrpcserver.sentinels import NOCONTEXT

__all__ = ["NOCONTEXT", "JsonRpcError", "Request", "Result", "Success", "dispatch_request"]
