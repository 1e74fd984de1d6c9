"""/config: the settings of the session, and those of the config file.

Owns how a setting is typed. `temperature=0.2` is the session's; a key with a dot, such as `chat.temperature=0.2`, is
the config file's.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from sidecar.cli import screen, tables
from sidecar.cli.conversation import Conversation
from sidecar.contract.errors import InvalidParams
from sidecar.contract.invalid import misfit
from sidecar.contract.sessions import SessionConfig

_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.]*)=(.*?)(?=\s+[A-Za-z_][\w.]*=|$)", re.DOTALL)
"""A value extends to the next KEY=, so that it may contain blanks."""

_AT_THE_NEXT_START = ("engines.", "models.", "server_defaults.", "server_presets.")
"""Running engines keep the settings that they were started with."""

_USAGE = "/config temperature=0.2 changes this session, /config chat.temperature=0.2 the config file; KEY= resets."


async def show_settings(conversation: Conversation) -> None:
    """The session's settings and where each comes from."""
    session = await conversation.session()
    own = session.config if session else SessionConfig()
    config = (await conversation.client.get_config()).chat
    rows = []
    for key, value in msgspec.structs.asdict(own).items():
        if value is not None:
            rows.append((key, _shown(value)))
        elif (configured := getattr(config, key)) is not None:
            rows.append((key, f"{_shown(configured)} (from the config)"))
        else:
            rows.append((key, "the engine's default"))
    screen.show(tables.pairs(rows))
    screen.say()
    screen.say(_USAGE, style="dim")


async def change_settings(conversation: Conversation, typed: str) -> None:
    """Change settings as typed: all of the session's, or none."""
    changes = _parse(typed)
    of_session = {key: value for key, value in changes.items() if "." not in key}
    of_file = {key: value for key, value in changes.items() if "." in key}
    if of_session:
        _check(of_session)
        await conversation.set_config(of_session)
    if of_file:
        await _change_file(conversation, of_file)
    for key, value in changes.items():
        done = "is reset" if value is None else f"is {_shown(value)}"
        where = " in the config file" if key in of_file else ""
        when = "; it takes effect when an engine is started" if key.startswith(_AT_THE_NEXT_START) else ""
        screen.say(f"{key} {done}{where}{when}.")


def _parse(typed: str) -> dict[str, Any]:
    found = list(_ASSIGNMENT.finditer(typed))
    start = found[0].start() if found else len(typed)
    if before := typed[:start].strip():
        raise InvalidParams(f'"{before}" is not KEY=VALUE.', hint=_USAGE)
    return {match[1]: _value(match[2].strip()) for match in found}


def _check(changes: dict[str, Any]) -> None:
    known = SessionConfig.__struct_fields__
    for key in changes:
        if key not in known:
            raise InvalidParams(f'There is no setting "{key}".', hint=f"There are: {', '.join(known)}.")
    try:
        msgspec.convert(changes, SessionConfig)
    except msgspec.ValidationError as error:
        raise InvalidParams(
            misfit(error, SessionConfig).sentence, hint="/config shows the settings; nothing changed."
        ) from None


async def _change_file(conversation: Conversation, changes: dict[str, Any]) -> None:
    try:
        await conversation.client.set_config(patch=_as_patch(changes))
    except InvalidParams as error:  # the keys as they were typed
        message = error.message.replace("patch.", "", 1).replace("member of patch.", "setting of the config.")
        raise InvalidParams(message, hint="/config shows the settings; nothing changed.") from None


def _as_patch(changes: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for key, value in changes.items():
        *path, last = key.split(".")
        place = patch
        for name in path:
            place = place.setdefault(name, {})
        place[last] = value
    return patch


def _value(text: str) -> Any:
    """A value as typed: JSON where it is some, else text; nothing resets."""
    if not text:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
