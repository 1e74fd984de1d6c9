"""When an engine may be put to sleep: nobody has asked it for long enough, and nobody is waiting for an answer.

What sleeping means, and what wakes a server, is `server`'s business.
"""

from __future__ import annotations

import time

import anyio

from sidecar.contract.servers import ServerSettings
from sidecar.engines.link import EngineGone, EngineLink


async def until_unused(link: EngineLink, seconds: float) -> None:
    """Wait until a ready engine was asked nothing for so long."""
    left = seconds
    while left > 0:
        await anyio.sleep(left)
        left = seconds if link.is_asked else link.asked_at + seconds - time.monotonic()


async def is_at_rest(link: EngineLink) -> bool:
    """Whether an engine works on nothing, for others neither. To look counts as a question."""
    if link.is_asked:
        return False
    try:
        busy = await link.busy_slots()
    except EngineGone:
        return False  # it does not rest, it ends
    return not busy and not link.is_asked


def may_sleep(settings: ServerSettings) -> bool:
    """Whether a server is ours alone. One with a port or an address of its own is there for others, who would find
    nobody there, and could wake nobody."""
    return settings.port is None and settings.host is None
