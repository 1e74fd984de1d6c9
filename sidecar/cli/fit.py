"""`llama-sidecar models fit NAME`: whether a model fits this machine, its largest context, and suitable settings."""

from __future__ import annotations

import argparse

from rich.table import Table
from rich.text import Text

from sidecar.cli import screen
from sidecar.cli.conversation import as_model
from sidecar.cli.tables import pairs, size
from sidecar.cli.wording import from_terminal
from sidecar.client import SidecarClient
from sidecar.contract.memory import MemoryEstimate, RecommendSettingsResult

_out = screen.console(stderr=False)


async def fit(client: SidecarClient, options: argparse.Namespace) -> int:
    """Print the plan; 0 if it fits, 1 if it does not."""
    model = None if options.model is None else as_model(from_terminal(options.model))
    folder = None if options.llama_cpp is None else str(options.llama_cpp)
    chosen = {"model": model, "llama_cpp_path": folder, "engine": options.engine}
    given = {name: value for name, value in chosen.items() if value is not None}
    estimate = await client.estimate_memory(**given, ctx_size=options.ctx_size, quick=options.quick)
    for part in _plan(estimate):
        screen.show(part, to=_out)
    if not options.quick:
        for part in _recommended(await client.recommend_settings(**given)):
            screen.show(part, to=_out)
    return 0 if estimate.fits else 1


def _plan(found: MemoryEstimate) -> list[Table | Text]:
    """The plan by device, and its sentences."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for column in ("", "weights", "cache", "working", "program", "total", "free"):
        table.add_column(justify="right" if column else "left", no_wrap=True)
    table.add_row(
        "", *(Text(name, style="dim") for name in ("weights", "cache", "working", "program", "total", "free"))
    )
    for device in found.devices:
        parts = (device.weights_bytes + device.projector_bytes, device.kv_cache_bytes, device.compute_bytes)
        table.add_row(
            Text(device.device, style="bold"),
            *map(size, (*parts, device.program_bytes, device.total_bytes, device.free_bytes)),
            Text("fits", style="green") if device.fits else Text(f"{size(device.short_by_bytes)} short", style="red"),
        )
    how = "as the engine plans it" if found.method == "allocator" else "calculated from the file"
    observed = f", after {found.observations} starts here" if found.observations else ""
    largest = "none" if found.largest_ctx_size is None else f"{found.largest_ctx_size} tokens"
    rows = [
        ("Context", f"{found.ctx_size} tokens; the largest that fits: {largest}"),
        ("Layers", f"{found.n_gpu_layers} of {found.total_layers} on the GPU"),
        ("Method", f"{how}, give or take {found.error_margin:.0%}{observed}"),
        *(
            ("Lower", f"{one.setting} {one.value} frees {size(one.frees_bytes)}. {one.reason}")
            for one in found.lower_first
        ),
        *(("Note", note) for note in found.notes),
    ]
    verdict = Text(found.message, style="green" if found.fits else "red")
    return [Text(found.model, style="bold"), verdict, table, pairs(rows)]


def _recommended(found: RecommendSettingsResult) -> list[Table | Text]:
    """The settings that suit this machine, each with its reason."""
    rows = [(f"{one.setting} {one.value}", one.reason) for one in found.reasons]
    return [Text("Settings for this machine", style="bold"), pairs(rows)]
