"""What a child process is started with."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Command(msgspec.Struct, frozen=True):
    """A process to start.

    Attributes:
        argv: program and arguments; never holds a secret.
        env: variables besides the allowed ones of ours.
        cwd: the working directory; ours if none is named.
    """

    argv: list[str]
    env: dict[str, str] = msgspec.field(default_factory=dict)
    cwd: Path | None = None
