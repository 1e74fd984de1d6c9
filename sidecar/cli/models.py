"""`llama-sidecar models …`: the library in the terminal. What comes from the hub is in `hub`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from sidecar.cli import fit, hub, screen, tables
from sidecar.cli.conversation import as_model
from sidecar.cli.host import introduced
from sidecar.cli.printable import one_line
from sidecar.cli.wording import from_terminal, typed
from sidecar.client import SidecarClient
from sidecar.contract.models import DeletedModel, ModelDetails

NAME_WIDTH = 14

REFUSED = 2
"""The exit code where a person declined."""

NONE = (
    "There is no model. Fetch one with: llama-sidecar models download OWNER/NAME, or put a GGUF file into the models "
    "folder."
)

_out = screen.console(stderr=False)


def models(options: argparse.Namespace) -> int:
    """Run a sub-command, whose result goes to stdout. Returns the exit code."""
    if options.action == "delete" and options.permanently and not (options.dry_run or options.yes):
        asyncio.run(_carry_out(argparse.Namespace(**{**vars(options), "dry_run": True})))
        if not _agreed("Delete it permanently?"):
            return REFUSED
    if options.action == "trash" and options.empty and not options.yes:
        asyncio.run(_carry_out(argparse.Namespace(**{**vars(options), "empty": False})))
        if not _agreed("Delete all of them permanently?"):
            return REFUSED
    return asyncio.run(_carry_out(options))


def _agreed(question: str) -> bool:
    """Ask on the terminal; without one, the answer is no."""
    if not (sys.stdin is not None and sys.stdin.isatty()):
        screen.say("Nothing was deleted. --yes deletes without a question.")
        return False
    if input(f"{question} [y/N] ").strip().lower() in ("y", "yes"):
        return True
    screen.say("Nothing was deleted.")
    return False


async def _carry_out(options: argparse.Namespace) -> int:
    async with introduced(options) as (client, _):
        return await _ACTIONS[options.action](client, options)


async def _list(client: SidecarClient, _: argparse.Namespace) -> int:
    screen.show(tables.models_list(await client.list_models(), empty=NONE), to=_out)
    return 0


async def _scan(client: SidecarClient, options: argparse.Namespace) -> int:
    with screen.BytesProgress("Comparing files") as progress:
        scan = await client.scan_models(verify=options.verify, on_event=progress.show)
    for source in scan.sources:
        if source.found or source.problems:
            title = tables.ORIGINS.get(source.origin, source.path)
            screen.say((title, "bold"), f"  {tables.number(source.models, 'model')}", to=_out)
            screen.say_below(source.path, style="dim", to=_out)
        for problem in source.problems:
            screen.say_below(problem, style="yellow", to=_out)
    screen.say(f"{tables.number(scan.models, 'model')}, {scan.damaged} damaged.", to=_out)
    for names in scan.possible_copies:
        screen.say(f"May be copies of each other (--verify finds out): {', '.join(names)}", style="dim", to=_out)
    return 0


async def _inspect(client: SidecarClient, options: argparse.Namespace) -> int:
    for name, text in _details(await client.get_model(model=_model(options.model))):
        if text:
            screen.say((f"{name:<{NAME_WIDTH}}", "dim"), text, to=_out)
    return 0


async def _import(client: SidecarClient, options: argparse.Namespace) -> int:
    with screen.BytesProgress("Copying") as progress:
        model = await client.import_model(
            path=str(options.path), mode=options.mode, name=options.name, on_event=progress.show
        )
    screen.say("Imported as ", (model.name, "bold"), ".", to=_out)
    screen.say_below(model.path, style="dim", to=_out)
    return 0


async def _delete(client: SidecarClient, options: argparse.Namespace) -> int:
    model = _model(options.model)
    deleted = await client.delete_model(model=model, permanently=options.permanently, dry_run=options.dry_run)
    _say_what_goes(deleted, "goes" if deleted.deleted else "would go")
    if deleted.trash_id is not None:
        until = time.strftime("%Y-%m-%d", time.localtime(deleted.purged_at))
        way = typed(options, "models", "restore", deleted.trash_id)
        screen.say(f"Until {until} it comes back with: {way}", style="dim")
    return 0


async def _restore(client: SidecarClient, options: argparse.Namespace) -> int:
    model = await client.restore_model(model=from_terminal(options.model))
    screen.say((model.name, "bold"), " is back.", to=_out)
    return 0


async def _trash(client: SidecarClient, options: argparse.Namespace) -> int:
    if options.empty:
        emptied = await client.empty_trash()
        gone = tables.number(emptied.models, "model")
        screen.say(f"{gone} deleted permanently, {tables.size(emptied.freed_bytes)} freed.", to=_out)
        return 0
    trashed = await client.list_deleted_models()
    if not trashed:
        screen.say("The trash is empty.", to=_out)
    for model in trashed:
        until = time.strftime("%Y-%m-%d", time.localtime(model.purged_at))
        screen.say((one_line(model.model), "bold"), f"  {tables.size(model.size_bytes)} · until {until}", to=_out)
        screen.say_below(typed(options, "models", "restore", model.trash_id), style="dim", to=_out)
    return 0


_ACTIONS: dict[str, Callable[[SidecarClient, argparse.Namespace], Awaitable[int]]] = {
    "list": _list,
    "scan": _scan,
    "inspect": _inspect,
    "import": _import,
    "delete": _delete,
    "restore": _restore,
    "trash": _trash,
    "search": hub.search,
    "download": hub.download,
    "fit": fit.fit,
}


def _model(text: str) -> str:
    """A model as typed: a file in the current folder, or a name."""
    return as_model(from_terminal(text))


def _say_what_goes(deleted: DeletedModel, verb: str) -> None:
    screen.say((one_line(deleted.model), "bold"), f" {verb}:", to=_out)
    for file in deleted.files:
        frees = "a link; its target stays" if file.link else f"frees {tables.size(file.frees_bytes)}"
        screen.say_below(f"{file.path}  {frees}", to=_out)
    for kept in deleted.kept:
        screen.say_below(f"{kept.path}  stays for {', '.join(kept.used_by)}", style="dim", to=_out)
    for path in deleted.other_paths:
        screen.say_below(f"{path}  stays: the same content", style="dim", to=_out)
    for server in deleted.used_by_servers:
        screen.say_below(f"The server {server} has it loaded.", style="yellow", to=_out)


def _details(model: ModelDetails) -> list[tuple[str, str | None]]:
    """The details of a model, line by line."""
    return [
        ("Name", one_line(model.name)),
        ("Also called", ", ".join(model.aliases)),
        ("Kept by", tables.ORIGINS.get(model.origin, model.origin)),
        ("Kind", model.kind),
        ("Problem", model.problem),
        ("What helps", model.hint),
        ("Size", tables.size(model.size_bytes)),
        ("Architecture", model.architecture),
        ("Parameters", tables.count(model.parameters) if model.parameters else None),
        ("Quantization", model.quantization),
        ("Trained for", f"{model.context_length} tokens" if model.context_length else None),
        ("Layers", _number(model.layers)),
        ("Heads", f"{model.heads}, {model.kv_heads} for keys and values" if model.heads else None),
        ("Experts", _number(model.experts)),
        ("Can", ", ".join(model.capabilities or ())),
        ("Licence", model.licence),
        ("From", model.repo),
        *(("File" if number == 0 else "", part.path) for number, part in enumerate(model.parts)),
        *(("Projector" if number == 0 else "", path) for number, path in enumerate(model.projectors)),
        ("No projector", model.no_projector),
        *(("Adapter" if number == 0 else "", path) for number, path in enumerate(model.adapters)),
        *(("Also at" if number == 0 else "", path) for number, path in enumerate(model.other_paths)),
    ]


def _number(number: int | None) -> str | None:
    return str(number) if number else None
