"""Keyrings for tests, to be named in PYTHON_KEYRING_BACKEND; they keep their passwords in the folder FOLDER_VARIABLE.

A file `locked` in the folder makes them refuse, `hanging` makes them wait until it is gone, `forgetful` makes them
keep nothing. Each question leaves a line in `asked`.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

FOLDER_VARIABLE = "LLAMA_SIDECAR_TEST_KEYRING"


class GoodKeyring(KeyringBackend):
    """One that is as good as an operating system's."""

    priority = 5

    def get_password(self, service: str, username: str) -> str | None:
        return self._opened().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        passwords = self._opened()
        if not (_folder() / "forgetful").exists():
            (_folder() / "passwords.json").write_text(json.dumps({**passwords, f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError

    def _opened(self) -> dict[str, str]:
        with (_folder() / "asked").open("a") as asked:
            asked.write("asked\n")
        while (_folder() / "hanging").exists():
            time.sleep(0.01)
        if (_folder() / "locked").exists():
            raise KeyringLocked("the person has closed the dialog")
        passwords = _folder() / "passwords.json"
        return dict(json.loads(passwords.read_text())) if passwords.exists() else {}


class PlainTextKeyring(GoodKeyring):
    """One that rates itself below what is recommended, as those do that write plain text."""

    priority = 0.5  # type: ignore[assignment]


def _folder() -> Path:
    return Path(os.environ[FOLDER_VARIABLE])
