"""Life of a connection."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sidecar
from sidecar.contract import METHODS
from sidecar.contract.errors import NotSupported
from sidecar.contract.generated import CONTRACT_HASH
from sidecar.contract.life import (
    CONTRACT_VERSION,
    Capabilities,
    DiscoverParams,
    InitializeParams,
    InitializeResult,
    Notice,
    PingParams,
    ServerIdentity,
    ShutdownParams,
)
from sidecar.contract.topics import TOPICS
from sidecar.handlers.call import Call, Handler


class LifeHandlers:
    """initialize, ping, shutdown, rpc.discover."""

    def __init__(
        self,
        *,
        data_dir: Path,
        max_line_bytes: int,
        notices: Callable[[], Awaitable[list[Notice]]],
        watch_host: Callable[[int], None],
        shut_down: Callable[[], None],
        host_is_there: Callable[[], None],
    ) -> None:
        self._data_dir = data_dir
        self._max_line_bytes = max_line_bytes
        self._notices = notices
        self._watch_host = watch_host
        self._shut_down = shut_down
        self._host_is_there = host_is_there

    def methods(self) -> dict[str, Handler]:
        return {
            "initialize": self.initialize,
            "ping": self.ping,
            "shutdown": self.shutdown,
            "rpc.discover": self.discover,
        }

    async def initialize(self, params: InitializeParams, call: Call) -> InitializeResult:
        asked = str(CONTRACT_VERSION if params.contract_version is None else params.contract_version)
        if asked.split(".")[0] != CONTRACT_VERSION.split(".")[0]:
            raise NotSupported(
                f"The host speaks contract {asked}, this sidecar {CONTRACT_VERSION}.",
                hint="Use a llama-sidecar of the host's major version, or update the host.",
            )
        if params.host_pid is not None:
            self._watch_host(params.host_pid)
        self._host_is_there()
        return InitializeResult(
            server=ServerIdentity(name="llama-sidecar", version=sidecar.__version__),
            contract_version=CONTRACT_VERSION,
            contract_hash=CONTRACT_HASH,
            pid=os.getpid(),
            data_dir=str(self._data_dir),
            capabilities=Capabilities(methods=list(METHODS), topics=list(TOPICS), max_line_bytes=self._max_line_bytes),
            notices=await self._notices(),
        )

    async def ping(self, params: PingParams, call: Call) -> str:
        return "pong"

    async def shutdown(self, params: ShutdownParams, call: Call) -> None:
        self._shut_down()

    async def discover(self, params: DiscoverParams, call: Call) -> dict[str, Any]:
        from sidecar.contract import openrpc  # builds every schema: only for who asks

        return openrpc.document()
