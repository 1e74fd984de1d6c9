"""The command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import sidecar
from sidecar import given_paths
from sidecar.contract.errors import PathNotAllowed
from sidecar.host.paths import DATA_DIR_VARIABLE, default_data_dir
from sidecar.transport.framing import MAX_LINE_BYTES

DESCRIPTION = """\
Run local language models for a program or a person.

With no command, and stdin and stdout connected to a host, llama-sidecar serves
line-delimited JSON-RPC 2.0 there.
"""

CHAT = """\
Chat with a model. On a terminal it asks for messages; /help lists the commands
there. With a message, or with text on stdin, it prints one answer and exits.
Answers go to stdout, everything else to stderr.
"""

CHAT_EXAMPLES = """\
examples:
  llama-sidecar chat
  llama-sidecar chat "Why is the sky blue?" > answer.txt
  llama-sidecar chat --session 3f2a9c01 "And at sunset?"
  llama-sidecar chat --model ~/models/some.gguf --ctx-size 16384 < question.txt
"""

CALL = """\
Call any method of the contract. Its result goes to stdout as JSON, its events
go to stderr, one a line.

Each call has a sidecar of its own, which ends with it; --start gives it an
engine first.
"""

CALL_EXAMPLES = """\
examples:
  llama-sidecar call list_models
  llama-sidecar call set_config '{"patch": {"chat": {"temperature": 0.2}}}'
  llama-sidecar call --start send_message '{"message": "Hello!"}'
  llama-sidecar call subscribe '{"topics": ["resources"]}'     until Ctrl-C
  llama-sidecar call rpc.discover                              all methods
"""

MODELS = "What there is to know of models before they are started."

DOCTOR = """\
Look at this machine as a start would, and say in plain words what was found,
what will be used, and what to do where something is missing. The exit code is
0 where a chat can start, else 1.
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with a message where they are wrong, and with help where a person gave none."""
    parser = _parser()
    options = parser.parse_args(arguments)
    options.data_dir = options.data_dir or default_data_dir()
    if options.command is None and sys.stdin is not None and sys.stdin.isatty():
        parser.print_help()
        raise SystemExit(0)
    return options


def _parser() -> argparse.ArgumentParser:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="llama-sidecar", description=DESCRIPTION, formatter_class=as_written)
    parser.add_argument("--version", action="version", version=f"llama-sidecar {sidecar.__version__}")
    _add_places(parser, missing=None)
    serving = parser.add_argument_group("options for serving a host")
    serving.add_argument(
        "--max-line-bytes", type=_positive, default=MAX_LINE_BYTES, metavar="N", help="longest line that is read"
    )
    serving.add_argument("--host-pid", type=_positive, metavar="PID", help="stop when this process has ended")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name: str, summary: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=summary, description=description, epilog=epilog, formatter_class=as_written
        )
        # After the command as well as before it: nobody remembers which.
        _add_places(sub, missing=argparse.SUPPRESS)
        return sub

    chat = command("chat", "chat with a model in the terminal", CHAT, CHAT_EXAMPLES)
    chat.add_argument("message", nargs="?", help="send this one message, print the answer and exit")
    chat.add_argument("--session", metavar="ID", help="go on with this session; the first letters of its id will do")
    chat.add_argument("--system", metavar="TEXT", help='system prompt of the session; "" removes it')
    chat.add_argument("--model", metavar="NAME", help="a model's name, or the path of a GGUF file")
    chat.add_argument(
        "--engine", choices=["llama-server", "embedded", "llama-cpp-python"], help="default: the best one found"
    )
    chat.add_argument("--llama-cpp", metavar="DIR", help="folder of a llama.cpp build to take llama-server from")
    chat.add_argument("--ctx-size", type=_positive, metavar="N", help="context in tokens")
    chat.add_argument("--demo", action="store_true", help="send one message made for this, print the answer and exit")

    call = command("call", "call any method and print its result as JSON", CALL, CALL_EXAMPLES)
    call.add_argument("method", metavar="METHOD", help="such as list_models; rpc.discover has all of them")
    call.add_argument("params", metavar="JSON", nargs="?", default="{}", help="its parameters; - reads them from stdin")
    call.add_argument("--start", action="store_true", help="first start an engine with the model that chat would use")

    models = command("models", "whether models fit this machine", MODELS)
    actions = models.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    fit = actions.add_parser("fit", help="what a model takes of memory, and settings that suit this machine")
    _add_places(fit, missing=argparse.SUPPRESS)
    fit.add_argument("name", metavar="NAME", nargs="?", help="a model's name; default: the one that chat would use")
    fit.add_argument("--ctx-size", type=_positive, metavar="N", help="context in tokens")
    fit.add_argument(
        "--engine", choices=["llama-server", "embedded", "llama-cpp-python"], help="default: the best found"
    )
    fit.add_argument("--llama-cpp", metavar="DIR", help="folder of a llama.cpp build to take llama-server from")
    fit.add_argument("--quick", action="store_true", help="by the file's header alone, without running an engine")

    command("doctor", "say what was found on this machine, what will be used and what is missing", DOCTOR)
    return parser


def _add_places(parser: argparse.ArgumentParser, *, missing: str | None) -> None:
    """The options that all commands share. `missing` stands for an option that is not given."""
    parser.add_argument(
        "--data-dir",
        type=_place,
        metavar="DIR",
        default=missing,
        help=f"folder of models, history, config and logs (or {DATA_DIR_VARIABLE})",
    )
    parser.add_argument(
        "--config", type=_place, metavar="FILE", default=missing, help="config file, instead of the data folder's"
    )
    parser.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        metavar="LEVEL",
        default=missing,
        help="debug, info, warning or error",
    )


def _place(text: str) -> Path:
    try:
        return given_paths.from_here(text)
    except PathNotAllowed as problem:
        raise argparse.ArgumentTypeError(problem.message) from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
