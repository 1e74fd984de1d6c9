"""The actions of commands such as `models list`."""

from __future__ import annotations

import argparse
from collections.abc import Callable

Shared = Callable[[argparse.ArgumentParser], None]
"""Adds the options that all commands have."""


def actions_of(command: argparse.ArgumentParser, shared: Shared) -> Callable[[str, str], argparse.ArgumentParser]:
    """A function that adds an action to a command: its name, and a summary without a full stop."""
    actions = command.add_subparsers(dest="action", metavar="ACTION", title="actions")
    command.set_defaults(print_help=command.print_help)

    def action(name: str, summary: str) -> argparse.ArgumentParser:
        sub = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        shared(sub)
        return sub

    return action
