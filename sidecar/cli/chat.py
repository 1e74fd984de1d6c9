"""`llama-sidecar chat`: a conversation in the terminal.

Owns the loop of question and answer. It is a host like any other: everything goes over the wire.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from sidecar.cli import screen
from sidecar.cli.host import started
from sidecar.cli.slash import Conversation, Quit, run_slash
from sidecar.client import SidecarClient
from sidecar.contract.errors import Cancelled, SidecarError
from sidecar.contract.servers import ServerInfo

DEMO_MESSAGE = "In two sentences: what is a llama, and why do people like them?"
DEMO_TOKENS = 96
"""Enough for two sentences; a small model may not know when to stop."""

GREETING = "Type a message, /help for commands. Ctrl-C stops an answer, Ctrl-D quits."


def chat(options: argparse.Namespace) -> int:
    """Chat until the person has enough; returns the exit code."""
    # Coroutines run only while there is something to wait for; in between the terminal is Python's plain `input`,
    # which a Ctrl-C interrupts. While they run, asyncio turns a Ctrl-C into a cancellation.
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            client, _ = runner.run(stack.enter_async_context(started(options)))
            server = runner.run(_start(client, options))
            conversation = Conversation(client, options.session)
            if options.system:
                runner.run(conversation.set_system(options.system))
            if options.demo:
                return runner.run(_once(conversation, DEMO_MESSAGE, max_tokens=DEMO_TOKENS))
            message = options.message or ("" if sys.stdin.isatty() else sys.stdin.read())
            if message.strip():
                return runner.run(_once(conversation, message))
            if not sys.stdin.isatty():
                screen.status.print("Nothing was said: give a message, or use a terminal.")
                return 1
            return _talk(runner, conversation, server)
        finally:
            runner.run(stack.aclose())


def _talk(runner: asyncio.Runner, conversation: Conversation, server: ServerInfo) -> int:
    try:
        import readline  # noqa: F401 - gives `input` line editing, where the system has it
    except ImportError:  # Windows' console edits lines itself
        screen.status.print()
    screen.status.print(f"[bold]{screen.headline(server)}[/]")
    screen.status.print(f"[dim]{GREETING}[/]")
    while True:
        try:
            line = input("\n> ").strip()
        except EOFError:
            screen.status.print()
            return 0
        except KeyboardInterrupt:
            screen.status.print("[dim]Ctrl-D or /quit ends the chat.[/]")
            continue
        if not line:
            continue
        try:
            runner.run(_answer(conversation, line))
        except Quit:
            return 0
        except KeyboardInterrupt:
            screen.status.print("[dim]stopped[/]")


async def _answer(conversation: Conversation, line: str) -> None:
    """Carry out a command, or send a message and print the answer."""
    try:
        if line.startswith("/"):
            await run_slash(conversation, line)
        else:
            await _say(conversation, line)
    except SidecarError as error:
        screen.problem(error)


async def _once(conversation: Conversation, message: str, *, max_tokens: int | None = None) -> int:
    """Send one message and print the answer."""
    screen.status.print(f"[bold]> {message.strip()}[/]", markup=True)
    try:
        finished = await _say(conversation, message, max_tokens=max_tokens)
    except SidecarError as error:
        screen.problem(error)
        return 1
    return 0 if finished else 130


async def _say(conversation: Conversation, message: str, *, max_tokens: int | None = None) -> bool:
    """Send a message; False if a Ctrl-C stopped the answer."""
    printer = screen.AnswerPrinter()
    try:
        result = await _until_interrupted(
            conversation.client.send_message(
                message=message,
                session_id=conversation.session_id,
                system=conversation.take_system(),
                max_tokens=max_tokens,
                on_event=printer.show,
            ),
            conversation,
        )
    except Cancelled:
        result = None
    sys.stdout.write("\n")
    sys.stdout.flush()
    if result is None:
        screen.status.print("[dim]stopped; what was said so far is kept[/]")
        return False
    screen.status.print(f"[dim]{screen.figures(result)}[/]")
    return True


async def _until_interrupted(answer: Coroutine[Any, Any, Any], conversation: Conversation) -> Any:
    """Wait for an answer; a Ctrl-C stops it at the engine and the program goes on."""
    turn = asyncio.ensure_future(answer)
    try:
        return await asyncio.shield(turn)
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        await conversation.client.cancel_message(session_id=conversation.session_id)
        return await turn


async def _start(client: SidecarClient, options: argparse.Namespace) -> ServerInfo:
    with screen.LoadProgress() as progress:
        is_path = bool(options.model) and options.model.endswith(".gguf")
        return await client.start_llama_server(
            model=None if is_path else options.model,
            model_path=options.model if is_path else None,
            engine=options.engine,
            llama_cpp_path=options.llama_cpp,
            ctx_size=options.ctx_size,
            on_event=progress.show,
        )
