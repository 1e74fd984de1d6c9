"""`llama-sidecar call METHOD [json]`: any method, its events and its result as JSON."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import Any, TextIO

import msgspec
import orjson

from sidecar.cli.host import connected
from sidecar.cli.printable import PrintableStream, printable_json
from sidecar.cli.wording import from_terminal
from sidecar.contract import METHODS
from sidecar.contract.errors import InvalidParams, MethodNotFound, ServerNotRunning, SidecarError

FAILED = 1


async def call(options: argparse.Namespace) -> int:
    """Call one method; its result goes to stdout, its events to stderr, one a line."""
    try:
        return await _call(options)
    except SidecarError as error:
        _print_error(error, started=options.start)
        return FAILED


async def _call(options: argparse.Namespace) -> int:
    method = METHODS.get(options.method)
    if method is None:
        raise MethodNotFound(f'There is no method "{options.method}".', hint=_near(options.method))
    params = _params(options.params)
    async with connected(options) as client:
        if options.start:
            await client.start_llama_server()
        result = await client.call(method.name, params, on_event=_show_event if method.streams else None)
        _write(sys.stdout, orjson.dumps(result, option=orjson.OPT_INDENT_2))
        if method.name == "subscribe":  # its events follow the answer
            await client.wait_closed()
    return 0


def _params(text: str) -> dict[str, Any]:
    if text == "-":
        if sys.stdin is None:
            raise InvalidParams("There is no stdin to read the parameters from.", hint="Give them as an argument.")
        given = sys.stdin.buffer.read()
    else:
        given = from_terminal(text).encode()
    hint = "Give one JSON object, in single quotes for the shell, such as '{\"limit\": 5}'."
    try:
        params = orjson.loads(given)
    except orjson.JSONDecodeError as error:
        raise InvalidParams(f"The parameters are not JSON: {error}.", hint=hint) from None
    if not isinstance(params, dict):
        raise InvalidParams("The parameters are not a JSON object.", hint=hint)
    return params


def _near(name: str) -> str:
    close = difflib.get_close_matches(name, METHODS, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return f"{meant}llama-sidecar call rpc.discover has all methods."


def _show_event(event: Any) -> None:
    _write(sys.stderr, orjson.dumps(event))


def _write(stream: TextIO, line: bytes) -> None:
    """Write JSON: to a file or a pipe byte for byte, to a terminal with what is not printable escaped."""
    if isinstance(stream, PrintableStream):
        stream.write(f"{printable_json(line)}\n")
    else:
        stream.buffer.write(line + b"\n")
    stream.flush()


def _print_error(error: SidecarError, *, started: bool) -> None:
    """Print an error for the author of a host: its message, its name, and all its data."""
    hint = error.hint
    if isinstance(error, ServerNotRunning) and not started:
        hint = "Each call has a sidecar of its own: with --start it starts an engine first."
    print(f"error: {error.message} ({error.name})", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)
    if error.remedies:
        print(f"  remedies: {orjson.dumps(error.remedies, default=msgspec.to_builtins).decode()}", file=sys.stderr)
    for name, value in error.data.items():
        if isinstance(value, list):
            print(f"  {name}:", *(f"  | {line}" for line in value), sep="\n", file=sys.stderr)
        elif value is not None:
            print(f"  {name}: {value}", file=sys.stderr)
