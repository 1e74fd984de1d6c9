"""What the terminal shows: tables, the progress of a load, the figures of an answer.

Owns looks only. Answers go to stdout, everything else to stderr, so that an answer can be piped on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.table import Table

from sidecar.contract.chat import TurnResult
from sidecar.contract.errors import SidecarError
from sidecar.contract.models import ModelInfo
from sidecar.contract.resources import Resources
from sidecar.contract.servers import ServerInfo, StartLoading
from sidecar.contract.sessions import Session

status = Console(stderr=True, highlight=False)

_STAGES = {
    "queued": "Waiting",
    "planning": "Choosing engine and model",
    "starting": "Starting the engine",
    "loading": "Loading the model",
    "warming": "Warming up",
}


class LoadProgress:
    """The progress of a start, as it comes in events; nothing is left of it afterwards."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=status,
            transient=True,
        )
        self._task = self._progress.add_task(_STAGES["queued"], total=None)

    def __enter__(self) -> LoadProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, event: Any) -> None:
        """Take in an event of a start."""
        stage = _STAGES.get(str(event.__struct_config__.tag))
        if stage is None:
            return
        done = event.progress if isinstance(event, StartLoading) else None
        eta = getattr(event, "eta_ms", None)
        if isinstance(eta, int | float) and eta > 1000:
            stage = f"{stage}, {eta / 1000:.0f} s left"
        self._progress.update(self._task, description=stage, total=None if done is None else 1.0, completed=done or 0.0)


class AnswerPrinter:
    """An answer as it streams: reasoning dim on stderr, the answer on stdout."""

    def __init__(self) -> None:
        self._reasoning = False

    def show(self, event: Any) -> None:
        """Take in an event of a turn."""
        kind = event.__struct_config__.tag
        if kind == "queued" and event.position:
            status.print(f"[dim]waiting, {event.position} before this one[/]")
        elif kind == "reasoning":
            self._reasoning = True
            status.print(event.reasoning, style="dim italic", end="", markup=False)
        elif kind == "token":
            if self._reasoning:
                status.print()
                self._reasoning = False
            sys.stdout.write(event.chunk)
            sys.stdout.flush()
        elif kind == "tool_call":
            function = event.tool_call.function
            status.print(f"→ {function.name}({function.arguments})", style="cyan", markup=False)


def figures(result: TurnResult) -> str:
    """An answer's figures in a line."""
    timings, context = result.timings, result.context
    parts = [f"{result.usage.completion_tokens} tokens"]
    rate = timings.predicted_per_second
    if rate is None and timings.ttft_ms is not None and timings.total_ms > timings.ttft_ms:
        rate = (result.usage.completion_tokens - 1) / (timings.total_ms - timings.ttft_ms) * 1e3
    if rate is not None:
        parts.append(f"{rate:.1f} tokens/s")
    if timings.ttft_ms is not None:
        parts.append(f"first after {timings.ttft_ms:.0f} ms")
    parts.append(f"context {context.used} of {context.max_context}")
    if context.dropped_messages:
        parts.append(f"{context.dropped_messages} older messages left out")
    if result.finish_reason == "length":
        parts.append("cut at the length limit")
    return " · ".join(parts)


def headline(server: ServerInfo) -> str:
    """A ready server in a line."""
    parts = [server.model or "", server.engine or ""]
    if server.actual is not None:
        parts.append(f"context {server.actual.context_per_message}")
        if server.actual.gpu_layers:
            parts.append(f"{server.actual.gpu_layers} of {server.actual.total_layers} layers on the GPU")
    return " · ".join(parts)


def models_table(models: Sequence[ModelInfo]) -> Table:
    """Models, one a row."""
    table = Table("Model", "Size", "Parameters", "Quantization", "Context", "Where", box=None, pad_edge=False)
    for model in models:
        table.add_row(
            model.name,
            size(model.size_bytes),
            count(model.parameters),
            model.quantization or "",
            str(model.context_length or ""),
            model.path if model.valid else f"[red]{model.problem}[/]",
        )
    return table


def resources_table(resources: Resources) -> Table:
    """A reading of the machine."""
    memory, disk = resources.memory, resources.disk
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("Processor", f"{resources.cpu.percent:.0f} % of {resources.cpu.logical_cores} cores")
    table.add_row("Memory", f"{size(memory.used_bytes)} used, {size(memory.available_bytes)} available")
    table.add_row("Disk", f"{size(disk.free_bytes)} free at {disk.path}")
    for gpu in resources.gpus:
        use = "" if gpu.utilization_percent is None else f", {gpu.utilization_percent:.0f} % busy"
        table.add_row(f"GPU {gpu.index}", f"{gpu.name}: {size(gpu.used_bytes)} of {size(gpu.total_bytes)} used{use}")
    if not resources.gpus:
        table.add_row("GPU", resources.gpu_status.message)
    for server in resources.servers:
        gpu_memory = "" if server.gpu_memory_bytes is None else f", {size(server.gpu_memory_bytes)} on the GPU"
        table.add_row(
            f"Server {server.server_id}",
            f"{size(server.memory_bytes)}{gpu_memory}, {server.cpu_percent:.0f} % of a core",
        )
    return table


def sessions_table(sessions: Sequence[Session]) -> Table:
    """Sessions, the last used first."""
    table = Table("Session", "Title", "Messages", box=None, pad_edge=False)
    for session in sessions:
        table.add_row(session.session_id, session.title, str(session.message_count))
    return table


def problem(error: SidecarError) -> None:
    """An error in plain words."""
    status.print(f"[red]{error.message}[/]")
    if error.hint:
        status.print(f"[dim]{error.hint}[/]")


def size(size_bytes: int | None) -> str:
    """Bytes for people."""
    if size_bytes is None:
        return "?"
    value = float(size_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit in ("B", "KB") else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def count(number: int | None) -> str:
    """A large number for people, such as 135M."""
    if number is None:
        return ""
    for unit, step in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= step:
            return f"{number / step:.3g}{unit}"
    return str(number)
