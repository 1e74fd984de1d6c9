"""Nobody without the key gets anything out of an engine, and an engine's log says nothing of what was talked about."""

from __future__ import annotations

import http.client
import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from sidecar.host.environment import before_loading, child_environment
from tests.app.talking import SocketConnection
from tests.conversation.conftest import StartHost
from tests.program import FROZEN, PROGRAM
from tests.raw_host import RawHost
from tests.trust.canaries import leaks

REPOSITORY = Path(__file__).parents[2]

PROMPT, SYSTEM, TITLE = "canary-prompt-71c4", "canary-system-88d2", "canary-title-0b5e"

GETS = (
    *("/props", "/slots", "/slots/0", "/metrics", "/models", "/v1/models", "/api/tags", "/lora-adapters", "/api/show"),
    *("/docs", "/redoc", "/openapi.json", "/v1/stream", "/v1/streams/lookup", "/v1/systemone", "/tools", "/mcp"),
    *(
        "/cors-proxy",
        "/models/sse",
        "/no-such-path",
        "//props",
        "/props/",
        "/health/../props",
        "/health/props",
        "/HEALTH",
    ),
    *("/%70rops", "/props?api_key=x", "/v1/props", "/..%2fprops", "/health%00/props"),
)
POSTS = (
    *("/completion", "/completions", "/v1/completions", "/chat/completions", "/v1/chat/completions", "/predict"),
    *("/v1/chat/completions/input_tokens", "/v1/chat/completions/control", "/v1/responses", "/v1/messages"),
    *("/v1/messages/count_tokens", "/infill", "/embedding", "/embeddings", "/v1/embeddings", "/rerank", "/v1/rerank"),
    *("/tokenize", "/detokenize", "/apply-template", "/props", "/slots/0?action=save", "/lora-adapters", "/api/chat"),
    *("/models/load", "/models/unload", "/extras/tokenize", "/extras/detokenize", "/tools", "/v1/audio/transcriptions"),
    *("/v1/engines/copilot-codex/completions", "/health/../completion", "/no-such-path"),
)
HEALTH = {"/health", "/v1/health"}
PAGE = {"/", "/index.html", "/sw.js", "/favicon.ico", "/bundle.js"}
"""Files of a web page that is switched off."""

WORKER = {"/sw.js"}
"""Some builds answer with a script, always the same, that removes an earlier page from a browser."""

FOREIGN = ("http://evil.example", "https://localhost.evil.example", "null", "file://", "http://127.0.0.1.evil.example")


class Engine:
    """An engine as another program on this machine meets it."""

    def __init__(self, server: dict[str, Any]) -> None:
        self.server = server
        self.key = {"Authorization": f"Bearer {server['api_key']}"}

    def ask(self, verb: str, path: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        server = self.server
        connection: http.client.HTTPConnection
        if server["socket_path"]:
            connection = SocketConnection(server["socket_path"])
        else:
            connection = http.client.HTTPConnection("127.0.0.1", server["port"], timeout=30)
        body = json.dumps({"prompt": "x", "content": "x", "messages": [{"role": "user", "content": "x"}]})
        try:
            connection.request(
                verb, path, body if verb == "POST" else None, {"Content-Type": "application/json", **headers}
            )
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return response.status, response.read().decode("utf-8", "replace"), fields
        finally:
            connection.close()


@pytest.fixture
def engines(start_host: StartHost) -> Iterator[tuple[RawHost, list[Engine]]]:
    """An engine on its socket and one on a port; both have been talked to."""
    with start_host() as host:
        found = []
        for server_id, params in (("socket", {}), ("port", {"host": "127.0.0.1"})):
            host.call("start_llama_server", server_id=server_id, **params)
            session = host.call("create_session", title=TITLE, system=SYSTEM)["session_id"]
            host.call("send_message", message=f"Say {PROMPT}.", session_id=session, server_id=server_id, max_tokens=8)
            found.append(Engine(host.call("get_server", server_id=server_id)))
        yield host, found


@pytest.mark.case(38, 39)
def test_without_the_key_an_engine_says_that_it_is_well_and_nothing_else(
    engines: tuple[RawHost, list[Engine]], data_dir: Path
) -> None:
    host, both = engines
    on_socket = Path(both[0].server["socket_path"])
    assert stat.S_IMODE(on_socket.parent.stat().st_mode) == 0o700
    assert on_socket.parent.stat().st_uid == os.getuid()
    for one in both:
        key = one.server["api_key"]
        without: list[dict[str, str]] = [
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Bearer {key[:-1]}"},
            {"Authorization": f"Basic {key}"},
            {"Cookie": f"api_key={key}", "Host": "evil.example", "Origin": "http://evil.example"},
        ]
        for headers in without:
            for verb, path in [("GET", path) for path in GETS] + [("POST", path) for path in POSTS]:
                status, text, _ = one.ask(verb, path, headers)
                assert status in (400, 401, 403), (verb, path, headers, status, text)
                assert_says_nothing(text, one)
        for path in HEALTH | PAGE:
            status, text, _ = one.ask("GET", path, {"Host": "evil.example"})
            assert status in (200, 401, 404), (path, status, text)
            assert status != 200 or path in WORKER or json.loads(text) == {"status": "ok"}
            assert_says_nothing(text, one)
        for path in ("/props", "/slots", "/v1/models"):
            assert one.ask("GET", path, one.key)[0] == 200
        assert PROMPT not in one.ask("GET", "/slots", one.key)[1]
        assert_no_page_of_elsewhere_reads(one)
    secrets = [PROMPT, SYSTEM, TITLE, *(one.server["api_key"] for one in both)]
    assert leaks(host, data_dir, secrets) == []


def assert_no_page_of_elsewhere_reads(one: Engine) -> None:
    """A browser gives an answer to pages of this machine only, and never with what it has stored for them."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin in FOREIGN:
        for verb, headers in (("OPTIONS", asked), ("GET", {}), ("GET", one.key)):
            fields = one.ask(verb, "/props", {**headers, "Origin": origin})[2]
            assert "access-control-allow-origin" not in fields, (origin, verb)
    fields = one.ask("OPTIONS", "/props", {**asked, "Origin": "http://localhost:5173"})[2]
    assert fields["access-control-allow-origin"] == "http://localhost:5173"
    assert fields.get("access-control-allow-credentials") != "true"


def assert_says_nothing(text: str, one: Engine) -> None:
    """No prompt, no model and no key in what a stranger is told."""
    for secret in (PROMPT, SYSTEM, one.server["model"], one.server["model_path"], one.server["api_key"]):
        assert secret not in text


# --- templates of models -----------------------------------------------------------------------------------------

RUNS = (
    "{{{{ lipsum.__globals__['os'].popen('touch {marker}').read() }}}}",
    "{{{{ cycler.__init__.__globals__.os.system('touch {marker}') }}}}",
    "{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}",
)
"""What would run a program where templates are rendered without a sandbox."""

ENDLESS = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}x"

LONGEST_SECONDS = 30.0
"""For a start and an answer, on a machine that has other things to do."""


def outcome(host: RawHost, **params: Any) -> str:
    """Start with a template and say something: what is said to the host, an answer or an error."""
    began = time.monotonic()
    started = host.answer(host.begin("start_llama_server", server_id="t", **params))
    if "error" in started:
        said = json.dumps(started["error"])
    else:
        said = json.dumps(host.answer(host.begin("send_message", server_id="t", message="Hi.", max_tokens=4)))
        host.call("stop_llama_server", server_id="t")
    assert time.monotonic() - began < LONGEST_SECONDS
    assert host.call("ping") == "pong"
    return said


@pytest.mark.case(37)
def test_a_template_in_a_models_file_runs_nothing(start_host: StartHost, model: Path, tmp_path: Path) -> None:
    marker = tmp_path / "m"
    payload = RUNS[0].format(marker=marker).encode()
    data = model.read_bytes()
    place = data.index(b"{% for message in messages %}")
    length = int.from_bytes(data[place - 8 : place], "little")
    assert len(payload) <= length
    evil = tmp_path / "evil.gguf"
    evil.write_bytes(data[:place] + payload.ljust(length) + data[place + length :])
    with start_host() as host:
        assert host.call("inspect_model", path=str(evil))["chat_template"].startswith(payload.decode())
        outcome(host, model_path=str(evil))
    assert not marker.exists()


@pytest.mark.case(37)
def test_a_template_that_is_given_runs_nothing(start_host: StartHost, tmp_path: Path) -> None:
    marker = tmp_path / "m"
    with start_host() as host:
        for payload in RUNS[1:]:
            assert "<class" not in outcome(host, chat_template=payload.format(marker=marker))
    assert not marker.exists()


@pytest.mark.case(37)
def test_a_template_without_an_end_ends_with_its_start_or_its_cancelling(start_host: StartHost, data_dir: Path) -> None:
    config = json.loads((data_dir / "config.json").read_text())
    config["engines"]["start_timeout_seconds"] = 1
    (data_dir / "config.json").write_text(json.dumps(config))
    with start_host() as host:
        started = host.answer(host.begin("start_llama_server", chat_template=ENDLESS))
        if "error" in started:  # rendered once when it is loaded
            assert started["error"]["data"]["cause"] == "TIMEOUT"
        else:
            request = host.begin("send_message", message="Hi.", channel="turn")
            host.event("turn", "queued")
            host.notify("$/cancel", id=request)
            assert host.answer(request)["error"]["data"]["name"] == "CANCELLED"
            pid = host.call("get_server")["pid"]
            host.call("stop_llama_server")
            assert not psutil.pid_exists(pid)
        assert host.call("ping") == "pong"


# --- where an engine is started ------------------------------------------------------------------------------------

POISON = "poison-4be2"
POISONED = (
    *(
        "LD_PRELOAD",
        "LD_AUDIT",
        "PYTHONSTARTUP",
        "PYTHONBREAKPOINT",
        "LLAMA_ARG_HOST",
        "LLAMA_ARG_TOOLS",
        "CONFIG_FILE",
    ),
    *(
        "LLAMA_API_KEY",
        "LLAMA_ARG_API_KEY_FILE",
        "HTTP_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "HF_TOKEN",
        "OPENAI_API_KEY",
    ),
    *("AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "GITHUB_TOKEN", "API_KEY", "HOST", "NODE_OPTIONS", "BASH_ENV"),
)
"""Variables of a host that an engine must not get: it would leak them, or do something else because of them."""

SHADOWS = (
    *("sidecar", "json", "csv", "email", "zipfile", "socket", "hmac", "xllamacpp", "llama_cpp", "uvicorn", "fastapi"),
    *("anyio", "msgspec", "sitecustomize", "usercustomize", "numpy"),
)
"""Modules that an engine imports, or that Python does by itself."""


@pytest.mark.case(39)
@pytest.mark.usefixtures("start_host")
def test_an_engine_gets_nothing_from_the_hosts_environment_or_folder(data_dir: Path, tmp_path: Path) -> None:
    here, marker = tmp_path / "here", tmp_path / "marker"
    here.mkdir()
    for name in SHADOWS:
        (here / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r})\n")
    poison = dict.fromkeys(POISONED, f"/{POISON}.so")
    env = poison | {"PYTHONPATH": str(REPOSITORY), "LLAMA_CPP_LIB_PATH": os.environ.get("LLAMA_CPP_LIB_PATH", "")}
    # -P: only what the sidecar starts is looked at here, not how the host starts the sidecar.
    command = PROGRAM if FROZEN else [sys.executable, "-P", "-m", "sidecar"]
    with RawHost(data_dir, command=command, env=env, cwd=here) as host:
        pid = host.call("start_llama_server", env={"MINE": "given"})["pid"]
        environ = Path(f"/proc/{pid}/environ").read_bytes().decode()
        own_folder = Path(f"/proc/{pid}/exe").readlink().parent / "_internal"
        key = host.call("get_server")["api_key"]
        log = json.dumps(host.call("get_logs", source="server:default", limit=10_000))
    assert not marker.exists(), marker.read_text()
    assert (f"LLAMA_API_KEY={key}" in environ, "MINE=given" in environ) == (True, True)
    assert POISON not in environ
    assert POISON not in log
    entries = {name: value for name, _, value in (entry.partition("=") for entry in environ.split("\0") if entry)}
    # An engine that is a frozen program itself has a loader of its own, which has put something there.
    names = before_loading(entries, str(own_folder)).keys()
    ours = {"LLAMA_API_KEY", "LLAMA_SERVER_ROUTER_PORT", "LLAMA_CPP_LIB_PATH", "LLAMA_SIDECAR_PROCESS", "MINE"}
    assert names - ours == child_environment(of={**os.environ, **env}).keys()
