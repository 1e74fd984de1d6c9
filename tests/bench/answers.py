"""Tokens a second and time to first token, against the same request straight to the same llama-server."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bench.figures import Figure

MAX_TOKENS = 160
QUESTION = "Tell a long story about a lighthouse keeper and a whale."
SETTINGS = {"temperature": 0, "seed": 7, "max_tokens": MAX_TOKENS}

TARGET_RATE = 0.97
"""Tokens/s through the sidecar at least 0.97 times the direct request's."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class LineHost:
    """A host that does no more than the direct way does: it writes a line, and reads lines."""

    def __init__(self, data_dir: Path) -> None:
        argv = [sys.executable, "-m", "sidecar", "--data-dir", str(data_dir)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._next_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)

    def begin(self, method: str, **params: Any) -> int:
        """Send a request."""
        self._next_id += 1
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._next_id

    def read(self) -> Any:
        """The next message."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def call(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its result."""
        id_ = self.begin(method, **params)
        while (message := self.read()).get("id") != id_:
            continue
        return message["result"]


def run(pairs: int) -> list[Figure]:
    """Both ways in turn, on one engine."""
    model = Path(os.environ["LLAMA_SIDECAR_TEST_MODEL"])
    with tempfile.TemporaryDirectory() as folder, LineHost(Path(folder)) as host:
        host.call(
            "start_llama_server",
            llama_cpp_path=os.environ["LLAMA_SIDECAR_TEST_LLAMA_CPP"],
            model_path=str(model),
            ctx_size=2048,
            parallel=1,
        )
        server = host.call("get_server")
        measured: dict[str, list[tuple[float, float]]] = {"ours": [], "direct": []}
        through_sidecar(host)
        direct(server)
        ways: list[tuple[str, Callable[[], tuple[float, float]]]] = [
            ("ours", lambda: through_sidecar(host)),
            ("direct", lambda: direct(server)),
        ]
        for _ in range(pairs):
            for name, way in ways:
                measured[name].append(way())
            ways.reverse()  # neither always has the processor's warmth, or its heat
    rates = {name: [rate for rate, _ in values] for name, values in measured.items()}
    firsts = {name: [first for _, first in values] for name, values in measured.items()}
    return [
        Figure("tokens/s, 1 stream", "/s", rates["ours"], rates["direct"], "direct", TARGET_RATE, at_most=False),
        Figure("time to first token", "ms", firsts["ours"], firsts["direct"], "direct"),
    ]


def through_sidecar(host: LineHost) -> tuple[float, float]:
    """Tokens a second over the whole answer, and milliseconds to the first token."""
    started = time.perf_counter()
    request = host.begin("send_message", message=QUESTION, channel="answer", **SETTINGS)
    first = None
    while (message := host.read()).get("id") != request:
        if first is None and message["params"]["event"]["status"] == "token":
            first = time.perf_counter()
    assert first is not None
    return rate(message["result"]["usage"]["completion_tokens"], started), (first - started) * 1e3


def direct(server: dict[str, Any]) -> tuple[float, float]:
    """The same of the same request without us in between."""
    body = {
        "messages": [{"role": "user", "content": QUESTION}],
        "stream": True,
        "stream_options": {"include_usage": True},
        **SETTINGS,
    }
    connection = UnixConnection(server["socket_path"])
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server['api_key']}"}
    started = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    response = connection.getresponse()
    first, tokens = None, 0
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if first is None and event["choices"] and event["choices"][0]["delta"].get("content"):
            first = time.perf_counter()
        if event.get("usage"):
            tokens = event["usage"]["completion_tokens"]
    connection.close()
    assert first is not None
    return rate(tokens, started), (first - started) * 1e3


def rate(tokens: int, started: float) -> float:
    """Tokens a second since a moment."""
    return tokens / (time.perf_counter() - started)
