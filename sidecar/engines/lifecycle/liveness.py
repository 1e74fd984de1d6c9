"""Whether a ready engine still answers.

Owns how often it is asked, and which silence is taken for a standstill. What comes of that is `life`'s business.
"""

from __future__ import annotations

import anyio

from sidecar.engines.client.engine_client import EngineClient

HEALTH_INTERVAL_SECONDS = 5.0
"""How often an engine is asked that sends nothing by itself. A question costs both sides about a millisecond."""

QUESTIONS = 2
"""How many must go unanswered, one after the other. When the machine wakes up, or we do, clocks jump and time seems to
be over: that costs one question, and the engine gets another."""

AGAIN_SECONDS = 0.2
"""Pause after a question that was refused at once: the engine may be about to end."""


async def until_silent(link: EngineClient, timeout_seconds: float) -> None:
    """Wait until an engine gives no sign of life for so long. Streamed answers are signs, too."""
    while True:
        heard = link.heard
        await anyio.sleep(min(HEALTH_INTERVAL_SECONDS, timeout_seconds))
        if link.heard != heard:
            continue
        for _ in range(QUESTIONS):
            if await _answers(link, timeout_seconds / QUESTIONS) or link.heard != heard:
                break
        else:
            return


async def _answers(link: EngineClient, seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        while True:
            status, _ = await link.health(seconds)
            if status is not None:  # whatever it says: it lives
                return True
            await anyio.sleep(AGAIN_SECONDS)
    return False
