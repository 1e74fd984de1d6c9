"""What of a config file can be used, where not all of it can.

Owns the judgement key by key: one of a newer version is kept without an effect, and a value that is not valid gives way
to its default alone. Pure.
"""

from __future__ import annotations

import codecs
from typing import Any

import msgspec

from sidecar.contract.config import Config
from sidecar.contract.life import Notice
from sidecar.contract.remedies import open_settings

_UNKNOWN = "unknown field"

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
"""Byte order marks that editors and shells on Windows write, and what follows them."""

MAX_NAMED = 20
"""Keys that a notice names; a file of another program may have thousands."""


class Usable(msgspec.Struct):
    """What of a file counts.

    Attributes:
        changes: the valid part.
        unread: the other part, which is kept in the file.
        unknown: the dotted keys that this version does not know.
        invalid: the dotted keys whose value is not valid, and why.
    """

    changes: dict[str, Any] = {}
    unread: dict[str, Any] = {}
    unknown: list[str] = []
    invalid: dict[str, str] = {}


def without_mark(data: bytes) -> bytes:
    """A text file's bytes as UTF-8 without a byte order mark."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace").encode()
    return data


def usable(content: dict[str, Any]) -> Usable:
    """Judge each key of a config file's content on its own. Every key of the config has a default."""
    found = Usable()
    found.changes, found.unread = _judged(content, (), found)
    return found


def _judged(value: dict[str, Any], path: tuple[str, ...], found: Usable) -> tuple[dict[str, Any], dict[str, Any]]:
    """The valid and the other part of an object at a path; the keys of the other part are noted in `found`."""
    valid: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for key, member in value.items():
        place = (*path, key)
        problem = _problem(place, member)
        if problem is None:
            valid[key] = member
        elif _UNKNOWN in str(problem) and f"`{key}`" in str(problem):
            found.unknown.append(".".join(place))
            other[key] = member
        elif isinstance(member, dict) and _problem(place, {}) is None:
            good, bad = _judged(member, place, found)
            if good:
                valid[key] = good
            if bad:
                other[key] = bad
        else:
            from sidecar.contract.invalid import misfit  # not at each start

            found.invalid[".".join(place)] = misfit(problem, Config).predicate.removesuffix(".")
            other[key] = member
    return valid, other


def _problem(path: tuple[str, ...], value: Any) -> msgspec.ValidationError | None:
    """Why a config with nothing but this value is not valid; `None` if it is."""
    for key in reversed(path):
        value = {key: value}
    try:
        msgspec.convert(value, Config)
    except msgspec.ValidationError as error:
        return error
    return None


def dropped(unread: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The unread part without what a patch sets or resets: the person has decided about it."""
    left: dict[str, Any] = {}
    for key, value in unread.items():
        if key not in patch:
            left[key] = value
        elif isinstance(value, dict) and isinstance(patch[key], dict) and (rest := dropped(value, patch[key])):
            left[key] = rest
    return left


def notices(found: Usable) -> list[Notice]:
    """What the person should know of keys that have no effect."""
    out = []
    if found.unknown:
        out.append(
            Notice(
                name="CONFIG_KEYS_UNKNOWN",
                message=f"The config file has keys that this version does not know: {_named(found.unknown)}. They are "
                "kept, and have no effect.",
                hint="Update llama-sidecar if a newer version has written them, or correct their spelling.",
            )
        )
    if found.invalid:
        reasons = [f"{name} ({reason})" for name, reason in found.invalid.items()]
        out.append(
            Notice(
                name="CONFIG_VALUES_INVALID",
                message=f"The config file has values that are not valid: {_named(reasons)}. Their defaults are used.",
                hint="Set them again; the other settings are in effect.",
                remedies=[open_settings(name) for name in list(found.invalid)[:MAX_NAMED]],
            )
        )
    return out


def _named(names: list[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
