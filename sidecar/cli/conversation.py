"""A conversation as the terminal sees it.

Owns which session it is, which settings its first message has to carry, and how its engine is started, or restarted
when it has ended. Everything goes over the wire; the terminal stores nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from sidecar.cli import screen
from sidecar.cli.answer import AnswerPrinter, figures
from sidecar.client import SidecarClient
from sidecar.contract.chat import TurnResult
from sidecar.contract.errors import Cancelled, ServerNotRunning, SessionNotFound
from sidecar.contract.servers import ServerInfo, ServerState
from sidecar.contract.sessions import Session
from sidecar.host import path_policy

_WHOLE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

PAGE = 1000
"""Sessions requested in one page: the most that the contract allows."""


LOOK_SECONDS = 0.1
"""Between two checks whether the engine is back: too short for a person to notice."""

_ON_ITS_WAY: frozenset[ServerState] = frozenset({"stopping", "queued", "planning", "starting", "loading", "warming"})


class Conversation:
    """One session, and the engine that answers in it. The session exists in the sidecar from its first message on."""

    def __init__(self, client: SidecarClient, *, start: dict[str, Any]) -> None:
        self.client = client
        self.session_id = str(uuid.uuid4())
        self.used = False
        """Whether anything was said or changed in it, so that it is worth continuing."""
        self._start = start
        self._system: str | None = None

    # --- the engine ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the engine and show it."""
        with screen.LoadProgress() as progress:
            server = await self._started(self.client.start_llama_server(**self._start, on_event=progress.show))
        screen.headline(server)

    async def switch(self, model: str) -> None:
        """Continue with another model."""
        model = as_model(model)
        if not await self.client.is_llama_running() and not await self._is_starting():  # nothing to switch from
            before, self._start = self._start, {**self._start, "model": model, "model_path": None}
            try:
                return await self.start()
            except BaseException:
                self._start = before
                raise
        with screen.LoadProgress() as progress:
            server = await self._started(self.client.switch_model(model=model, on_event=progress.show))
        self._start = {**self._start, "model": None, "model_path": server.model_path}
        return screen.headline(server)

    async def _bring_back(self) -> None:
        """Start the engine again, unless the sidecar is about to do so itself after a crash."""
        with screen.LoadProgress():
            while await self._is_starting():  # noqa: ASYNC110 - the start happens in another process
                await asyncio.sleep(LOOK_SECONDS)
        if (server := await self.server()) is not None:
            screen.headline(server)
        else:
            await self.start()

    async def _is_starting(self) -> bool:
        return any(server.state in _ON_ITS_WAY for server in await self.client.list_servers())

    async def _started(self, start: Coroutine[Any, Any, ServerInfo]) -> ServerInfo:
        """Wait for a start. After a Ctrl-C, stop its process, so that the next start does not meet it."""
        try:
            return await start
        except asyncio.CancelledError:
            try:
                await self.client.stop_llama_server()
            except ServerNotRunning:
                pass  # there was no process yet
            raise

    async def server(self) -> ServerInfo | None:
        """The engine, if it runs."""
        servers = [server for server in await self.client.list_servers() if server.state in ("ready", "sleeping")]
        return servers[0] if servers else None

    # --- messages ------------------------------------------------------------------------------------------

    async def say(self, message: str, *, max_tokens: int | None = None) -> bool:
        """Send a message and print the answer as it arrives; False if a Ctrl-C stopped it."""
        said = await self._answered(
            lambda show: self.client.send_message(
                message=message,
                session_id=self.session_id,
                system=self._system,
                max_tokens=max_tokens,
                on_event=show,
            )
        )
        self._system = None  # the session has it now; after a failed answer it is sent again
        return said

    async def continue_answer(self) -> bool:
        """Have the last answer continued where it was cut, and print what follows; False if a Ctrl-C stopped it."""
        return await self._answered(
            lambda show: self.client.continue_message(session_id=self.session_id, on_event=show)
        )

    async def _answered(self, ask: Callable[[Callable[[Any], None]], Coroutine[Any, Any, TurnResult]]) -> bool:
        """Have a model answer and print that as it arrives; False if a Ctrl-C stopped it."""
        if not await self.client.is_llama_running():
            screen.say("The engine is not running; it is started again.", style="dim")
            await self._bring_back()
        self.used = True
        with AnswerPrinter() as printer:
            result = await self._until_stopped(ask(printer.show))
        if result is None:
            screen.say(f"Stopped.{' The answer so far is kept.' if printer.has_output else ''}", style="dim")
            return False
        screen.say(figures(result), style="dim")
        return True

    async def _until_stopped(self, answer: Coroutine[Any, Any, TurnResult]) -> TurnResult | None:
        """Wait for an answer. A Ctrl-C stops it and waits until the engine is idle; a second Ctrl-C does not wait."""
        turn = asyncio.ensure_future(answer)
        turn.add_done_callback(lambda turn: turn.cancelled() or turn.exception())  # else asyncio logs it as never read
        try:
            return await asyncio.shield(turn)
        except Cancelled:
            return None
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
        try:
            stopped = await self.client.cancel_message(session_id=self.session_id)
            if not stopped.cancelled:  # the request had not reached the engine yet
                turn.cancel()
            return await turn
        except (Cancelled, asyncio.CancelledError):
            return None
        finally:
            turn.cancel()

    # --- the session ---------------------------------------------------------------------------------------

    async def session(self) -> Session | None:
        """The session, if there is one already."""
        try:
            return await self.client.get_session(session_id=self.session_id)
        except SessionNotFound:
            return None

    async def system(self) -> str | None:
        """The system prompt of the session, also of one that does not exist yet."""
        session = await self.session()
        if session is not None:
            return session.system
        return self._system if self._system is not None else (await self.client.get_config()).chat.system

    async def set_system(self, text: str) -> None:
        """Change the system prompt; "" removes it."""
        if await self.session() is None:
            self._system = text
        else:
            await self.client.update_session(session_id=self.session_id, system=text)

    async def set_config(self, changes: dict[str, Any]) -> None:
        """Change settings of the session, which is created if necessary; `None` resets one."""
        if await self.session() is None:
            await self.client.create_session(session_id=self.session_id, system=self._system)
            self._system = None
        await self.client.call("update_session", {"session_id": self.session_id, "config": changes})
        self.used = True

    def begin_new(self) -> None:
        """Continue in a new session."""
        self.session_id, self.used, self._system = str(uuid.uuid4()), False, None

    async def resume(self, start: str) -> Session:
        """Continue in the session whose id begins with `start`.

        Raises:
            SessionNotFound: there is none, or more than one.
        """
        session = await self._find(start)
        self.session_id, self.used, self._system = session.session_id, True, None
        return session

    async def _find(self, start: str) -> Session:
        hint = "/sessions in the chat lists the sessions there are."
        if _WHOLE_ID.fullmatch(start):
            try:
                return await self.client.get_session(session_id=start)
            except SessionNotFound as error:
                raise SessionNotFound(error.message, hint=hint) from None
        found: list[Session] = []
        cursor: str | None = None
        while True:
            page = await self.client.list_sessions(limit=PAGE, cursor=cursor)
            found += [session for session in page.sessions if session.session_id.startswith(start.lower())]
            cursor = page.next_cursor
            if cursor is None:
                break
        if len(found) == 1:
            return found[0]
        if not found:
            raise SessionNotFound(f'There is no session whose id begins with "{start}".', hint=hint)
        raise SessionNotFound(
            f'{len(found)} sessions have an id that begins with "{start}".', hint="Give more of its letters."
        )


def start_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The command line's options for the engine, as parameters of a start."""
    model = as_model(options.model) if options.model else None
    return {
        "model": model,
        "engine": options.engine,
        "llama_cpp_path": str(path_policy.from_here(options.llama_cpp)) if options.llama_cpp else None,
        "ctx_size": options.ctx_size,
    }


def as_model(name: str) -> str:
    """A model as the sidecar expects it: a name is unchanged, a path is made absolute from the current folder."""
    if not name.endswith(".gguf"):
        return name
    path = path_policy.from_here(name)
    return str(path) if "/" in name or path.is_file() else name
