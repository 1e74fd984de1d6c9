"""The features of a sidecar, in the order in which they are made.

Owns which features there are, and the order in which they run and end. Imports all of them, which takes as long as
everything before the first reply, so `app` imports it after that.
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
"""Each may use what those before it have left in the services."""


@asynccontextmanager
async def features(services: Services, requests: RequestTasks) -> AsyncIterator[dict[str, Handler]]:
    """The handlers of all features, which run; on leaving, all are stopped.

    They are left in turn: what answers requests that wait for it, the background, the requests under way, and then what
    those needed to their end, such as engines.
    """
    handlers: dict[str, Handler] = {}
    try:
        for register in FEATURES:
            handlers |= register(services)
        async with AsyncExitStack() as running:
            for run in services.run_to_the_end:
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
