"""The first messages of a WebSocket: each side proves to the other that it has the page's key.

Owns their order, their time and what is said to a page that is refused. What is proved is decided by `admission`.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar

import msgspec
from aiohttp import WSMsgType, web

from sidecar.transport.web.admission import Admission, Admitted, Hello, Proof

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 5.0
"""For both messages of a page. It sends them as soon as it can."""

NOT_ADMITTED = 4401
"""Sent as a close code, since a script cannot read the HTTP status that refuses a WebSocket."""

LINK_MADE = 4200
"""Sent as a close code: the link that the page asked for is valid."""

M = TypeVar("M", Hello, Proof)


async def handshake(
    socket: web.WebSocketResponse, admission: Admission, *, seconds: float = HANDSHAKE_SECONDS
) -> Hello | None:
    """Admit a page on a socket that was opened, or close the socket.

    Returns:
        What the admitted page asked for, or `None`: the page was refused, or asked for a link; the socket is closed.
    """
    try:
        async with asyncio.timeout(seconds):
            hello = await _received(socket, Hello)
            began = admission.challenge(hello) if hello is not None else None
            if hello is None or began is None:
                await _refuse(socket, "it does not name a key of ours")
                return None
            exchange, challenge = began
            await socket.send_str(msgspec.json.encode(challenge).decode())
            proof = await _received(socket, Proof)
            if proof is None or not admission.admit(exchange, proof):
                await _refuse(socket, "its proof is wrong, or its link was used before")
                return None
            await socket.send_str(msgspec.json.encode(Admitted()).decode())
    except (TimeoutError, ConnectionError):
        await _refuse(socket, "it said nothing")
        return None
    if hello.purpose == "link":
        await socket.close(code=LINK_MADE)
        return None
    return hello


async def _received(socket: web.WebSocketResponse, kind: type[M]) -> M | None:
    """The page's next message; `None` if it is no such message."""
    message = await socket.receive()
    if message.type is not WSMsgType.TEXT:
        return None
    try:
        return msgspec.json.decode(message.data, type=kind)
    except msgspec.DecodeError:
        return None


async def _refuse(socket: web.WebSocketResponse, why: str) -> None:
    logger.info("a page was refused: %s", why)
    await socket.close(code=NOT_ADMITTED, message=b"This page has not been let in.")
