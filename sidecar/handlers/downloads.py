"""Downloads, and the hub that they come from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from sidecar.contract.downloads import (
    CancelDownloadParams,
    Download,
    DownloadModelParams,
    ListDownloadsParams,
    PauseDownloadParams,
    ResumeDownloadParams,
)
from sidecar.contract.errors import InvalidParams
from sidecar.contract.hub import (
    Fit,
    HubFile,
    HubModel,
    HubVariant,
    ListHubFilesParams,
    ListHubFilesResult,
    SearchHubParams,
)
from sidecar.events.event_log import EventLog
from sidecar.handlers.call import Call, Handler
from sidecar.host.gpus import GpuReader
from sidecar.host.memory import free_bytes
from sidecar.library.downloads.service import Downloads
from sidecar.library.hub.api import Hub
from sidecar.library.hub.token import TokenSource
from sidecar.services import Services

if TYPE_CHECKING:
    from sidecar.library.hub.variants import RepositoryFile, Variant


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
        from sidecar.library.hub import variants  # what start-up does without
        from sidecar.library.hub.reference import HOW_TO_NAME, FileUrl, parse

        reference = parse(params.repo, endpoint=self._hub.endpoint)
        if isinstance(reference, FileUrl):
            raise InvalidParams("This is not the address of a repository on the hub.", path="$.repo", hint=HOW_TO_NAME)
        repository = await self._hub.repository(reference.repo, params.revision or reference.revision)
        gpus = (await self._gpus.read()).gpus
        fits = partial(
            variants.fit,
            free_memory=await anyio.to_thread.run_sync(free_bytes),
            free_gpu_memory=[gpu.free_bytes for gpu in gpus if gpu.free_bytes is not None],
        )
        found = variants.variants(repository.files)
        return ListHubFilesResult(
            repo=repository.repo,
            revision=repository.commit,
            gated=repository.gated,
            licence=repository.licence,
            variants=[_variant(one, fits(one.size), one == variants.default_of(found)) for one in found],
            projectors=[_file(one) for one in variants.projectors(repository.files)],
        )

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


def _variant(one: Variant, fits: Fit | None, default: bool) -> HubVariant:
    return HubVariant(
        name=one.name,
        quantization=one.quantization,
        files=[_file(file) for file in one.files],
        size_bytes=one.size,
        fits=fits,
        default=default,
    )


def _file(file: RepositoryFile) -> HubFile:
    return HubFile(path=file.path, size_bytes=file.size, sha256=file.sha256)


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
    services.background.append(partial(_resume, services))
    return DownloadHandlers(services.downloads, services.hub, services.gpus).methods()


async def _resume(services: Services) -> None:
    """Continue what a restart has interrupted, as soon as there is a host that could know of it."""
    while True:
        await services.lifetime.next_introduction()
        await services.downloads.resume_interrupted()
