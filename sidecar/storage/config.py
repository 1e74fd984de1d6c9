"""The config file.

Owns reading, changing and writing it. What a key means and its default are in `contract.config`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson

from sidecar.contract.config import Config
from sidecar.contract.errors import InvalidParams
from sidecar.contract.life import Notice
from sidecar.host import file_io
from sidecar.storage.atomic_files import refusal, write_atomically
from sidecar.storage.config_repair import dropped, notices, usable, without_mark


class _Patched(msgspec.Struct):
    """A config validated as a member of set_config's parameters, so that paths in errors start at the parameters."""

    patch: Config


class Settings(NamedTuple):
    """A state of the config.

    Attributes:
        changes: what differs from the defaults; this is what the file holds.
        config: the whole config.
        unread: what else the file holds: keys of a newer version, and values that are not valid.
    """

    changes: dict[str, Any]
    config: Config
    unread: dict[str, Any] = {}  # noqa: RUF012 - never changed


class ConfigFile:
    """The config in memory and on disk.

    The file holds only what differs from the defaults, so a default can be improved later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes: dict[str, Any] = {}
        self._unread: dict[str, Any] = {}
        self.config = Config()
        self.notices: list[Notice] = []

    def load(self) -> None:
        """Read the file. A file that is no JSON object is put aside, the defaults are used, and a notice says so.

        A key that this version does not know, or a value that is not valid, has no effect, is kept, and is named in a
        notice; everything else counts.
        """
        try:
            content = orjson.loads(without_mark(file_io.read_bytes(self._path)))
            if not isinstance(content, dict):
                raise msgspec.ValidationError("the file does not hold a JSON object")
            found = usable(content)
            config = _convert(found.changes)
        except FileNotFoundError:
            return
        except OSError as error:
            self._give_up_on_file(f"cannot be read: {error.strerror}")
        except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
            self._give_up_on_file(f"is broken: {error}")
        else:
            self._changes, self.config, self._unread = found.changes, config, found.unread
            self.notices += notices(found)

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return Settings(self._changes, self.config, self._unread)

    def patched(self, patch: dict[str, Any]) -> Settings:
        """The settings with a JSON merge patch applied; `keep` puts them into effect.

        Raises:
            InvalidParams: the patch has an unknown key or a wrong value; its path starts at the parameters
                of set_config.
        """
        changes = merge(self._changes, patch)
        try:
            config = msgspec.convert({"patch": changes}, _Patched).patch
        except msgspec.ValidationError as error:
            from sidecar.contract.invalid import invalid_params  # not at each start

            raise invalid_params(error, _Patched) from None
        return Settings(changes, config, dropped(self._unread, patch))

    def without(self, keys: Sequence[str] | None) -> Settings:
        """The settings with all keys, or these dotted ones, reset to their defaults; `keep` puts them into effect.

        Raises:
            InvalidParams: there is no such key.
        """
        changes, unread = ({}, {}) if keys is None else (self._changes, self._unread)
        for key in keys or ():
            self._require_known(key)
            patch: Any = None
            for name in reversed(key.split(".")):
                patch = {name: patch}
            changes, unread = merge(changes, patch), dropped(unread, patch)
        return Settings(changes, _convert(changes), unread)

    def keep(self, settings: Settings) -> Config:
        """Write the file and put these settings into effect.

        Raises:
            DiskFull, PermissionDenied, StorageError: the file cannot be written; nothing is changed.
        """
        try:
            content = merge(settings.unread, settings.changes)
            write_atomically(self._path, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        except OSError as error:
            raise refusal(error, "The config was not changed") from error
        self._changes, self.config, self._unread = settings
        return self.config

    def _give_up_on_file(self, why: str) -> None:
        """Put the file aside, so that the next change does not overwrite it, and say so."""
        aside = self._name_aside()
        try:
            self._path.rename(aside)
        except OSError as error:
            message = f"The config file {why}. It could not be put aside ({error.strerror}); the defaults are used."
            hint = f"Correct {self._path} and start again."
        else:
            message = f"The config file {why}. It was put aside as {aside.name}; the defaults are used."
            hint = f"Correct {aside} and copy it back to {self._path.name}, or set your settings again."
        self.notices.append(Notice(name="CONFIG_BROKEN", message=message, hint=hint))

    def _name_aside(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        names = (f"{self._path.stem}.broken-{stamp}-{number}{self._path.suffix}" for number in count(1))
        return next(aside for name in names if not os.path.lexists(aside := self._path.with_name(name)))

    def _require_known(self, key: str) -> None:
        value: Any = merge(self._unread, msgspec.to_builtins(self.config))
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                raise InvalidParams(
                    f"The config has no key {key!r}.", path="$.keys", hint="Ask get_config for the keys there are."
                )
            value = value[name]


def merge(target: Any, patch: Any) -> Any:
    """RFC 7396: a copy of `target` with `patch` applied; `null` removes a key."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def schema() -> dict[str, Any]:
    """The JSON Schema of the config."""
    return msgspec.json.schema(Config)


def _convert(changes: dict[str, Any]) -> Config:
    return msgspec.convert(changes, Config)
