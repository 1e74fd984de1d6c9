"""The command-line flags that a llama.cpp build knows, read from its `--help`.

Pure. Flags come and go between builds (`--mlock`, `--no-webui`), so none is taken for granted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENTRY = re.compile(
    r"^(?P<names>--?[A-Za-z][\w.-]*(?:,\s+--?[A-Za-z][\w.-]*)*)"  # -c,    --ctx-size
    r"(?:[ ](?P<value>[^\s-].*?))?"  # N
    r"(?:\s{2,}(?P<text>.*))?$"  # size of the prompt context …
)


@dataclass(frozen=True, slots=True)
class Flag:
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
    """The flags in a help text."""
    flags: list[Flag] = []
    for line in text.splitlines():
        if line.startswith("-") and (match := _ENTRY.match(line)):
            names = tuple(re.split(r",\s+", match["names"]))
            flags.append(Flag(names, match["value"], (match["text"] or "").strip()))
        elif flags and line.startswith(" "):
            last = flags[-1]
            flags[-1] = Flag(last.names, last.value, f"{last.text} {line.strip()}".strip())
    return FlagSet(flags)
