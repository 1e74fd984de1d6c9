"""One file, fetched from a hub of ours by the real transfer into a real partial file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from sidecar.contract.config import DownloadsConfig
from sidecar.jobs.progress import Progress
from sidecar.library.downloads.answers import Source
from sidecar.library.downloads.partial import PartialFile
from sidecar.library.downloads.transfer import BandwidthLimit, Transfer, TransferOptions
from sidecar.library.downloads.web import STALL_SECONDS, Web
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from sidecar.storage.config import ConfigFile
from tests.config_files import config_file
from tests.hub_server import HubFile, HubServer

REPO = "tests/one-GGUF"
NAME = "one-Q4_K_M.gguf"


class Waits(Progress):
    """Progress of one file that keeps the reasons for waiting."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__([None])
        self._reasons = reasons

    def wait_for(self, reason: str | None) -> None:
        super().wait_for(reason)
        if reason:
            self._reasons.append(reason)


class Fetcher:
    """Fetches one file of a hub.

    Attributes:
        waits: the reasons for waiting that were shown.
        rate: a bound on bytes a second.
    """

    def __init__(self, hub: HubServer, folder: Path, data: bytes, web: Web, config: ConfigFile) -> None:
        self.hub = hub
        self.data = data
        self.file = HubFile(data)
        hub.add(REPO, {}).files[NAME] = self.file
        hub.files[NAME] = self.file
        self.folder = folder
        self.waits: list[str] = []
        self.rate: int | None = None
        self.retry_seconds = 20.0
        self.connections = 4
        self.config = config
        self._web = web

    @property
    def on_hub(self) -> Source:
        """The file on the hub."""
        return Source(f"{self.hub.url}/{REPO}/resolve/main/{NAME}", REPO)

    @property
    def elsewhere(self) -> Source:
        """The file on a server like any other."""
        return Source(f"{self.hub.url}/files/{NAME}")

    @property
    def requests(self) -> int:
        """How many parts were asked for."""
        return len([one for one in self.hub.asked(NAME) if one.headers.get("range", "") not in ("", "bytes=0-0")])

    def partial(self, size: int | None) -> PartialFile:
        """What has come of it."""
        return PartialFile(self.folder, "0", size)

    async def fetch(self, source: Source | None = None, *, sha256: str | None = None, known: bool = True) -> str:
        """Fetch it; returns its hash.

        Args:
            source: on the hub, where nothing else is said.
            sha256: what it must be.
            known: whether its size is.
        """
        source = source or self.on_hub
        remote = await self._web.find(source)
        partial = self.partial(remote.size if known else None)
        partial.open()
        limits = self.config.config.downloads
        limits.connections, limits.max_bytes_per_second = self.connections, self.rate
        limits.retry_seconds = self.retry_seconds
        options = TransferOptions(
            web=self._web, config=self.config, bandwidth=BandwidthLimit(), disk=anyio.CapacityLimiter(8)
        )
        try:
            return await Transfer(
                options,
                source,
                partial,
                Waits(self.waits),
                name=NAME,
                sha256=sha256,
                validator=remote.validator,
                modified=remote.modified,
            ).run()
        finally:
            partial.close()

    def read(self) -> bytes:
        """What has come."""
        return (self.folder / "0.part").read_bytes()


class GivenToken(TokenSource):
    """Finds the same token always, and no other person's."""

    def __init__(self, token: str | None) -> None:
        super().__init__()
        self._given = token

    def _find(self) -> str | None:
        return self._given


@asynccontextmanager
async def fetching(
    hub: HubServer,
    folder: Path,
    data: bytes,
    *,
    private: bool = False,
    token: str | None = None,
    stall_seconds: float = STALL_SECONDS,
) -> AsyncIterator[Fetcher]:
    """A fetcher whose connections end with it."""
    config = config_file(downloads=DownloadsConfig(hub_endpoint=hub.url, allow_private_addresses=private))
    tokens = GivenToken(token)
    tokens.token()
    web = Web(config, Hub(config, tokens), tokens, stall_seconds=stall_seconds)
    try:
        yield Fetcher(hub, folder, data, web, config)
    finally:
        await web.aclose()


async def until(condition: object, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        await anyio.sleep(0.005)
