"""The command line.

Imports next to nothing of ours, so that help and the version appear immediately.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import sidecar
from sidecar.host.environment import DATA_DIR_VARIABLE
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

MODELS = """\
The models of this machine: those in the models folder and in the folders of
the config, and what Hugging Face's cache, LM Studio, Ollama, Jan and llama.cpp
keep, which are used where they are and never written to.
"""

MODELS_EXAMPLES = """\
examples:
  llama-sidecar models list
  llama-sidecar models search qwen3 4b
  llama-sidecar models download unsloth/Qwen3-4B-GGUF:Q4_K_M
  llama-sidecar models fit llama3.2:3b --ctx-size 32768
  llama-sidecar models inspect llama3.2:3b
  llama-sidecar models import ~/Downloads/some-Q4_K_M.gguf --move
  llama-sidecar models delete some-Q4_K_M --dry-run
  llama-sidecar models restore some-Q4_K_M
"""

SERVE = """\
Serve programs on this machine. Without --web that is one host on stdin and
stdout, as with no command at all.

With --web it is a page in a browser: the address on stdout lets one browser in,
where any number of tabs may be open. Only this machine is listened to, and only
the page itself may connect. Ctrl-C ends it.
"""

SERVE_EXAMPLES = """\
examples:
  llama-sidecar serve --web --open
  llama-sidecar serve --web --port 8123 --data-dir ~/another
"""

ENGINES = """\
The engines of this machine. A llama.cpp build is installed from a release
archive beside those that are there, and has to generate a token first; the
default is used where no engine is named, and is replaced by the last good one
when it stops working.
"""

ENGINES_EXAMPLES = """\
examples:
  llama-sidecar engines list
  llama-sidecar engines install ~/Downloads/llama-b9999-bin-ubuntu-x64.tar.gz
  llama-sidecar engines install https://github.com/…/llama-….zip --sha256 …
  llama-sidecar engines default llama-b9999-bin-ubuntu-x64
  llama-sidecar engines probe ~/llama.cpp/build --prove
"""

DOCTOR = """\
Check this machine as a start would, and report what was found, what will be
used, and what to do where something is missing. The exit code is 0 where a
chat can start, else 1.
"""


MAX_PORT = 65536

NO_TERMINAL_COLUMNS = 80
"""Width of the help where there is no terminal."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; exits with a message where they are wrong, and with help where a person gave none."""
    parser = _parser(arguments)
    options = parser.parse_args(arguments)
    if options.command == "serve" and not options.web and (options.port or options.open):
        parser.error("--port and --open are for --web")
    if options.command in ("models", "engines") and options.action is None:
        options.print_help()
        raise SystemExit(0)
    if options.data_dir is None:
        from sidecar.host.paths import default_data_dir

        options.data_dir = default_data_dir()
    if options.command is None and sys.stdin is not None and sys.stdin.isatty():
        parser.print_help()
        raise SystemExit(0)
    return options


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    # argparse makes a formatter for each argument and asks shutil for the width, which imports compression modules.
    as_written = partial(argparse.RawDescriptionHelpFormatter, width=_columns() - 2)
    parser = argparse.ArgumentParser(prog="llama-sidecar", description=DESCRIPTION, formatter_class=as_written)
    parser.add_argument("--version", action="version", version=f"llama-sidecar {sidecar.__version__}")
    _add_places(parser, missing=None)
    serving = parser.add_argument_group("options for serving a host")
    _add_serving(serving, bound=MAX_LINE_BYTES, no_host_pid=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def command(name: str, summary: str, description: str, epilog: str | None = None) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=summary, description=description, epilog=epilog, formatter_class=as_written
        )
        # Accepted after the command as well as before it, since the order is easily forgotten.
        _add_places(sub, missing=argparse.SUPPRESS)
        return sub

    chat = command("chat", "chat with a model in the terminal", CHAT, CHAT_EXAMPLES)
    chat.add_argument("message", nargs="?", help="send this one message, print the answer and exit")
    chat.add_argument("--session", metavar="ID", help="continue this session; the first letters of its id suffice")
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

    models = command("models", "list, find, download, import and delete models", MODELS, MODELS_EXAMPLES)
    if "models" in arguments:
        from sidecar.cli.model_arguments import add_actions

        add_actions(models, place=_place, shared=partial(_add_places, missing=argparse.SUPPRESS))

    serve = command("serve", "serve a host on stdio, or a page in a browser", SERVE, SERVE_EXAMPLES)
    serve.add_argument("--web", action="store_true", help="serve a page in a browser on this machine")
    serve.add_argument("--port", type=_port, metavar="N", help="listen there; default: the system chooses one")
    serve.add_argument("--open", action="store_true", help="open the page in the browser")
    _add_serving(serve, bound=argparse.SUPPRESS, no_host_pid=argparse.SUPPRESS)

    engines = command("engines", "list, install, choose and remove llama.cpp builds", ENGINES, ENGINES_EXAMPLES)
    if "engines" in arguments:
        from sidecar.cli import engine_arguments

        engine_arguments.add_actions(engines, place=_place, shared=partial(_add_places, missing=argparse.SUPPRESS))

    command("doctor", "report what was found on this machine, what will be used and what is missing", DOCTOR)
    return parser


def _add_places(parser: argparse.ArgumentParser, *, missing: str | None) -> None:
    """Add the options that all commands share. `missing` is the value of an option that is not given."""
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


def _add_serving(parser: argparse._ActionsContainer, *, bound: int | str, no_host_pid: str | None) -> None:
    """Add the options for serving. `bound` and `no_host_pid` are the values of those that are not given."""
    parser.add_argument(
        "--max-line-bytes", type=_positive, default=bound, metavar="N", help="longest line or message that is read"
    )
    parser.add_argument(
        "--host-pid", type=_positive, default=no_host_pid, metavar="PID", help="stop when this process has ended"
    )


def _columns() -> int:
    """The width of the terminal."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    try:
        return os.get_terminal_size(1).columns or NO_TERMINAL_COLUMNS
    except OSError:
        return NO_TERMINAL_COLUMNS


def _place(text: str) -> Path:
    from sidecar.contract.errors import PathNotAllowed
    from sidecar.host import path_policy

    try:
        return path_policy.from_here(text)
    except PathNotAllowed as problem:
        raise argparse.ArgumentTypeError(problem.message) from None


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, which is 1 to {MAX_PORT - 1}")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
