"""Which flags a llama-server build supports, according to its `--help`.

Pure. Owns the form of a help text, which has changed over the years.
"""

from __future__ import annotations

import re

import msgspec

_MAX_INDENT = 3
"""Blanks before an entry: 0, or 2 in builds before September 2024. Descriptions are indented much further."""

_NAME = re.compile(r"--?[A-Za-z][\w.-]*")

_REMOVED = "the argument has been removed"
"""In the description of flags that a build lists only to refuse them."""


class Flag(msgspec.Struct, frozen=True):
    """One entry of the help text.

    Attributes:
        names: every spelling.
        value: the placeholder of its value, such as `N`; `None` for a switch.
        text: the description.
    """

    names: tuple[str, ...]
    value: str | None
    text: str


class FlagSet:
    """The flags of a build, by any of their names."""

    def __init__(self, flags: list[Flag]) -> None:
        self._by_name = {name: flag for flag in flags for name in flag.names}

    def get(self, *names: str) -> tuple[str, Flag] | None:
        """The first of these names that the build supports, and its entry."""
        for name in names:
            if flag := self._by_name.get(name):
                return name, flag
        return None

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def long_names(self) -> list[str]:
        """Every `--name`, in order."""
        return sorted(name for name in self._by_name if name.startswith("--"))


def parse_help(text: str) -> FlagSet:
    """The flags in a help text; none if it is no help text."""
    flags: list[Flag] = []
    for line in text.splitlines():
        entry = line.lstrip(" ")
        if len(line) - len(entry) <= _MAX_INDENT and (flag := _entry(entry)):
            flags.append(flag)
        elif flags and line.startswith(" "):
            last = flags[-1]
            flags[-1] = Flag(last.names, last.value, f"{last.text} {entry.strip()}".strip())
    return FlagSet([flag for flag in flags if _REMOVED not in flag.text])


def _entry(line: str) -> Flag | None:
    """An entry's first line: `-c,    --ctx-size N     size of …`, in older builds `-c N, --ctx-size N  size of …`."""
    head, _, text = re.sub(r",\s+(?=-)", ", ", line).partition("  ")
    names: list[str] = []
    value: str | None = None
    for spelling in head.split(", "):
        name, _, rest = spelling.partition(" ")
        if _NAME.fullmatch(name):
            names.append(name)
            value = rest or value
    return Flag(tuple(names), value, text.strip()) if names else None
