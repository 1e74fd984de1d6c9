"""A conversation as the terminal sees it.

Owns which session it is, what is still to be told with its first message, and how its engine is started, again where it
has ended. Everything goes over the wire; the terminal keeps nothing of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import uuid
from collections.abc import Coroutine
from typing import Any

from sidecar.cli import screen
from sidecar.cli.answer import AnswerPrinter, figures
from sidecar.client import SidecarClient
from sidecar.contract.chat import TurnResult
from sidecar.contract.errors import Cancelled, ServerNotRunning, SessionNotFound
from sidecar.contract.servers import ServerInfo, ServerState
from sidecar.contract.sessions import Session, SessionConfig
from sidecar.host import path_policy

_WHOLE_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

PAGE = 1000
"""Sessions that are asked for at once: the most there may be."""


LOOK_SECONDS = 0.1
"""How often it is looked whether the engine is back: a person does not notice less."""

_ON_ITS_WAY: frozenset[ServerState] = frozenset({"stopping", "queued", "planning", "starting", "loading", "warming"})


class Conversation:
    """One session, and the engine that answers in it. A session exists in the sidecar from its first message on."""

    def __init__(self, client: SidecarClient, *, start: dict[str, Any]) -> None:
        self.client = client
        self.session_id = str(uuid.uuid4())
        self.used = False
        """Whether anything was said or changed in it, so that it is worth going on with."""
        self._start = start
        self._system: str | None = None

    # --- the engine ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the engine and say what it is."""
        with screen.LoadProgress() as progress:
            server = await self._started(self.client.start_llama_server(**self._start, on_event=progress.show))
        screen.headline(server)

    async def switch(self, model: str) -> None:
        """Go on with another model."""
        model = as_model(model)
        if not await self.client.is_llama_running() and not await self._is_on_its_way():  # nothing to switch from
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
        """Have the engine run again: the sidecar may be about to start it by itself, after a crash."""
        with screen.LoadProgress():
            while await self._is_on_its_way():  # noqa: ASYNC110 - it happens in another process
                await asyncio.sleep(LOOK_SECONDS)
        if (server := await self.server()) is not None:
            screen.headline(server)
        else:
            await self.start()

    async def _is_on_its_way(self) -> bool:
        return any(server.state in _ON_ITS_WAY for server in await self.client.list_servers())

    async def _started(self, start: Coroutine[Any, Any, ServerInfo]) -> ServerInfo:
        """Wait for a start. After a Ctrl-C its process is gone, so that the next start finds nothing in its way."""
        try:
            return await start
        except asyncio.CancelledError:
            try:
                await self.client.stop_llama_server()
            except ServerNotRunning:
                pass  # it had not come so far
            raise

    async def server(self) -> ServerInfo | None:
        """The engine, if it runs."""
        servers = [server for server in await self.client.list_servers() if server.state in ("ready", "sleeping")]
        return servers[0] if servers else None

    # --- messages ------------------------------------------------------------------------------------------

    async def say(self, message: str, *, max_tokens: int | None = None) -> bool:
        """Send a message and print the answer as it comes; False if a Ctrl-C stopped it."""
        if not await self.client.is_llama_running():
            screen.say("The engine is not running; it is started again.", style="dim")
            await self._bring_back()
        self.used = True
        with AnswerPrinter() as printer:
            result = await self._until_stopped(
                self.client.send_message(
                    message=message,
                    session_id=self.session_id,
                    system=self._system,
                    max_tokens=max_tokens,
                    on_event=printer.show,
                )
            )
        self._system = None  # kept with the session; until an answer went well it is sent again
        if result is None:
            screen.say(f"Stopped.{' What was said so far is kept.' if printer.said else ''}", style="dim")
            return False
        screen.say(figures(result), style="dim")
        return True

    async def _until_stopped(self, answer: Coroutine[Any, Any, TurnResult]) -> TurnResult | None:
        """Wait for an answer. A Ctrl-C stops it and waits until the engine is idle; a second one does not wait."""
        turn = asyncio.ensure_future(answer)
        turn.add_done_callback(lambda turn: turn.cancelled() or turn.exception())  # where nobody else looks at it
        try:
            return await asyncio.shield(turn)
        except Cancelled:
            return None
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
        try:
            stopped = await self.client.cancel_message(session_id=self.session_id)
            if not stopped.cancelled:  # it had not come so far that there was something to stop
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
        """The system prompt, of the session or of the one to come."""
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

    async def set_config(self, config: SessionConfig) -> None:
        """Replace the settings of the session, which is made if need be."""
        if await self.session() is None:
            await self.client.create_session(session_id=self.session_id, system=self._system)
            self._system = None
        await self.client.update_session(session_id=self.session_id, config=config)
        self.used = True

    def begin_anew(self) -> None:
        """Go on in a new session."""
        self.session_id, self.used, self._system = str(uuid.uuid4()), False, None

    async def go_to(self, start: str) -> Session:
        """Go on in the session whose id begins so.

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
    """What the command line says about the engine, as parameters of a start."""
    model = as_model(options.model) if options.model else None
    return {
        "model": model,
        "engine": options.engine,
        "llama_cpp_path": str(path_policy.from_here(options.llama_cpp)) if options.llama_cpp else None,
        "ctx_size": options.ctx_size,
    }


def as_model(name: str) -> str:
    """A model as the sidecar takes it: a name stays one, a path is made absolute as a person means it, from here."""
    if not name.endswith(".gguf"):
        return name
    path = path_policy.from_here(name)
    return str(path) if "/" in name or path.is_file() else name
