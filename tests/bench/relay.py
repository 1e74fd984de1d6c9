"""The least that any Python program between an engine and a host has to do: read events, parse them, write lines.

What the sidecar's cost of a token is compared with. Run as a program, it takes requests as lines of JSON with
`socket_path`, `api_key` and `bodies`, sends all bodies at once, writes a line for each event of the answers, and then
`END`. It keeps nothing, counts nothing, and knows neither errors nor hosts that are slow. Standard library only.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
from typing import Any

END = b'{"end":true}\n'
READ_BYTES = 256 * 1024
"""What the sidecar's event loop reads at once."""


def main() -> None:
    """Relay until stdin ends."""
    for line in sys.stdin.buffer:
        relay(json.loads(line))


def relay(request: dict[str, Any]) -> None:
    """Send the requests and write what comes back."""
    selector = selectors.DefaultSelector()
    for channel, body in enumerate(request["bodies"]):
        data = json.dumps(body).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {request['api_key']}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(request["socket_path"])
        connection.sendall(head.encode() + data)
        selector.register(connection, selectors.EVENT_READ, [channel, b""])
    left = len(request["bodies"])
    while left:
        for key, _ in selector.select():
            connection = key.fileobj  # type: ignore[assignment]
            channel, partial = key.data
            data = connection.recv(READ_BYTES)
            *lines, key.data[1] = (partial + data).split(b"\n")
            out = []
            for line in lines:
                if line.startswith(b"data: {"):
                    for choice in json.loads(line[6:]).get("choices", ()):
                        if text := choice["delta"].get("content"):
                            out.append(json.dumps({"channel": channel, "chunk": text}))
                elif line.startswith(b"data: [DONE]") or not data:
                    left -= 1
                    selector.unregister(connection)
                    connection.close()
                    break
            if out:
                write("\n".join(out).encode() + b"\n")
    write(END)


def write(data: bytes) -> None:
    """Write all of it."""
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]


if __name__ == "__main__":
    main()
