"""A sidecar that knows a few methods, for the tests of the stdio transport: a real process with real pipes.

It writes in pieces that cut characters and lines, writes to stderr, and ends as its options say.

    fake_sidecar.py [--piece-bytes N] [--stderr-bytes N] [--ignore-eof]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

MAX_LIFE_SECONDS = 60
"""With --ignore-eof; the test kills it long before."""


class FakeSidecar:
    """Answers requests on stdin until it ends."""

    def __init__(self, piece_bytes: int) -> None:
        self._piece_bytes = piece_bytes

    def serve(self) -> None:
        """Answer until the end of stdin."""
        for line in sys.stdin.buffer:
            self._answer(json.loads(line))

    def _answer(self, request: dict[str, Any]) -> None:
        params = request.get("params", {})
        match request["method"]:
            case "ping":
                self._write({"id": request["id"], "result": "pong"})
            case "send_message":
                if "channel" in params:
                    self._stream(params["channel"], params["message"])
                self._write({"id": request["id"], "result": {"content": params["message"]}})
            case "get_session":
                data = {"name": "SESSION_NOT_FOUND", "retryable": False, "hint": "Make one."}
                error = {"code": -32027, "message": "There is none.", "data": data}
                self._write({"id": request["id"], "error": error})
            case "shutdown":
                sys.exit(7)

    def _stream(self, channel: str, text: str) -> None:
        for seq, chunk in enumerate(text, start=1):
            event = {"status": "token", "chunk": chunk}
            self._write({"method": "channel", "params": {"channel": channel, "seq": seq, "event": event}})

    def _write(self, message: dict[str, Any]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode() + b"\n"
        for start in range(0, len(line), self._piece_bytes):
            sys.stdout.buffer.write(line[start : start + self._piece_bytes])
            sys.stdout.buffer.flush()


def main() -> None:
    """Serve, then stay alive with --ignore-eof."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--piece-bytes", type=int, default=1_000_000)
    parser.add_argument("--stderr-bytes", type=int, default=0)
    parser.add_argument("--ignore-eof", action="store_true")
    arguments = parser.parse_args()
    sys.stderr.buffer.write("ä".encode() * (arguments.stderr_bytes // 2))
    sys.stderr.buffer.flush()
    FakeSidecar(arguments.piece_bytes).serve()
    if arguments.ignore_eof:
        time.sleep(MAX_LIFE_SECONDS)


if __name__ == "__main__":
    main()
