"""An engine's way from its first line to its first answer.

Owns how long that may take, and what counts as an answer: the engine itself has to listen there, not whoever else
may be found at its address.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

from sidecar.contract.errors import SidecarError
from sidecar.contract.servers import StartActual, StartLoading, StartWarming
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from sidecar.engines.launch import Endpoint
from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.lifecycle.failures import start_failed
from sidecar.engines.lifecycle.load_progress import LoadStory, SignsOfLife
from sidecar.engines.output.memory_report import memory_taken

HEALTH_INTERVAL_SECONDS = 0.1
"""How often a start looks at `/health` where the engine does not say itself that it is ready."""

LAST_WORDS_SECONDS = 2.0
"""How long an engine that breaks off its answer may take to turn out to have ended."""

Tell = Callable[[StartLoading | StartWarming], None]


class Startup:
    """Follows one start.

    Args:
        engine: its name, for people.
        tell: called with what hosts are told of the load.
        timeout_seconds: the longest time without a sign of life, as SignsOfLife takes it.
    """

    def __init__(
        self,
        engine: str,
        process: EngineProcess,
        endpoint: Endpoint,
        api_key: str,
        *,
        tell: Tell,
        timeout_seconds: float,
    ) -> None:
        self.port: int | None = None
        self._engine = engine
        self._process = process
        self._endpoint = endpoint
        self._api_key = api_key
        self._tell = tell
        self._timeout = timeout_seconds
        self._story = LoadStory()

    async def until_ready(self) -> EngineClient:
        """Wait until the engine answers; whoever calls has to close the link.

        Raises:
            EngineStartFailed: it ended, or did not get on for too long.
        """
        link: EngineClient | None = None
        process = self._process
        signs = SignsOfLife(process)
        try:
            while True:
                if process.ended.is_set():
                    raise start_failed(self._engine, process)
                self._go_on()
                if process.output.ready or not process.output.supervised:
                    if link is None and (address := await self._address()):
                        link = EngineClient(address, self._api_key)
                    if link is not None and (await link.health())[0] == 200:
                        self._go_on(at_end=True)
                        return link
                await process.news(HEALTH_INTERVAL_SECONDS)
                if await signs.missing(self._timeout):
                    raise start_failed(self._engine, process)
        except BaseException:
            if link is not None:
                link.close()
            raise

    async def ask_what_it_is(self, link: EngineClient) -> StartActual:
        """What a ready engine says of itself.

        Raises:
            EngineStartFailed: it ends, or does not say it.
        """
        process = self._process
        try:
            props = await link.props()
        except (EngineGone, SidecarError) as error:
            with anyio.move_on_after(LAST_WORDS_SECONDS):
                await process.ended.wait()
            raise start_failed(self._engine, process, f"it does not answer as an engine does: {error}") from None
        return StartActual(
            context_per_message=props.default_generation_settings.n_ctx,
            slots=props.total_slots,
            load_ms=round((time.monotonic() - process.started_clock) * 1e3, 1),
            gpu_layers=process.output.gpu_layers,
            total_layers=process.output.total_layers,
            vision=props.modalities.vision,
            build=props.build_info or process.output.build,
            memory=memory_taken(process.output.memory.taken),
        )

    def _go_on(self, *, at_end: bool = False) -> None:
        for event in self._story.go_on(self._process.output, at_end=at_end):
            self._tell(event)

    async def _address(self) -> str | None:
        """Where the engine answers; `None` where it does not yet."""
        if self._endpoint.socket_path is not None:
            return f"unix://{self._endpoint.socket_path}"  # in a folder that nobody else can enter
        self.port = await self._process.listening_port(self._endpoint.port)
        return self._endpoint.base_url(self.port) if self.port is not None else None
