"""`llama-sidecar chat`: a conversation in the terminal.

Owns the loop of question and answer. It is a host like any other: everything goes over the wire.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import AsyncExitStack

from sidecar.cli import screen, tables
from sidecar.cli.conversation import Conversation, start_settings
from sidecar.cli.host import introduced
from sidecar.cli.interrupts import Interruptible
from sidecar.cli.prompt import Prompt
from sidecar.cli.slash import COMMANDS, Quit, run_slash, show_resumed
from sidecar.cli.wording import from_terminal, typed
from sidecar.contract.errors import SidecarError

DEMO_MESSAGE = "In two sentences: what is a llama, and why do people like them?"
DEMO_TOKENS = 96
"""Enough for two sentences; a small model may not stop by itself."""

GREETING = "/help lists commands. Ctrl-C stops an answer, Ctrl-D ends the chat."

INTERRUPTED = 130


def chat(options: argparse.Namespace) -> int:
    """Chat until the person ends it; returns the exit code."""
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    message = _one_message(options, on_terminal=on_terminal)
    if not message.strip() and not on_terminal:
        print("error: There is no message.", file=sys.stderr)
        print("  Give one as an argument or on stdin, or start the chat in a terminal.", file=sys.stderr)
        return 2
    with Interruptible() as loop:
        stack = AsyncExitStack()
        try:
            conversation = loop.run(_begin(stack, options))
            if message.strip():
                return loop.run(_once(conversation, message, options))
            return _talk(loop, conversation, options)
        except KeyboardInterrupt:  # while the model was loading
            screen.say("Stopped.", style="dim")
            return INTERRUPTED
        finally:
            loop.finish(stack.aclose())


def _one_message(options: argparse.Namespace, *, on_terminal: bool) -> str:
    """The message to send, where there is only one; empty where a person is to type them."""
    if options.demo:
        return DEMO_MESSAGE
    if options.message:
        return from_terminal(options.message)
    if on_terminal or sys.stdin is None:
        return ""
    return sys.stdin.buffer.read().decode("utf-8", "replace")


async def _begin(stack: AsyncExitStack, options: argparse.Namespace) -> Conversation:
    """A sidecar, the session and a running engine."""
    client, hello = await stack.enter_async_context(introduced(options))
    screen.notices(hello.notices)
    conversation = Conversation(client, start=start_settings(options))
    session = await conversation.resume(from_terminal(options.session)) if options.session else None
    if options.system is not None:
        await conversation.set_system(from_terminal(options.system))
    await conversation.start()
    if session is not None:
        await show_resumed(conversation, session)
    return conversation


async def _once(conversation: Conversation, message: str, options: argparse.Namespace) -> int:
    """Send one message and print the answer."""
    if options.demo:
        screen.say()
        screen.say("> ", message)
    finished = await conversation.say(message, max_tokens=DEMO_TOKENS if options.demo else None)
    if not options.demo:
        _say_how_to_continue(conversation, options)
    return 0 if finished else INTERRUPTED


def _talk(loop: Interruptible, conversation: Conversation, options: argparse.Namespace) -> int:
    """Ask for lines until there are no more."""
    prompt = Prompt([command.name for command in COMMANDS])
    screen.say(GREETING, style="dim")
    while True:
        try:
            line = prompt.ask()
        except EOFError:
            screen.say()
            break
        except KeyboardInterrupt:
            screen.say()
            screen.say("Ctrl-D or /quit ends the chat.", style="dim")
            continue
        try:
            loop.run(_answer(conversation, line))
        except Quit:
            break
        except KeyboardInterrupt:
            screen.say("Stopped.", style="dim")
    _say_how_to_continue(conversation, options)
    return 0


async def _answer(conversation: Conversation, line: str) -> None:
    """Carry out a command, or send a message and print the answer."""
    try:
        if line.startswith("/"):
            await run_slash(conversation, line)
        elif line.strip():
            await conversation.say(line.strip())
    except SidecarError as error:
        screen.problem(error)


def _say_how_to_continue(conversation: Conversation, options: argparse.Namespace) -> None:
    if not conversation.used:
        return
    way = typed(options, "chat", "--session", conversation.session_id[: tables.SHORT_ID])
    screen.say("To continue: ", way, style="dim")
