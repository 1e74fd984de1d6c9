"""The chat's commands: /help, /config and the others."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Awaitable, Callable

import msgspec
from rich.text import Text

from sidecar.cli import screen, tables
from sidecar.cli.conversation import Conversation
from sidecar.cli.models import NONE
from sidecar.cli.printable import one_line
from sidecar.cli.settings import change_settings, show_settings
from sidecar.cli.slash_editing import continue_answer, delete_session, remove_message, restore_session
from sidecar.cli.wording import shortened
from sidecar.contract.errors import InvalidParams
from sidecar.contract.sessions import Session

LISTED_SESSIONS = 20

LOAD_SECONDS = 0.25
"""Between two readings of the machine: load is measured between readings, so the first has none."""

NO_SYSTEM = "-"

NEVER_A_COMMAND = "To send a message that begins with a slash, put a blank before it."


class Quit(Exception):
    """The person ends the chat."""


class Command(msgspec.Struct, frozen=True):
    """A command: its names, its argument, its function."""

    names: str
    takes: str
    help: str
    run: Callable[[Conversation, str], Awaitable[None]]
    needed: str = ""
    """The question to ask where a required argument is missing."""

    @property
    def name(self) -> str:
        return self.names.split()[0]


async def run_slash(conversation: Conversation, line: str) -> None:
    """Run a line that begins with a slash.

    Raises:
        Quit: the line is /quit.
        SidecarError: the command failed.
    """
    name, _, rest = line[1:].strip().partition(" ")
    command = next((command for command in COMMANDS if name.lower() in command.names.split()), None)
    rest = rest.strip()
    if command is None:
        raise InvalidParams(f"There is no command /{name}.", hint=_near(name))
    if rest and not command.takes:
        raise InvalidParams(f"/{command.name} takes no argument.", hint=NEVER_A_COMMAND)
    if command.needed and not rest:
        raise InvalidParams(command.needed, hint=f"/{command.name} {command.takes}: {command.help}.")
    await command.run(conversation, rest)


def _near(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), [command.name for command in COMMANDS], n=1)
    meant = f"Did you mean /{close[0]}? " if close else ""
    return f"{meant}/help lists the commands. {NEVER_A_COMMAND}"


async def _help(_: Conversation, __: str) -> None:
    rows = [
        (Text.assemble((f"/{command.name}", "bold"), f" {command.takes}".rstrip()), command.help)
        for command in COMMANDS
    ]
    screen.show(tables.pairs(rows))
    screen.say()
    screen.say("Ctrl-C stops an answer, Ctrl-D ends the chat, Tab completes commands.", style="dim")


async def _config(conversation: Conversation, rest: str) -> None:
    if rest:
        await change_settings(conversation, rest)
    else:
        await show_settings(conversation)


async def _system(conversation: Conversation, rest: str) -> None:
    if rest == NO_SYSTEM:
        await conversation.set_system("")
        screen.say("The system prompt is removed.")
    elif rest:
        await conversation.set_system(rest)
        screen.say("The system prompt is set.")
    elif system := await conversation.system():
        screen.say(system)
        screen.say(f"/system TEXT sets another one, /system {NO_SYSTEM} removes it.", style="dim")
    else:
        screen.say("There is no system prompt. /system TEXT sets one.")


async def _resources(conversation: Conversation, _: str) -> None:
    await conversation.client.get_resources()
    await asyncio.sleep(LOAD_SECONDS)
    screen.show(tables.machine_table(await conversation.client.get_resources(), with_load=True))


async def _models(conversation: Conversation, _: str) -> None:
    models = await conversation.client.list_models()
    server = await conversation.server()
    empty = NONE
    screen.show(tables.models_list(models, in_use=server.model_path if server else None, empty=empty))


async def _switch(conversation: Conversation, rest: str) -> None:
    await conversation.switch(rest)


async def _session(conversation: Conversation, rest: str) -> None:
    if rest:
        await show_resumed(conversation, await conversation.resume(rest))
        return
    session = await conversation.session()
    if session is None:
        screen.show(tables.pairs([("Session", f"{conversation.session_id} (new, nothing said yet)")]))
        return
    rows = [
        ("Session", session.session_id),
        ("Title", one_line(session.title) or "(none)"),
        ("Messages", str(session.message_count)),
    ]
    if session.system:
        rows.append(("System", shortened(session.system)))
    screen.show(tables.pairs(rows))


async def show_resumed(conversation: Conversation, session: Session) -> None:
    """Show which session is resumed, and its last messages."""
    screen.say(
        (one_line(session.title) or session.session_id, "bold"), (f" · {tables.messages(session.message_count)}", "dim")
    )
    page = await conversation.client.get_messages(session_id=session.session_id, limit=2)
    for message in page.messages:
        mark = "  > " if message.role == "user" else "    "
        screen.say(mark, shortened(message.content), style="dim")


async def _sessions(conversation: Conversation, rest: str) -> None:
    page = await conversation.client.list_sessions(query=rest or None, limit=LISTED_SESSIONS)
    if not page.sessions:
        screen.say(f'No session has "{rest}" in its title.' if rest else "There is no session yet.")
        return
    screen.show(tables.sessions_table(page.sessions, current=conversation.session_id))
    if page.next_cursor:
        screen.say("There are older ones: /sessions TEXT finds those with TEXT in the title.", style="dim")
    screen.say("/session and the first letters of an id resumes that one.", style="dim")


async def _new(conversation: Conversation, _: str) -> None:
    conversation.begin_new()
    screen.say("A new session begins with your next message.")


async def _quit(_: Conversation, __: str) -> None:
    raise Quit


COMMANDS = (
    Command("help ?", "", "this list", _help),
    Command("new", "", "begin a new session", _new),
    Command("session", "[ID]", "which session this is; with the first letters of an id: resume that one", _session),
    Command("sessions", "[TEXT]", "the last sessions, or those with TEXT in the title", _sessions),
    Command("continue", "", "continue the last answer where it was cut", continue_answer),
    Command("remove", "", "delete the last message", remove_message),
    Command("delete", "", "delete this session; /undelete restores it", delete_session),
    Command("undelete", "[ID]", "the deleted sessions; with the first letters of an id: restore it", restore_session),
    Command("system", "[TEXT]", f"show or set the system prompt; {NO_SYSTEM} removes it", _system),
    Command("config", "[KEY=VALUE …]", "show or change settings; KEY= resets one", _config),
    Command("models", "", "the models of the library", _models),
    Command(
        "switch", "MODEL", "load another model, by a name that /models lists or by path", _switch, needed="Which model?"
    ),
    Command("resources", "", "processor, memory, GPUs and what the engine uses of them", _resources),
    Command("quit exit q", "", "end the chat", _quit),
)
