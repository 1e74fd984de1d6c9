"""The chat's commands: /help, /config and the others.

Owns the conversation's state on our side: which session it is, and what is to be told with the next message.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from sidecar.cli import screen
from sidecar.client import SidecarClient
from sidecar.contract.errors import InvalidParams, SessionNotFound
from sidecar.contract.sessions import SessionConfig

LISTED_SESSIONS = 20


class Quit(Exception):
    """The person has enough."""


class Conversation:
    """A session as the terminal sees it. It exists in the sidecar from its first message on."""

    def __init__(self, client: SidecarClient, session_id: str | None) -> None:
        self.client = client
        self.session_id = session_id or str(uuid.uuid4())
        self._system: str | None = None

    def take_system(self) -> str | None:
        """A system prompt to send with the next message, once."""
        system, self._system = self._system, None
        return system

    async def set_system(self, text: str) -> None:
        """Change the system prompt, of the session there is or of the one to come."""
        try:
            await self.client.update_session(session_id=self.session_id, system=text)
        except SessionNotFound:
            self._system = text

    async def set_config(self, changes: dict[str, Any]) -> SessionConfig:
        """Change settings of the session, which is made if need be."""
        try:
            session = await self.client.get_session(session_id=self.session_id)
        except SessionNotFound:
            session = await self.client.create_session(session_id=self.session_id, system=self.take_system())
        if not changes:
            return session.config
        try:
            config = msgspec.convert(msgspec.structs.asdict(session.config) | changes, SessionConfig)
        except msgspec.ValidationError as error:
            raise InvalidParams(f"{error}.", hint="/config alone shows the settings.") from None
        session = await self.client.update_session(session_id=self.session_id, config=config)
        return session.config

    def begin_anew(self, session_id: str | None = None) -> None:
        """Go on in another session, a new one by default."""
        self.session_id = session_id or str(uuid.uuid4())
        self._system = None


async def run_slash(conversation: Conversation, line: str) -> None:
    """Carry out a line that begins with a slash.

    Raises:
        Quit: it was /quit.
        SidecarError: it could not be done.
    """
    name, _, rest = line[1:].partition(" ")
    for names, (_, command) in _COMMANDS.items():
        if name in names.split():
            await command(conversation, rest.strip())
            return
    screen.status.print(f"There is no command /{name}; /help lists them.")


async def _help(_: Conversation, __: str) -> None:
    for names, (text, _command) in _COMMANDS.items():
        screen.status.print(f"  [bold]/{names.split()[0]:<11}[/] {text}", highlight=False)


async def _config(conversation: Conversation, rest: str) -> None:
    changes: dict[str, Any] = {}
    for word in rest.split():
        key, equals, text = word.partition("=")
        if not equals:
            hint = "/config temperature=0.2 sets, /config temperature= resets."
            raise InvalidParams(f"{word} is not key=value.", hint=hint)
        if "." in key:
            await _set_in_file(conversation.client, key, _value(text))
        else:
            changes[key] = _value(text)
    config = await conversation.set_config(changes)
    for key, value in msgspec.structs.asdict(config).items():
        screen.status.print(f"  {key:<15} {'default' if value is None else value}")


async def _set_in_file(client: SidecarClient, key: str, value: Any) -> None:
    patch: Any = value
    for name in reversed(key.split(".")):
        patch = {name: patch}
    await client.set_config(patch=patch)
    screen.status.print(f"  {key} is {'reset' if value is None else value} in the config file")


async def _system(conversation: Conversation, rest: str) -> None:
    await conversation.set_system(rest)
    screen.status.print("System prompt set." if rest else "System prompt removed.")


async def _resources(conversation: Conversation, _: str) -> None:
    screen.status.print(screen.resources_table(await conversation.client.get_resources()))


async def _models(conversation: Conversation, _: str) -> None:
    screen.status.print(screen.models_table(await conversation.client.list_models()))


async def _switch(conversation: Conversation, rest: str) -> None:
    if not rest:
        raise InvalidParams("Which model?", hint="/switch NAME; /models lists the names.")
    with screen.LoadProgress() as progress:
        server = await conversation.client.switch_model(model=rest, on_event=progress.show)
    screen.status.print(f"[bold]{screen.headline(server)}[/]")


async def _session(conversation: Conversation, rest: str) -> None:
    if rest:
        await _go_to_session(conversation, rest)
    try:
        session = await conversation.client.get_session(session_id=conversation.session_id)
    except SessionNotFound:
        screen.status.print(f"{conversation.session_id} (new, nothing said yet)")
    else:
        screen.status.print(f"{session.session_id} · {session.title} · {session.message_count} messages")


async def _go_to_session(conversation: Conversation, start: str) -> None:
    page = await conversation.client.list_sessions(limit=1000)
    found = [session for session in page.sessions if session.session_id.startswith(start)]
    if len(found) != 1:
        raise SessionNotFound(f"{len(found)} sessions begin with {start}.", hint="/sessions lists them.")
    conversation.begin_anew(found[0].session_id)


async def _sessions(conversation: Conversation, rest: str) -> None:
    page = await conversation.client.list_sessions(query=rest or None, limit=LISTED_SESSIONS)
    screen.status.print(screen.sessions_table(page.sessions))


async def _new(conversation: Conversation, _: str) -> None:
    conversation.begin_anew()
    screen.status.print("A new session begins with your next message.")


async def _quit(_: Conversation, __: str) -> None:
    raise Quit


def _value(text: str) -> Any:
    """A value as typed: JSON where it is some, else text; nothing resets."""
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


_COMMANDS: dict[str, tuple[str, Callable[[Conversation, str], Awaitable[None]]]] = {
    "config": ("show the session's settings; k=v changes one, section.key=v changes the config file", _config),
    "system": ("set the system prompt; alone removes it", _system),
    "models": ("list the models in the library", _models),
    "switch": ("load another model and go on", _switch),
    "resources": ("processor, memory, GPUs and what each server uses of them", _resources),
    "session": ("which session this is; with the start of an id: go to that one", _session),
    "sessions": ("list the last sessions; with a text: those with it in the title", _sessions),
    "new": ("begin a new session", _new),
    "help ?": ("this list", _help),
    "quit exit q": ("end the chat", _quit),
}
