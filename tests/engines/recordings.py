"""Logs and help texts of real engines, as `recorded/` keeps them.

A log begins with a line that says the exit code and the command that it came from. help-2024-*.txt are written from
what builds of that time printed.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).with_name("recorded")

_HEAD = re.compile(r"# exit (?P<code>-?\d+): .+")


def log(name: str) -> tuple[int, list[str]]:
    """The exit code of a recorded run, and its log."""
    head, *lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    match = _HEAD.fullmatch(head)
    assert match, f"{name}.txt does not begin with its exit code and command"
    return int(match["code"]), lines


def help_text(build: str) -> str:
    """The help text of a build, by its month."""
    return (FOLDER / f"help-{build}.txt").read_text(encoding="utf-8")
