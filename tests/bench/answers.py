"""Tokens a second and time to first token, against the same request straight to the same llama-server."""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure
from tests.raw_host import RawHost

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


def run(pairs: int) -> list[Figure]:
    """Both ways in turn, on one engine."""
    model = Path(os.environ["LLAMA_SIDECAR_TEST_MODEL"])
    with tempfile.TemporaryDirectory() as folder, RawHost(Path(folder), validate=False) as host:
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
        for _ in range(pairs):
            measured["ours"].append(through_sidecar(host))
            measured["direct"].append(direct(server))
    rates = {name: [rate for rate, _ in values] for name, values in measured.items()}
    firsts = {name: [first for _, first in values] for name, values in measured.items()}
    return [
        Figure("tokens/s, 1 stream", "/s", rates["ours"], rates["direct"], "direct", TARGET_RATE, at_most=False),
        Figure("time to first token", "ms", firsts["ours"], firsts["direct"], "direct"),
    ]


def through_sidecar(host: RawHost) -> tuple[float, float]:
    """Tokens a second over the whole answer, and milliseconds to the first token."""
    channel = str(uuid.uuid4())
    started = time.perf_counter()
    request = host.begin("send_message", message=QUESTION, channel=channel, **SETTINGS)
    host.event(channel, "token")
    first = time.perf_counter()
    result = host.answer(request)["result"]
    return rate(result["usage"]["completion_tokens"], started), (first - started) * 1e3


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
