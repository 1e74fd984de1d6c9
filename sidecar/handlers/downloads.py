"""Downloads, and the hub."""

from __future__ import annotations

from functools import partial

from sidecar.contract.downloads import (
    CancelDownloadParams,
    Download,
    DownloadModelParams,
    ListDownloadsParams,
    PauseDownloadParams,
    ResumeDownloadParams,
)
from sidecar.contract.hub import (
    HubModel,
    ListHubFilesParams,
    ListHubFilesResult,
    SearchHubParams,
)
from sidecar.events.event_log import EventLog
from sidecar.handlers.call import Call, Handler
from sidecar.host.gpus import GpuReader
from sidecar.library.downloads.service import Downloads
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from sidecar.services import Services


class DownloadHandlers:
    """The hub's and the downloads' part of the Models family."""

    def __init__(self, downloads: Downloads, hub: Hub, gpus: GpuReader) -> None:
        self._downloads = downloads
        self._hub = hub
        self._gpus = gpus

    def methods(self) -> dict[str, Handler]:
        return {
            "search_hub": self.search,
            "list_hub_files": self.list_files,
            "download_model": self.download,
            "list_downloads": self.list_downloads,
            "pause_download": self.pause,
            "resume_download": self.resume,
            "cancel_download": self.cancel,
        }

    async def search(self, params: SearchHubParams, call: Call) -> list[HubModel]:
        return await self._hub.search(params.query.strip(), params.limit)

    async def list_files(self, params: ListHubFilesParams, call: Call) -> ListHubFilesResult:
        from sidecar.library.hub.listing import list_files  # not needed at start-up

        return await list_files(params, hub=self._hub, gpus=self._gpus)

    async def download(self, params: DownloadModelParams, call: Call) -> Download:
        events = EventLog()
        call.follow(events)
        return await self._downloads.fetch(params, events)

    async def list_downloads(self, params: ListDownloadsParams, call: Call) -> list[Download]:
        return await self._downloads.listed()

    async def pause(self, params: PauseDownloadParams, call: Call) -> Download:
        return await self._downloads.pause(params.download_id)

    async def resume(self, params: ResumeDownloadParams, call: Call) -> Download:
        return await self._downloads.resume(params.download_id)

    async def cancel(self, params: CancelDownloadParams, call: Call) -> Download:
        return await self._downloads.cancel(params.download_id)


def register(services: Services) -> dict[str, Handler]:
    config, tokens = services.config, TokenSource()
    services.hub = Hub(config, tokens)
    services.downloads = Downloads(
        models=services.data_dir.models,
        records=services.data_dir.downloads,
        config=config,
        hub=services.hub,
        tokens=tokens,
    )
    services.run_until_stop.append(services.downloads.run)
    services.background.append(partial(services.lifetime.at_introductions, services.downloads.resume_interrupted))
    return DownloadHandlers(services.downloads, services.hub, services.gpus).methods()
