"""An engine's load: its progress, its signs of life, and the properties of the engine once it answers.

Owns the clocks of one load. The estimate of the remaining time assumes the rate so far. Does not decide when a load is
over or has failed: `engine_run` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import anyio.to_thread
import msgspec

from sidecar.contract.servers import MemoryTaken, StartActual, StartLoading, StartWarming
from sidecar.engines.client.engine_client import EngineClient
from sidecar.engines.launch import Endpoint
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.output.memory_lines import Taken
from sidecar.engines.output.start_output import EngineOutput
from sidecar.engines.template_facts import TemplateFacts, facts_of

MIN_STEP = 0.01
"""Progress is reported in steps of one percent: an engine writes it hundreds of times."""

SILENT_SECONDS = 1.0
"""A load that has written no progress for so long is reported without a figure."""

MIN_ETA_PROGRESS = 0.05
"""No estimate before so much is done: the rate of the first bytes is not that of the rest."""

SAMPLE_INTERVAL_SECONDS = 2.0
"""How often the process itself is sampled; each sample costs a few system calls."""

MIN_GROWTH_BYTES = 1024 * 1024
"""Growth of memory or reads that counts as a sign of life: less is the noise of a waiting process."""

LOG_ONLY_FACTOR = 5.0
"""How many times the timeout a load may take while log lines are its only sign of life: by default a quarter of an
hour, far longer than any step of a real load takes without memory, disk or progress."""

DEFAULT_STAGE = "text_model"
"""The stage that is reported if the engine names none."""


LoadStep = StartLoading | StartWarming


class LoadProgress:
    """The progress of one load as it is reported: several times loading, then once warming up.

    Args:
        clock: seconds; for the estimate and for SILENT_SECONDS.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._last: float | None = None
        self._shown_silent = False
        self._warming = False

    def steps(self, output: EngineOutput, *, at_end: bool = False) -> list[LoadStep]:
        """The new steps; at the end of the load also those that were too fast to be reported before."""
        if self._warming:
            return []
        if output.warming or output.ready:
            self._warming = True
            return [*self._complete(output), StartWarming()]
        if output.progress is not None:
            return self._advance(output.progress.stage, output.progress.value)
        if not self._shown_silent and (at_end or self._clock() - self._started >= SILENT_SECONDS):
            self._shown_silent = True
            return [StartLoading(stage=DEFAULT_STAGE, progress=None)]
        return []

    def _complete(self, output: EngineOutput) -> list[StartLoading]:
        if output.progress is not None:
            return [] if self._last == 1 else [StartLoading(stage=output.progress.stage, progress=1.0)]
        return [] if self._shown_silent else [StartLoading(stage=DEFAULT_STAGE, progress=None)]

    def _advance(self, stage: str, progress: float) -> list[LoadStep]:
        if self._last is not None and progress - self._last < MIN_STEP:
            return []
        self._last = progress
        event = StartLoading(stage=stage, progress=round(progress, 4))
        if progress >= MIN_ETA_PROGRESS:
            event.eta_ms = round((self._clock() - self._started) * 1e3 * (1 - progress) / progress)
        return [event]


class SignsOfLife:
    """The signs of life of a load: it reports progress, its memory or its reads grow, or at least it logs.

    A mapped model of 40 GB is read page by page without any output, for minutes on a slow disk. Log lines alone, on the
    other hand, may come from an engine that retries the same step endlessly, so they count only for a limited time.

    Args:
        clock: seconds.
    """

    def __init__(self, process: EngineProcess, clock: Callable[[], float] = time.monotonic) -> None:
        self._process = process
        self._clock = clock
        self._lines = process.lines
        self._stage = _stage_of(process.output)
        self._bytes = 0
        self._sampled_at = 0.0
        self._moved_at = self._logged_at = clock()

    async def missing(self, seconds: float) -> bool:
        """Whether there was none for so long, or only log lines for LOG_ONLY_FACTOR times as long."""
        moved = await self._has_moved()
        lines, self._lines = self._lines, self._process.lines
        now = self._clock()
        if moved:
            self._moved_at = now
        if self._lines != lines:
            self._logged_at = now
        silent, stuck = now - max(self._moved_at, self._logged_at), now - self._moved_at
        return silent > seconds or stuck > seconds * LOG_ONLY_FACTOR

    async def _has_moved(self) -> bool:
        stage, self._stage = self._stage, max(self._stage, _stage_of(self._process.output))
        if self._stage != stage:
            return True
        if self._clock() - self._sampled_at < SAMPLE_INTERVAL_SECONDS:
            return False
        self._sampled_at = self._clock()
        before, self._bytes = self._bytes, await anyio.to_thread.run_sync(_bytes_moved, self._process.pid)
        return self._bytes - before > MIN_GROWTH_BYTES


async def address_of(process: EngineProcess, endpoint: Endpoint) -> tuple[str, int | None] | None:
    """The address at which an engine answers, and its TCP port; `None` if it does not listen yet.

    Checks that the engine itself listens there, not another program.
    """
    if endpoint.socket_path is not None:
        return f"unix://{endpoint.socket_path}", None  # in a folder that no other user can enter
    port = await process.listening_port(endpoint.port)
    return (endpoint.base_url(port), port) if port is not None else None


async def described(
    process: EngineProcess, client: EngineClient, *, ctx_size: int
) -> tuple[StartActual, TemplateFacts]:
    """The properties of an engine that answers, and what its template takes.

    Args:
        ctx_size: the context that was requested.

    Raises:
        EngineGone, SidecarError: it ends, or does not return them.
    """
    props = await client.props()
    inputs = props.modalities
    template = facts_of(
        props.chat_template,
        tool_use_text=props.chat_template_tool_use,
        caps=props.chat_template_caps,
        vision=inputs.vision if inputs else None,
        audio=inputs.audio if inputs else None,
    )
    slots, context = props.total_slots, props.default_generation_settings.n_ctx
    lines = process.output.context
    if samplers := props.default_generation_settings.params:
        template = msgspec.structs.replace(template, samplers=frozenset(samplers))
    actual = StartActual(
        context_per_message=context,
        slots=slots,
        shared_context=lines.shared(slots=slots, context_per_slot=context, ctx_size=ctx_size),
        trained_context=lines.trained,
        load_ms=round((time.monotonic() - process.started_clock) * 1e3, 1),
        gpu_layers=process.output.gpu_layers,
        total_layers=process.output.total_layers,
        vision=inputs is not None and inputs.vision,
        build=props.build_info or process.output.build,
        memory=memory_taken(process.output.memory.taken),
    )
    return actual, template


def memory_taken(table: Mapping[str, Taken]) -> list[MemoryTaken]:
    """Memory by device, for the wire."""
    return [
        MemoryTaken(
            device=device,
            weights_bytes=taken.weights,
            kv_cache_bytes=taken.kv_cache,
            compute_bytes=taken.compute,
            projector_bytes=taken.projector,
        )
        for device, taken in table.items()
    ]


def _stage_of(output: EngineOutput) -> tuple[bool, bool, float]:
    """How far a load is according to its output; the greater value is further."""
    return output.ready, output.warming, output.progress.value if output.progress else -1.0


def _bytes_moved(pid: int) -> int:
    """Resident memory plus bytes read so far; 0 for a process that is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        read = process.io_counters() if hasattr(process, "io_counters") else None
        # On Linux `read_bytes` counts disk reads only; reads from the page cache are among the `read_chars`.
        return int(process.memory_info().rss) + sum(int(getattr(read, n, 0)) for n in ("read_bytes", "read_chars"))
    except psutil.Error:
        return 0
