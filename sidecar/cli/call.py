"""`llama-sidecar call METHOD [json]`: any method, its events and its result as JSON lines."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import orjson

from sidecar.cli.host import started
from sidecar.contract import METHODS
from sidecar.contract.errors import InvalidParams

INDENT = orjson.OPT_INDENT_2


async def call(options: argparse.Namespace) -> int:
    """Call one method; its result goes to stdout, its events to stderr, one a line."""
    text = sys.stdin.read() if options.params == "-" else options.params
    try:
        params: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidParams(f"The parameters are not JSON: {error}.", hint="Give an object, such as '{}'.") from None
    method = METHODS.get(options.method)
    async with started(options) as (client, _):
        on_event = _show_event if method is not None and method.streams else None
        result = await client.call(options.method, params, on_event=on_event)
        sys.stdout.buffer.write(orjson.dumps(result, option=INDENT) + b"\n")
        sys.stdout.flush()
    return 0


def _show_event(event: Any) -> None:
    sys.stderr.buffer.write(orjson.dumps(event) + b"\n")
    sys.stderr.flush()
