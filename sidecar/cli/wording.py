"""Errors in the words of a terminal.

Owns what a person types for an error's remedies, and which part of an engine's log is worth showing. Knows
nothing of colours, and needs nothing that is not always installed.
"""

from __future__ import annotations

from sidecar.client import ConnectionClosed
from sidecar.contract.errors import DataDirLocked, EngineCrashed, EngineStartFailed, ServerNotRunning, SidecarError

SHOWN_LOG_LINES = 8
"""Of an engine's log: the reason stands at its end, and all of it is in a file."""

_HINTS: dict[type[SidecarError], str] = {
    EngineCrashed: "What was said so far is kept, and the engine is started again.",
    ServerNotRunning: "Your next message starts the engine.",
    DataDirLocked: "End that one first (a chat in another window, or an app), or use another folder with --data-dir.",
}
"""In place of an error's usual hint; one that was written for the very case is kept."""

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


def hint_of(error: SidecarError) -> str:
    """What a person in a terminal can do about an error: the hint, and what to type; empty where there is nothing."""
    if error.hint == type(error).default_hint and type(error) in _HINTS:
        return _HINTS[type(error)]
    named = [name for remedy in error.remedies for name in (remedy.action, *remedy.params.get("names", ()))]
    ways = dict.fromkeys(_WAYS[name] for name in named if name in _WAYS)
    return " ".join(part for part in (error.hint, f"({', '.join(ways)})" if ways else "") if part)


def log_of(error: SidecarError) -> list[str]:
    """The end of the log of an engine that did not start, or that died."""
    tail = error.data.get("log_tail")
    if not isinstance(error, EngineStartFailed | EngineCrashed) or not isinstance(tail, list):
        return []
    return [str(line) for line in tail[-SHOWN_LOG_LINES:]]


def lines_of(error: SidecarError) -> list[str]:
    """An error as plain lines: what happened, what to do, the end of the log."""
    told = [f"error: {error.message}"]
    if hint := hint_of(error):
        told.append(f"  {hint}")
    return told + [f"  | {line}" for line in log_of(error)]


def broken(error: ConnectionClosed) -> list[str]:
    """The end of our sidecar, which nobody wanted, as plain lines."""
    return [
        f"error: The connection to the sidecar broke: {error}.",
        "  Sessions are kept. To see why, look into the logs of the data folder, or try again with --log-level debug.",
    ]


def from_terminal(text: str) -> str:
    """What was typed or given as an argument, as text that can be sent.

    Where the locale can not tell what bytes mean, Python smuggles them into the text. They are UTF-8 in nearly all
    terminals, whatever the locale.
    """
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
