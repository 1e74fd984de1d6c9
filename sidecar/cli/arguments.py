"""The command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import sidecar
from sidecar.host.paths import DATA_DIR_VARIABLE, default_data_dir
from sidecar.transport.framing import MAX_LINE_BYTES

DESCRIPTION = """\
Run local language models for a program or a person.

With no command, and stdin and stdout connected to a host, llama-sidecar serves line-delimited JSON-RPC 2.0 there.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with a message where they are wrong, and with help where a person gave none."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.data_dir = options.data_dir.expanduser().absolute() if options.data_dir else default_data_dir()
    if options.command is None and sys.stdin is not None and sys.stdin.isatty():
        parser.print_help()
        raise SystemExit(0)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="llama-sidecar", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"llama-sidecar {sidecar.__version__}")
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help=f"models, history, config and logs (or {DATA_DIR_VARIABLE})"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="config file, instead of the data folder's")
    parser.add_argument(
        "--max-line-bytes", type=_positive, default=MAX_LINE_BYTES, metavar="N", help="longest line that is read"
    )
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], metavar="L")
    parser.add_argument("--host-pid", type=_positive, metavar="PID", help="stop when this process has ended")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    chat = commands.add_parser("chat", help="chat with a model in the terminal")
    chat.add_argument("message", nargs="?", help="send this one message, print the answer and exit")
    chat.add_argument("--session", metavar="ID", help="go on with this session")
    chat.add_argument("--system", metavar="TEXT", help="system prompt")
    chat.add_argument("--model", metavar="NAME", help="model by name or path; default: the last used")
    chat.add_argument("--engine", choices=["llama-server", "embedded", "llama-cpp-python"])
    chat.add_argument("--llama-cpp", metavar="DIR", help="folder of a llama.cpp build")
    chat.add_argument("--ctx-size", type=_positive, metavar="N", help="context in tokens")
    chat.add_argument("--demo", action="store_true", help="send one message made for this, print the answer and exit")

    call = commands.add_parser("call", help="call any method and print its result as JSON")
    call.add_argument("method", help="such as list_models; rpc.discover has all of them")
    call.add_argument("params", nargs="?", default="{}", help="its parameters as JSON; - reads them from stdin")

    commands.add_parser("doctor", help="say what was found on this machine, what will be used and what is missing")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
