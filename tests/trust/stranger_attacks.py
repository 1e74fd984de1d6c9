"""What another user's program does to a sidecar that serves pages: run by its own, with the standard library alone.

    python -I stranger_attacks.py UID bursts 127.0.0.1 PORT KEY COUNT
    python -I stranger_attacks.py UID silent 127.0.0.1 PORT KEY COUNT SECONDS

It becomes the user UID before it connects; another user may not be able to read this file or run its Python. KEY is a
valid key, `name.secret`, as if it had been stolen. Writes what it has reached as one JSON object.
"""

from __future__ import annotations

import base64
import contextlib
import encodings.idna  # noqa: F401 - `create_connection` imports it, which the other user may not be able to do
import hashlib
import hmac
import json
import os
import resource
import socket
import sys
import time

PROTOCOL = "llama-sidecar.v2"
WAIT_SECONDS = 5.0
STAYS = 20
"""Every so many bursts one waits for answers, and tries the whole handshake."""

CONNECTS_A_SECOND = 2_000
"""So that the trial measures the sidecar and not a machine without a processor to spare."""


def upgrade(host: str) -> bytes:
    lines = (
        "GET /rpc HTTP/1.1",
        f"Host: {host}",
        f"Origin: http://{host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Protocol: {PROTOCOL}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def frame(text: str) -> bytes:
    """A masked text frame of less than 64 KiB (RFC 6455, section 5.2)."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + size + b"\0\0\0\0" + data


def burst(address: tuple[str, int], key: str, number: int) -> str:
    """Everything at once, then a close, or a wait for answers: what came of it, in a word."""
    host, (name, _, secret) = f"{address[0]}:{address[1]}", key.partition(".")
    secret_bytes = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "create_session", "params": {"title": "stranger"}})
    hello = frame(json.dumps({"key": name, "nonce": "n"}))
    proof = frame(json.dumps({"proof": "guess"}))
    connection = socket.create_connection(address, timeout=WAIT_SECONDS)
    try:
        if number % STAYS:
            connection.sendall(upgrade(host) + hello + proof + frame(request))
            return "closed"
        connection.sendall(upgrade(host) + hello)
        received = b""
        while b'"proof"' not in received:
            part = connection.recv(65536)
            if not part:
                return "refused"
            received += part
        theirs = json.loads(received[received.rindex(b'{"') :])["nonce"]
        text = "\n".join((PROTOCOL, "page", host, "n", theirs))
        digest = hmac.digest(secret_bytes, text.encode(), hashlib.sha256)
        right = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        connection.sendall(frame(json.dumps({"proof": right})) + frame(request))
        return "answered" if connection.recv(65536) else "refused"
    finally:
        connection.close()


def bursts(address: tuple[str, int], key: str, count: int) -> dict[str, int]:
    """So many bursts; how many were answered anything."""
    outcomes: dict[str, int] = {}
    for number in range(count):
        try:
            outcome = burst(address, key, number)
        except OSError:
            outcome = "reset"
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


def silent(address: tuple[str, int], count: int, seconds: float) -> dict[str, int]:
    """So many connections that say nothing; one that is closed is opened again."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[socket.socket | None] = [None] * count
    opened = failed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for place in range(count):
            connection = held[place]
            if connection is not None and not _is_closed(connection):
                continue
            if connection is not None:
                connection.close()
            try:
                held[place] = socket.create_connection(address, timeout=WAIT_SECONDS)
                opened += 1
            except OSError:
                held[place] = None
                failed += 1
            time.sleep(1 / CONNECTS_A_SECOND)
            if time.monotonic() > end:
                break
    alive = sum(connection is not None and not _is_closed(connection) for connection in held)
    return {"opened": opened, "failed": failed, "alive": alive}


def _is_closed(connection: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        try:
            return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
        except ConnectionError:
            return True
    return False


if __name__ == "__main__":
    user, kind, host, port, key, count, *rest = sys.argv[1:]
    if int(user) != os.geteuid():
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    address = host, int(port)
    done = bursts(address, key, int(count)) if kind == "bursts" else silent(address, int(count), float(rest[0]))
    print(json.dumps(done))
