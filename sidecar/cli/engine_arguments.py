"""The command line of `llama-sidecar engines`, built only where it is used."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from sidecar.cli.actions import Shared, actions_of


def add_actions(engines: argparse.ArgumentParser, *, place: Callable[[str], Any], shared: Shared) -> None:
    """Add the sub-commands.

    Args:
        engines: their command.
        place: parses a path.
        shared: adds the options that all commands have.
    """
    action = actions_of(engines, shared)
    action("list", "list the engines of this machine, best first")
    install = action("install", "install a llama.cpp build from a release archive")
    install.add_argument("archive", metavar="ARCHIVE", help="https address, or a .zip, .tar.gz or .tar.xz file")
    install.add_argument(
        "--sha256", metavar="HASH", help="hash of the archive, as GitHub shows it; required for an address"
    )
    install.add_argument("--name", metavar="NAME", help="what to call the build; default: as the archive")
    install.add_argument("--keep-default", action="store_true", help="do not make it the default of chats and servers")
    default = action("default", "make an installed build the default where no engine is named")
    default.add_argument("build", metavar="NAME", nargs="?", help="the build; left out: none")
    action("remove", "remove an installed build").add_argument("build", metavar="NAME", help="as in the list")
    probe = action("probe", "report what a llama.cpp folder can do")
    probe.add_argument("folder", metavar="DIR", type=place, help="the folder that llama-server is in")
    probe.add_argument("--prove", action="store_true", help="also let it generate a token")
