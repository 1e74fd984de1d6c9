"""Errors as text for a terminal.

Owns what a person types for an error's remedies, and which part of an engine's log is shown. Knows nothing of colours,
and needs no optional package.
"""

from __future__ import annotations

import argparse
import shlex

from sidecar.client import ConnectionClosed
from sidecar.contract.errors import EngineCrashed, EngineStartFailed, ServerNotRunning, SidecarError
from sidecar.host.paths import default_data_dir

SHOWN_LOG_LINES = 8
"""Of an engine's log: the reason is at its end, and the whole log is in a file."""

SHOWN_LETTERS = 200
"""Shown of an earlier message when a session is resumed: enough to recognise it."""

_HINTS: dict[type[SidecarError], str] = {
    EngineCrashed: "The answer so far is kept, and the engine is started again.",
    ServerNotRunning: "Your next message starts the engine.",
}
"""Replacements of an error's default hint; a hint written for the case at hand is kept."""

_WAYS = {
    "ctx_size": "--ctx-size",
    "model": "--model",
    "model_path": "--model",
    "llama_cpp_path": "--llama-cpp",
    "context_policy": "/config context_policy=drop_oldest",
    "create_session": "/new",
    "start_llama_server": "--ctx-size",
    "list_sessions": "/sessions",
    "restart_server": "/switch",
    "install_engine": "llama-sidecar engines install",
    "search_hub": "llama-sidecar models search",
    "download_model": "llama-sidecar models download",
}
"""What a person types for a parameter that is to be changed, or for a method."""


_WAYS_OF_A_NAME = {
    **{key: way for key, way in _WAYS.items() if not way.startswith("/")},
    "model": "NAME",
    "model_path": "NAME",
}
"""The same for commands that take the name of a model as their argument, outside of a chat."""


def hint_of(error: SidecarError, *, takes_name: bool = False) -> str:
    """What a person in a terminal can do about an error: the hint, and what to type; empty where there is nothing.

    Args:
        takes_name: the command is not a chat, and takes a model's name as its argument.
    """
    known = _WAYS_OF_A_NAME if takes_name else _WAYS
    if error.hint == type(error).default_hint and type(error) in _HINTS:
        return _HINTS[type(error)]
    named = [name for remedy in error.remedies for name in (remedy.action, *remedy.params.get("names", ()))]
    ways = dict.fromkeys(known[name] for name in named if name in known)
    return " ".join(part for part in (error.hint, f"({', '.join(ways)})" if ways else "") if part)


def log_of(error: SidecarError) -> list[str]:
    """The end of the log of an engine that failed to start, or crashed."""
    tail = error.data.get("log_tail")
    if not isinstance(error, EngineStartFailed | EngineCrashed) or not isinstance(tail, list):
        return []
    return [str(line) for line in tail[-SHOWN_LOG_LINES:]]


def lines_of(error: SidecarError, *, takes_name: bool = False) -> list[str]:
    """An error as plain lines: what happened, what to do, the end of the log."""
    lines = [f"error: {error.message}"]
    if hint := hint_of(error, takes_name=takes_name):
        lines.append(f"  {hint}")
    return lines + [f"  | {line}" for line in log_of(error)]


def typed(options: argparse.Namespace, *words: str) -> str:
    """A command as it is typed, with the data folder where another one than usual is used."""
    all_words = ["llama-sidecar", *words]
    if options.data_dir != default_data_dir():
        all_words += ["--data-dir", str(options.data_dir)]
    return shlex.join(all_words)


def broken(error: ConnectionClosed) -> list[str]:
    """The unexpected end of our sidecar, as plain lines."""
    return [
        f"error: The connection to the sidecar broke: {error}.",
        "  Sessions are kept. The logs in the data folder have the reason; --log-level debug logs more.",
    ]


def from_terminal(text: str) -> str:
    """Typed text or an argument, as text that can be sent.

    Python keeps bytes that the locale cannot decode as surrogates. They are UTF-8 in nearly all terminals, whatever the
    locale.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def shortened(text: str) -> str:
    """An earlier message on one line, as much of it as is needed to recognise it."""
    flat = " ".join(text.split())
    return flat if len(flat) <= SHOWN_LETTERS else f"{flat[: SHOWN_LETTERS - 1]}…"
