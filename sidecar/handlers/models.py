"""Models."""

from __future__ import annotations

from functools import partial

import anyio.to_thread

from sidecar.contract.models import (
    DeletedModel,
    DeleteModelParams,
    EmptyTrashParams,
    EmptyTrashResult,
    GetModelParams,
    ImportModelParams,
    InspectModelParams,
    InspectModelResult,
    ListDeletedModelsParams,
    ListModelsParams,
    ModelDetails,
    ModelInfo,
    RestoreModelParams,
    ScanModelsParams,
    ScanModelsResult,
    TrashedModel,
)
from sidecar.events.event_log import EventLog
from sidecar.handlers.call import Call, Handler
from sidecar.host import path_policy
from sidecar.library.header_cache import HeaderCache
from sidecar.library.importing import Importer
from sidecar.library.inspection import details, inspect
from sidecar.library.library import Library
from sidecar.library.pages import page
from sidecar.library.scan.sources import Sources
from sidecar.library.trash.trash import Trash
from sidecar.services import Services


class ModelHandlers:
    """The Models family."""

    def __init__(self, *, library: Library, importer: Importer, trash: Trash, services: Services) -> None:
        self._library = library
        self._importer = importer
        self._trash = trash
        self._services = services

    def methods(self) -> dict[str, Handler]:
        return {
            "list_models": self.list_models,
            "get_model": self.get,
            "scan_models": self.scan,
            "inspect_model": self.inspect,
            "import_model": self.import_model,
            "delete_model": self.delete,
            "list_deleted_models": self.list_deleted,
            "restore_model": self.restore,
            "empty_trash": self.empty_trash,
        }

    async def list_models(self, params: ListModelsParams, call: Call) -> list[ModelInfo]:
        return await anyio.to_thread.run_sync(
            lambda: page(self._library.list(), after=params.cursor, limit=params.limit)
        )

    async def get(self, params: GetModelParams, call: Call) -> ModelDetails:
        return await anyio.to_thread.run_sync(lambda: details(self._library.get(params.model)))

    async def scan(self, params: ScanModelsParams, call: Call) -> ScanModelsResult:
        events = EventLog()
        call.follow(events)
        return await self._library.scan_models(verify=bool(params.verify), events=events)

    async def inspect(self, params: InspectModelParams, call: Call) -> InspectModelResult:
        return await anyio.to_thread.run_sync(lambda: inspect(path_policy.file(params.path)))

    async def import_model(self, params: ImportModelParams, call: Call) -> ModelInfo:
        events = EventLog()
        call.follow(events)
        return await self._importer.import_model(params, events)

    async def delete(self, params: DeleteModelParams, call: Call) -> DeletedModel:
        loaded = self._services.servers.loaded_files()
        return await anyio.to_thread.run_sync(
            lambda: self._trash.delete(
                params.model, permanently=bool(params.permanently), dry_run=bool(params.dry_run), loaded=loaded
            )
        )

    async def list_deleted(self, params: ListDeletedModelsParams, call: Call) -> list[TrashedModel]:
        return await anyio.to_thread.run_sync(self._trash.deleted)

    async def restore(self, params: RestoreModelParams, call: Call) -> ModelInfo:
        return await anyio.to_thread.run_sync(self._trash.restore, params.model)

    async def empty_trash(self, params: EmptyTrashParams, call: Call) -> EmptyTrashResult:
        return await anyio.to_thread.run_sync(self._trash.empty, params.model)


def register(services: Services) -> dict[str, Handler]:
    models = services.data_dir.models
    services.headers = HeaderCache(services.data_dir.headers_file)
    services.library = library = Library(Sources(models, services.config), services.headers)
    services.at_end.push_async_callback(anyio.to_thread.run_sync, services.headers.close)
    importer = Importer(library, models)
    trash = Trash(library, models, services.config, purge_clock=services.purge_clock)
    services.background += [partial(anyio.to_thread.run_sync, work) for work in (importer.tidy, trash.tidy)]
    return ModelHandlers(library=library, importer=importer, trash=trash, services=services).methods()
