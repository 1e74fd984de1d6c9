"""Errors in the words of a terminal.

The sidecar's hints speak to programs: they name methods and parameters. Owns what a person does instead, and which
part of an engine's log is worth showing. Knows nothing of colours, and needs nothing that is not always installed.
"""

from __future__ import annotations

from sidecar.client import ConnectionClosed
from sidecar.contract.errors import (
    ContextTooLong,
    DataDirLocked,
    EngineCrashed,
    EngineStartFailed,
    EngineUnresponsive,
    ServerNotRunning,
    SessionNotFound,
    SidecarError,
)

SHOWN_LOG_LINES = 8
"""Of an engine's log: the reason stands at its end, and all of it is in a file."""

_HINTS: dict[type[SidecarError], str] = {
    ContextTooLong: "Shorten the message, begin anew with /new, leave out old messages with "
    "/config context_policy=drop_oldest, or start the chat with a larger --ctx-size.",
    EngineCrashed: "What was said so far is kept, and the engine is started again.",
    EngineUnresponsive: "Try again; /switch with the model's name loads it anew.",
    ServerNotRunning: "Your next message starts the engine.",
    SessionNotFound: "/sessions lists the sessions there are.",
    DataDirLocked: "End that one first (a chat in another window, or an app), or use another folder with --data-dir.",
}
"""In place of an error's usual hint; one that was written for the very case is kept."""

_PHRASES = (
    ("Call list_models, or give model_path.", "The path of a GGUF file will do, too."),
    ("or give model_path", "or name a file with --model"),
    ("Give model, or set models.default", "Name it with --model, or set models.default"),
    ("Give llama_cpp_path", "Name a llama.cpp folder with --llama-cpp"),
    ("Look at log_tail, or at get_logs of this server.", "The end of its log is below."),
    ("(log_tail names it)", "(the log below names it)"),
    ("Lower ctx_size or parallel", "Give a smaller --ctx-size"),
    ("lower ctx_size", "give a smaller --ctx-size"),
)


def hint_of(error: SidecarError) -> str:
    """What a person in a terminal can do about an error, in a sentence; empty where there is nothing."""
    if error.hint == type(error).default_hint and type(error) in _HINTS:
        return _HINTS[type(error)]
    hint = error.hint
    for phrase, words in _PHRASES:
        hint = hint.replace(phrase, words)
    return hint


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
