"""What the terminal shows beside answers: lines, problems, the progress of a load.

Owns presentation only. Answers go to stdout, everything else to stderr, so that answers can be piped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import IO, Any, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.segment import Segment
from rich.text import Text

from sidecar.cli import wording
from sidecar.cli.printable import printable, terminal_of
from sidecar.cli.tables import size
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import Notice
from sidecar.contract.servers import ServerInfo

Part = str | tuple[str, str]
"""A piece of a line, or one with its style."""

_STAGES = {
    "queued": "Waiting",
    "planning": "Choosing engine and model",
    "starting": "Starting the engine",
    "loading": "Loading the model",
    "warming": "Warming up",
    "downloading": "Downloading",
    "verifying": "Checking",
    "unpacking": "Unpacking",
    "proving": "Letting it generate a token",
}


class PrintableConsole(Console):
    """A console that shows only what is printable, in our own styles. Everything it shows is rendered here."""

    @property
    def file(self) -> IO[str]:
        """The terminal itself: the filter in the place of stdout or stderr would take our styles away."""
        return terminal_of(super().file)  # type: ignore[no-any-return]

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, filtered."""
        for text, style, control in super().render(renderable, options):
            if control:
                yield Segment(text, style, control)
            else:
                yield Segment(printable(text), style.update_link(None) if style and style.link else style)


def console(*, stderr: bool) -> Console:
    """A console for text from elsewhere: brackets and colons in it are no markup."""
    made = PrintableConsole(stderr=stderr, markup=False, emoji=False, highlight=False)
    made.soft_wrap = not made.is_terminal  # lines in a file or a pipe are for programs
    return made


status = console(stderr=True)


def say(*parts: Part, style: str = "", to: Console | None = None) -> None:
    """Print a line of styled pieces."""
    (to or status).print(Text.assemble(*parts, style=style))


def show(thing: RenderableType, *, to: Console | None = None) -> None:
    """Print a table or another renderable."""
    (to or status).print(thing)


def say_below(text: str, *, style: str = "", to: Console | None = None) -> None:
    """Print text that belongs to the line before, with all its lines indented."""
    out = to or status
    out.print(Padding(Text(text, style=style), (0, 0, 0, 2)) if out.is_terminal else f"  {text}")


def problem(error: SidecarError) -> None:
    """Print an error: what happened, what to do, and the end of the engine's log where it has the reason."""
    say(error.message, style="red")
    if hint := wording.hint_of(error):
        say(hint, style="dim")
    for line in wording.log_of(error):
        say("| ", line, style="dim")


def notices(found: Sequence[Notice], *, to: Console | None = None) -> None:
    """Print what the sidecar had to repair when it started."""
    for notice in found:
        say(("! ", "yellow"), notice.message, to=to)
        say_below(notice.hint, style="dim", to=to)


def headline(server: ServerInfo) -> None:
    """Print a ready server on one line."""
    say((server.model or "", "bold"), (" · ".join(["", *_details(server)]), "dim"))


def _details(server: ServerInfo) -> list[str]:
    parts: list[str] = [server.engine or ""]
    if (actual := server.actual) is not None:
        parts.append(f"context {actual.context_per_message}")
        if actual.gpu_layers:
            parts.append(f"{actual.gpu_layers} of {actual.total_layers} layers on the GPU")
        parts.append(f"loaded in {actual.load_ms / 1000:.1f} s")
    return parts


class BytesProgress:
    """The progress of work on whole files, from events; erased at the end."""

    def __init__(self, what: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=status,
            transient=True,
            disable=not status.is_terminal,
        )
        self._task = self._progress.add_task(what, total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Any) -> None:
        """Show an event; one without bytes is ignored."""
        total = getattr(event, "total_bytes", None)
        done = getattr(event, "done_bytes", getattr(event, "received_bytes", None))
        if total is not None and done is not None:
            self._progress.update(self._task, completed=done, total=total, visible=True)


class LoadProgress:
    """The progress of a start or an installation, from events; erased at the end."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TaskProgressColumn(),
            console=status,
            transient=True,
            disable=not status.is_terminal,
        )
        self._task = self._progress.add_task(_STAGES["queued"], total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Any) -> None:
        """Show an event."""
        stage = _STAGES.get(event.__struct_config__.tag)
        if stage is None:
            return
        progress = getattr(event, "progress", None)
        if total := getattr(event, "total_bytes", None):
            progress = getattr(event, "done_bytes", getattr(event, "received_bytes", 0)) / total
            stage = f"{stage} {size(total)}"
        eta = getattr(event, "eta_seconds", None) or _number(getattr(event, "eta_ms", None)) / 1000
        if eta > 1:
            stage = f"{stage}, {eta:.0f} s left"
        self._progress.update(self._task, description=stage, completed=progress or 0.0)
        # `update` keeps the old value for None. Without a figure the bar pulses: 0 % of something nearly done is wrong.
        self._progress.tasks[0].total = None if progress is None else 1.0


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0
