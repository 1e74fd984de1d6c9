"""The command line of `llama-sidecar models`, built only where it is used."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, get_args

from sidecar.cli.actions import Shared, actions_of
from sidecar.contract.engines import EngineName

NAMED = "a model's name, or the path of a GGUF file"


def add_actions(models: argparse.ArgumentParser, *, place: Callable[[str], Any], shared: Shared) -> None:
    """Add the sub-commands.

    Args:
        models: their command.
        place: parses a path.
        shared: adds the options that all commands have.
    """
    action = actions_of(models, shared)
    action("list", "list the models, including those of other programs")
    scan = action("scan", "report what was found in each place, and what was left out")
    scan.add_argument("--verify", action="store_true", help="read whole files to find out which are copies")
    action("inspect", "show the details of a model").add_argument("model", metavar="NAME", help=NAMED)
    search = action("search", "search the hub for models, or list a repository there")
    search.add_argument("query", nargs="+", metavar="WORDS", help="words of a name, or OWNER/NAME to list its files")
    search.add_argument("--limit", type=int, metavar="N", help="how many at most; default 20, 100 at most")
    download = action("download", "fetch a model from the hub, or from an address")
    download.add_argument("model", metavar="MODEL", help="OWNER/NAME, OWNER/NAME:QUANTIZATION, or an address")
    download.add_argument("--file", metavar="NAME", help="a file of the repository, or a quantisation")
    download.add_argument("--to", type=place, metavar="DIR", help="a folder; default: the models folder")
    bring_in = action("import", "bring a GGUF file into the models folder")
    bring_in.add_argument("path", type=place, metavar="FILE", help="the file; what belongs to it is imported, too")
    modes = bring_in.add_mutually_exclusive_group()
    modes.add_argument("--copy", dest="mode", action="store_const", const="copy", help="copy it instead of linking it")
    modes.add_argument("--move", dest="mode", action="store_const", const="move", help="move it instead of linking it")
    bring_in.add_argument("--name", metavar="NAME", help="its name in the library")
    fit = action("fit", "report whether a model fits this machine, and which settings suit it")
    fit.add_argument("model", metavar="NAME", nargs="?", help=f"{NAMED}; default: the one that chat would use")
    fit.add_argument("--ctx-size", type=int, metavar="N", help="context in tokens")
    fit.add_argument("--engine", choices=get_args(EngineName), help="default: the best found")
    fit.add_argument("--llama-cpp", type=place, metavar="DIR", help="a llama.cpp build to take llama-server from")
    fit.add_argument("--quick", action="store_true", help="by the file's header alone, without running an engine")
    delete = action("delete", "delete a model from the models folder")
    delete.add_argument("model", metavar="NAME", help=NAMED)
    delete.add_argument("--permanently", action="store_true", help="delete permanently instead of into the trash")
    delete.add_argument("--dry-run", action="store_true", help="only show what would be deleted")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    action("restore", "restore a deleted model").add_argument("model", metavar="NAME", help="its name, or trash id")
    trash = action("trash", "list the deleted models that can be restored")
    trash.add_argument("--empty", action="store_true", help="delete them permanently")
    trash.add_argument("--yes", action="store_true", help="do not ask")
