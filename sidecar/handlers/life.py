"""Life of a connection."""

from __future__ import annotations

import os
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
    PingParams,
    ServerIdentity,
    ShutdownParams,
)
from sidecar.contract.topics import TOPICS
from sidecar.handlers.call import Call, Handler
from sidecar.services import Services
from sidecar.storage.integrity import is_suspect


class LifeHandlers:
    """initialize, ping, shutdown, rpc.discover."""

    def __init__(self, services: Services) -> None:
        self._services = services

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
        services = self._services
        if params.max_line_bytes is not None:
            call.limit_lines(params.max_line_bytes)
        if params.host_pid is not None:
            services.lifetime.watch_host(params.host_pid)
        services.lifetime.introduce()
        notices = list(services.config.notices)
        # Wait for the features only if the history may be broken: then they have a notice.
        if services.lifetime.ready.is_set() or is_suspect(services.data_dir.history_file):
            await services.lifetime.until_ready()
            for source in services.notice_sources:
                notices += await source.notices()
        return InitializeResult(
            server=ServerIdentity(name="llama-sidecar", version=sidecar.__version__),
            contract_version=CONTRACT_VERSION,
            contract_hash=CONTRACT_HASH,
            pid=os.getpid(),
            data_dir=str(services.data_dir.root),
            capabilities=Capabilities(
                methods=list(METHODS), topics=list(TOPICS), max_line_bytes=services.max_line_bytes
            ),
            notices=notices,
        )

    async def ping(self, params: PingParams, call: Call) -> str:
        return "pong"

    async def shutdown(self, params: ShutdownParams, call: Call) -> None:
        if (count := self._services.lifetime.host_count) > 1:
            raise NotSupported(
                f"{count} pages are open, and the sidecar would end for all of them.",
                hint="Close the others first, or end llama-sidecar where it was started.",
            )
        self._services.lifetime.stop()

    async def discover(self, params: DiscoverParams, call: Call) -> dict[str, Any]:
        from sidecar.contract import openrpc  # builds every schema, so only on request

        return openrpc.document()


def register(services: Services) -> dict[str, Handler]:
    return LifeHandlers(services).methods()
