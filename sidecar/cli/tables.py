"""Tables: models, the machine, sessions. Names and paths in them are never cut short: people copy them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from sidecar.cli.printable import one_line
from sidecar.contract.engines import EngineDevice
from sidecar.contract.models import ModelInfo, ModelOrigin
from sidecar.contract.resources import Resources
from sidecar.contract.sessions import DeletedSession, Session

SHORT_ID = 8
"""Letters of a session's id that are shown: enough to identify it, few enough to type."""


ORIGINS: dict[ModelOrigin, str] = {
    "own": "the models folder",
    "huggingface": "Hugging Face",
    "lm_studio": "LM Studio",
    "ollama": "Ollama",
    "jan": "Jan",
    "llama_cpp": "llama.cpp",
}
"""Who keeps a model. A folder of the config is shown by its path."""


def models_list(models: Sequence[ModelInfo], *, in_use: str | None = None, empty: str) -> Text:
    """Models, each with its figures on a separate line; `in_use` is the path of the running model."""
    if not models:
        return Text(empty)
    lines = []
    for model in models:
        mark = ("● ", "green") if model.path == in_use else ("  ", "")
        lines.append(
            Text.assemble(mark, (one_line(model.name), "bold"), ("  in use" if model.path == in_use else "", "green"))
        )
        if model.valid:
            lines.append(Text(f"    {model_figures(model)}", style="dim"))
        else:
            lines.append(Text(f"    cannot be used: {one_line(model.problem or '')}", style="red"))
        if model.origin != "own":
            keeper = f"{ORIGINS[model.origin]}: " if model.origin in ORIGINS else ""
            lines.append(Text(f"    {keeper}{one_line(model.path)}", style="dim"))
    return Text("\n").join(lines)


def model_figures(model: ModelInfo) -> str:
    """A model's size and kind on one line."""
    parts = [size(model.size_bytes)]
    if model.parameters:
        parts.append(f"{count(model.parameters)} parameters")
    if model.quantization:
        parts.append(model.quantization)
    if model.context_length:
        parts.append(f"trained for a context of {model.context_length}")
    if model.mmproj_path:
        parts.append("takes images")
    return " · ".join(parts)


def machine_table(resources: Resources, *, with_load: bool, devices: Sequence[EngineDevice] = ()) -> Table:
    """The machine and, `with_load`, its current load.

    Args:
        devices: GPUs that an engine lists, which need not be NVIDIA's.
    """
    cpu, memory, disk = resources.cpu, resources.memory, resources.disk
    busy = f"{cpu.percent:.0f} % of " if with_load else ""
    rows = [
        ("Processor", f"{busy}{cpu.logical_cores} cores"),
        ("Memory", f"{size(memory.available_bytes)} free of {size(memory.total_bytes)}"),
        ("Disk", f"{size(disk.free_bytes)} free at {disk.path}"),
    ]
    for gpu in resources.gpus:
        free = "" if gpu.free_bytes is None else f", {size(gpu.free_bytes)} free of {size(gpu.total_bytes)}"
        use = "" if gpu.utilization_percent is None or not with_load else f", {gpu.utilization_percent:.0f} % busy"
        rows.append((f"GPU {gpu.index}", f"{gpu.name}{free}{use}"))
    for device in devices if not resources.gpus else ():
        free = "" if device.free_bytes is None else f", {size(device.free_bytes)} free of {size(device.total_bytes)}"
        shared = ", in main memory" if device.shares_main_memory else ""
        rows.append(("GPU", f"{device.name}: {device.description}{free}{shared}"))
    if not resources.gpus and (not devices or resources.gpu_status.state != "absent"):
        rows.append(("GPU" if not devices else "NVIDIA", resources.gpu_status.message))
    for server in resources.servers if with_load else ():
        on_gpu = "" if server.gpu_memory_bytes is None else f", {size(server.gpu_memory_bytes)} on the GPU"
        name = "Engine" if len(resources.servers) == 1 else f"Engine {server.server_id}"
        rows.append((name, f"{size(server.memory_bytes)} of memory{on_gpu}, {server.cpu_percent:.0f} % of a core"))
    return pairs(rows)


def pairs(rows: Iterable[tuple[str | Text, str | Text]], *, indent: int = 2) -> Table:
    """Names and their descriptions, which wrap beside the name."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text.assemble(" " * indent, name), text)
    return table


def sessions_table(sessions: Sequence[Session | DeletedSession], *, current: str = "") -> Table:
    """Sessions in this order; the current one is marked."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    for session in sessions:
        mark = "● " if session.session_id == current else "  "
        table.add_row(
            Text.assemble((mark, "green"), session.session_id[:SHORT_ID]),
            one_line(session.title) or Text("(no title)", style="dim"),
            Text(messages(session.message_count), style="dim"),
        )
    return table


def messages(count: int) -> str:
    """A number of messages, as text."""
    return number(count, "message")


def number(count: int, thing: str) -> str:
    """A number of things, as text."""
    return f"1 {thing}" if count == 1 else f"{count} {thing}s"


def size(size_bytes: int | None) -> str:
    """A number of bytes, as text."""
    if size_bytes is None:
        return "?"
    value = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit in ("B", "KB") else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(number: int) -> str:
    """A large number, as text such as 135M."""
    for unit, step in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= step:
            return f"{number / step:.3g}{unit}"
    return str(number)
