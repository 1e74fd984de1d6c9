"""Parts of the program that the first reply does not need: brought in after it, or as soon as a request needs them.

Owns when that is done, and that requests wait for it. Knows nothing of what they do.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from sidecar.handlers.call import Call, Handler

if TYPE_CHECKING:
    from sidecar.parts import Parts

HEAD_START_SECONDS = 0.02
"""For a host's first request, which is on its way when we start: what is imported beside it would hold it up. It takes
a few milliseconds; one that comes later finds most of the imports done."""


class LateParts:
    """`Parts` that are not there yet.

    Args:
        build: makes them, given their class.
    """

    def __init__(self, build: Callable[[type[Parts]], Parts]) -> None:
        self._build = build
        self._parts: Parts | None = None
        self._then: list[Callable[[Parts], None]] = []
        self._wanted = False
        self._hurry = anyio.Event()
        self._ready = anyio.Event()
        self._leaving = anyio.Event()

    @property
    def are_here(self) -> bool:
        """Whether nobody has to wait for them."""
        return self._parts is not None

    async def get(self) -> Parts:
        """The parts, as soon as they run."""
        while self._parts is None:
            self._wanted = True
            self._hurry.set()
            await self._ready.wait()
        return self._parts

    def when_here(self, do: Callable[[Parts], None]) -> None:
        """Do something with them as soon as they run. Nobody waits for it."""
        if self._parts is None:
            self._then.append(do)
        else:
            do(self._parts)

    def handler(self, method: str) -> Handler:
        """Waits for the parts and lets them carry out a method."""

        async def carry_out(params: Any, call: Call) -> Any:
            return await (self._parts or await self.get()).handlers[method](params, call)

        return carry_out

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Bring them in and let them run; on leaving, they are stopped.

        A request that waits for them when that begins is still begun, as it would be if they were there.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._run)
            try:
                yield
            finally:
                self._leaving.set()
                self._hurry.set()

    async def _run(self) -> None:
        with anyio.move_on_after(HEAD_START_SECONDS):
            await self._hurry.wait()
        if self._leaving.is_set() and not self._wanted:
            return
        # On a thread, since the wire is to be heard meanwhile.
        parts = self._build(await anyio.to_thread.run_sync(_import))
        async with parts.run():
            self._parts = parts
            self._ready.set()
            for do in self._then:
                do(parts)
            await self._leaving.wait()


def _import() -> type[Parts]:
    gc.disable()  # as in `__main__`
    try:
        from sidecar.parts import Parts
    finally:
        gc.freeze()
        gc.enable()
    return Parts
