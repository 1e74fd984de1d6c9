"""The command-line flags that a llama.cpp build knows, read from its `--help`.

Pure. Flags come and go between builds (`--mlock`, `--no-webui`), so none is taken for granted.
"""

from __future__ import annotations

import re

import msgspec

_LARGEST_INDENT = 3
"""Blanks before an entry: 0, or 2 in builds of before September 2024. Descriptions stand much further right."""

_NAME = re.compile(r"--?[A-Za-z][\w.-]*")


class Flag(msgspec.Struct, frozen=True):
    """One entry of the help text.

    Attributes:
        names: every spelling.
        value: what stands for its value, such as `N`; `None` for a switch.
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
        """The first of these names that the build knows, and its entry."""
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
    """The flags in a help text; none in a text that is something else."""
    flags: list[Flag] = []
    for line in text.splitlines():
        entry = line.lstrip(" ")
        if len(line) - len(entry) <= _LARGEST_INDENT and (flag := _entry(entry)):
            flags.append(flag)
        elif flags and line.startswith(" "):
            last = flags[-1]
            flags[-1] = Flag(last.names, last.value, f"{last.text} {entry.strip()}".strip())
    return FlagSet(flags)


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
