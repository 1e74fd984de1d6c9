"""`llama-sidecar models search` and `download`: from the hub into the library, in the terminal."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from sidecar.cli import screen, tables
from sidecar.cli.wording import from_terminal
from sidecar.client import SidecarClient
from sidecar.contract.hub import HubVariant, ListHubFilesResult
from sidecar.contract.resources import Resources

PAUSE_SECONDS = 3.0
"""For the sidecar to pause a download after Ctrl-C; its end would pause the download anyway."""

_out = screen.console(stderr=False)

_FITS = {
    "gpu": ("fits the GPU", "green"),
    "memory": ("fits the memory", "green"),
    "no": ("does not fit now", "yellow"),
    None: ("", ""),
}


async def search(client: SidecarClient, options: argparse.Namespace) -> int:
    """List the hub's models of a name, or the files of a repository."""
    query = from_terminal(" ".join(options.query))
    if "/" in query and " " not in query:
        _show_repository(await client.list_hub_files(repo=query), await client.get_resources())
        return 0
    found = await client.search_hub(query=query, limit=options.limit)
    for model in found:
        locked = ("  access must be requested", "yellow") if model.gated else ("", "")
        screen.say((model.repo, "bold"), (f"  {tables.count(model.downloads or 0)} downloads", "dim"), locked, to=_out)
    if found:
        screen.say(f"To see what is in one: llama-sidecar models search {found[0].repo}", style="dim")
    else:
        screen.say("The hub has no GGUF models of that name.")
    return 0


def _show_repository(found: ListHubFilesResult, machine: Resources) -> None:
    screen.say((found.repo, "bold"), f"  {found.licence or 'no licence named'}", to=_out)
    for one in found.variants:
        screen.say(*_variant(one), to=_out)
    for projector in found.projectors:
        screen.say(
            ("  + ", "dim"), projector.path, (f"  {tables.size(projector.size_bytes)}, for images", "dim"), to=_out
        )
    for other in found.others:
        screen.say(("    ", "dim"), other.path, (f"  {tables.size(other.size_bytes)}, {other.kind}", "dim"), to=_out)
    if found.gated:
        screen.say("It is given only to those who have asked for it on its page.", style="yellow")
    free = sum(gpu.free_bytes or 0 for gpu in machine.gpus)
    on_gpus = f" and {tables.size(free)} on the GPU" if free else ""
    screen.say(f"{tables.size(machine.memory.available_bytes)} of memory are free{on_gpus}.", style="dim")
    screen.say(f"To fetch one: llama-sidecar models download {found.repo}:QUANTIZATION", style="dim")


def _variant(one: HubVariant) -> tuple[screen.Part, ...]:
    mark = ("● ", "green") if one.default else ("  ", "")
    name = one.quantization or one.name
    files = "" if len(one.files) == 1 else f" in {len(one.files)} files"
    return mark, (f"{name:<12}", "bold"), f"{tables.size(one.size_bytes)}{files}  ", _FITS[one.fits]


async def download(client: SidecarClient, options: argparse.Namespace) -> int:
    """Fetch a model and show its progress; Ctrl-C pauses it."""
    text = from_terminal(options.model)
    where = {"url": text} if "://" in text else {"repo": text}
    target = None if options.to is None else str(options.to)
    shown: list[str] = []

    with screen.BytesProgress("Asking the hub") as progress:

        def show(event: Any) -> None:
            shown[:] = [event.download_id] if hasattr(event, "download_id") else shown
            progress.show(event)

        try:
            done = await client.download_model(**where, file=options.file, target_dir=target, on_event=show)
        except asyncio.CancelledError:
            if shown:
                await asyncio.wait_for(client.pause_download(download_id=shown[0]), PAUSE_SECONDS)
                screen.say("The part that was fetched is kept: the same command continues.")
            raise
    screen.say((Path(done.files[0].name).stem, "bold"), f" is here, {tables.size(done.total_bytes)}.", to=_out)
    for file in done.files:
        screen.say_below(str(Path(done.folder) / file.name), style="dim", to=_out)
    return 0
