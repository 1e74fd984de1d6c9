"""The config file.

Owns reading, changing and writing it. What a key means and its default are in `contract.config`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from sidecar.contract.config import Config
from sidecar.contract.errors import InvalidParams
from sidecar.contract.life import Notice
from sidecar.storage.files import write_atomically


class ConfigFile:
    """The config in memory and on disk.

    The file holds only what differs from the defaults, so a default can be improved later.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes: dict[str, Any] = {}
        self.config = Config()
        self.notices: list[Notice] = []

    def load(self) -> None:
        """Read the file. A broken one is put aside, the defaults are used, and a notice says so."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self._notify(f"The config file {self._path} can not be read: {error.strerror}.", "The defaults are used.")
            return
        try:
            changes = orjson.loads(data)
            if not isinstance(changes, dict):
                raise msgspec.ValidationError("the file does not hold a JSON object")
            config = _convert(changes)
        except (orjson.JSONDecodeError, msgspec.ValidationError) as error:
            aside = self._put_aside()
            self._notify(
                f"The config file is broken ({error}); it was put aside as {aside.name} and the defaults are used.",
                f"Correct {aside} and copy it back to {self._path.name}, or set your settings again.",
            )
            return
        self._changes, self.config = changes, config

    def patch(self, patch: dict[str, Any]) -> Config:
        """Apply a JSON merge patch and write the file.

        Raises:
            InvalidParams: the patch names an unknown key or gives a wrong value; nothing is changed.
            OSError: the file can not be written; nothing is changed.
        """
        return self._write(merge(self._changes, patch))

    def reset(self, keys: Sequence[str] | None) -> Config:
        """Go back to the defaults, all or those of dotted keys.

        Raises:
            InvalidParams: there is no such key.
        """
        if keys is None:
            return self._write({})
        changes = self._changes
        for key in keys:
            _require_known(key)
            patch: Any = None
            for name in reversed(key.split(".")):
                patch = {name: patch}
            changes = merge(changes, patch)
        return self._write(changes)

    def _write(self, changes: dict[str, Any]) -> Config:
        try:
            config = _convert(changes)
        except msgspec.ValidationError as error:
            raise InvalidParams(f"The config does not allow this: {error}.", path="$.patch") from None
        write_atomically(self._path, orjson.dumps(changes, option=orjson.OPT_INDENT_2) + b"\n")
        self._changes, self.config = changes, config
        return config

    def _put_aside(self) -> Path:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        aside = self._path.with_name(f"{self._path.stem}.broken-{stamp}{self._path.suffix}")
        self._path.replace(aside)
        return aside

    def _notify(self, message: str, hint: str) -> None:
        self.notices.append(Notice(name="CONFIG_BROKEN", message=message, hint=hint))


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


def _require_known(key: str) -> None:
    struct: Any = msgspec.to_builtins(Config())
    for name in key.split("."):
        if not isinstance(struct, dict) or name not in struct:
            raise InvalidParams(
                f"The config has no key {key!r}.", path="$.keys", hint="Ask get_config_schema for the keys there are."
            )
        struct = struct[name]
