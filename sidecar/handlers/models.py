"""Models."""

from __future__ import annotations

import anyio.to_thread

from sidecar import given_paths
from sidecar.contract.models import InspectModel, ListModels, ModelInfo, ModelInspection
from sidecar.handlers.call import Call, Handler
from sidecar.models.inspection import inspect
from sidecar.models.library import Library


class ModelHandlers:
    """The Models family."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def methods(self) -> dict[str, Handler]:
        return {"list_models": self.list_models, "inspect_model": self.inspect}

    async def list_models(self, params: ListModels, call: Call) -> list[ModelInfo]:
        return await anyio.to_thread.run_sync(self._library.list)

    async def inspect(self, params: InspectModel, call: Call) -> ModelInspection:
        return await anyio.to_thread.run_sync(lambda: inspect(given_paths.file(params.path)))
