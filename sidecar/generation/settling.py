"""What becomes of an engine after a cancel: whether it is idle, and what is done if it works on.

A free slot does not say that the engine is idle: a template is rendered and a schema read before a request has a slot.
An engine closes its side of a connection once nothing works on the request any more, which is what counts here.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import msgspec

from sidecar.contract.errors import SidecarError
from sidecar.engines.client.engine_client import EngineGone
from sidecar.engines.lifecycle.engine_errors import does_not_stop
from sidecar.servers.server import Server

POLL_SECONDS = 0.02
"""Between two looks at the slots; one takes an engine less than a millisecond."""

IDLE_SECONDS = 5.0
"""How long a cancel waits. An engine does not interrupt a batch of the prompt that it is computing."""

WORKING_SECONDS = 10.0
"""How long an engine may work on a cancelled request that has no slot. Rendering and reading the longest prompt takes
some seconds; a template or a schema without end would take memory and a processor until the engine is restarted."""


class Settled(msgspec.Struct, frozen=True):
    """An engine after a cancel.

    Attributes:
        idle: whether it is idle; `None` if it does not report that.
        ended: whether it had to be ended for that.
    """

    idle: bool | None
    ended: bool = False


async def settle(server: Server, admitted: Callable[[], int]) -> Settled:
    """Wait until an engine is idle but for the requests that are under way.

    One that works on after WORKING_SECONDS, though none of its slots is busy and it has no other request, is ended.
    Where a slot is busy, it is left to the watch on its progress (`engines.lifecycle.progress`).

    Args:
        admitted: how many requests are under way.
    """
    idle = await _until_idle(server, admitted, IDLE_SECONDS)
    if idle is not False or not await _works_without_slot(server, admitted):
        return Settled(idle)
    idle = await _until_idle(server, admitted, WORKING_SECONDS - IDLE_SECONDS)
    if idle is not False or not await _works_without_slot(server, admitted):
        return Settled(idle)
    return Settled(await server.end_engine(does_not_stop(WORKING_SECONDS)), ended=True)


async def _until_idle(server: Server, admitted: Callable[[], int], seconds: float) -> bool | None:
    with anyio.move_on_after(seconds):
        while True:
            try:
                client = server.ready_client()
                busy = await client.busy_slots()
            except (SidecarError, EngineGone):  # without a ready engine nothing is being processed
                return True
            if not client.unfinished:
                if busy is None:
                    return None
                if busy <= admitted():
                    return True
            await anyio.sleep(POLL_SECONDS)
    return False


async def _works_without_slot(server: Server, admitted: Callable[[], int]) -> bool:
    """Whether an engine works on nothing but what was cancelled, and none of its slots is busy with that."""
    with anyio.move_on_after(IDLE_SECONDS):  # while it computes a batch, it does not answer
        try:
            client = server.ready_client()
            return not await client.busy_slots() and client.unfinished > 0 and not admitted()
        except (SidecarError, EngineGone):
            return False
    return False
