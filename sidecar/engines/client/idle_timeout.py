"""Silence within a streamed answer: how much of it is borne, and what it is then to a host."""

from __future__ import annotations

import asyncio
from typing import Self

from sidecar.contract.errors import EngineUnresponsive
from sidecar.engines.client.exchange import Exchange

SILENCE_SECONDS = 180.0
"""Longest silence before and within a streamed answer, at least; at most twice that. llama-server sends something every
30 s even while it waits."""


class IdleTimeout:
    """Ends an exchange, with EngineUnresponsive, in which nothing has come from one look to the next."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._received = 0
        self._timer: asyncio.TimerHandle

    def __enter__(self) -> Self:
        self._look_later()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._exchange.received == self._received:
            self._exchange.break_off(silent())
            return
        self._received = self._exchange.received
        self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._look)


def silent() -> EngineUnresponsive:
    """What a host is told of it."""
    return EngineUnresponsive(f"The engine has been silent for {SILENCE_SECONDS:.0f} s.")
