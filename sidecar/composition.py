"""The features of a sidecar, in the order in which they are created.

Owns the list of features, and the order in which they start and stop. Imports all of them, which takes as long as
everything before the first reply, so `app` imports this module after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from sidecar.dispatch.requests import RequestTasks
from sidecar.handlers import (
    chat,
    config,
    downloads,
    engines,
    logs,
    memory,
    models,
    resources,
    servers,
    sessions,
    storage,
    subscriptions,
)
from sidecar.handlers.call import Handler
from sidecar.services import Services

FEATURES: tuple[Callable[[Services], dict[str, Handler]], ...] = (
    storage.register,
    logs.register,
    resources.register,
    models.register,
    downloads.register,
    engines.register,
    servers.register,
    memory.register,
    chat.register,
    sessions.register,
    config.register,
    subscriptions.register,
)
"""Each may use the services that those before it set."""


@asynccontextmanager
async def features(services: Services, requests: RequestTasks) -> AsyncIterator[dict[str, Handler]]:
    """Run all features, and yield their handlers; on exit, all are stopped.

    They stop in this order: what answers the requests that wait for it, the background work, the running requests, and
    then what those needed until their end, such as engines.
    """
    handlers: dict[str, Handler] = {}
    try:
        for register in FEATURES:
            handlers |= register(services)
        async with AsyncExitStack() as running:
            for run in services.run_until_last_request:
                await running.enter_async_context(run())
            await running.enter_async_context(requests.run())
            background = await running.enter_async_context(anyio.create_task_group())
            running.callback(background.cancel_scope.cancel)
            for run in services.run_until_stop:
                await running.enter_async_context(run())
            for work in services.background:
                background.start_soon(work)
            yield handlers
    finally:
        with anyio.CancelScope(shield=True):
            await services.at_end.aclose()
