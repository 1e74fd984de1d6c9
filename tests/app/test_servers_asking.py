"""What hosts ask about servers and engines over the wire; nothing here starts or stops one that is not the test's."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import fake_engine
from tests.app.talking import Engine, Talking, prepare
from tests.library.gguf_files import write_model
from tests.raw_host import RawHost

SETTINGS: dict[str, Any] = {
    "ctx_size": 300,
    "parallel": 3,
    "n_gpu_layers": 0,
    "threads": 2,
    "extra_args": ["--no-slots"],
}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose program takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHost]:
    """A sidecar with neither a config nor models nor programs on PATH."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "bin").mkdir()
    with RawHost(folder / "data", env={"PATH": str(folder / "bin")}) as host:
        yield host


# --- servers -----------------------------------------------------------------------------------------------


def test_a_server_is_shown_alike_by_all_who_show_it(talk: Talking) -> None:
    started = talk.call("start_llama_server", server_id="shown")
    listed = {info["server_id"]: info for info in talk.call("list_servers")}
    details = talk.call("get_server", server_id="shown")
    assert started == listed["shown"]
    assert {name: details[name] for name in started} == started
    assert details.keys() - started.keys() == {"api_key", "socket_path"}
    talk.call("stop_llama_server", server_id="shown")


def test_servers_are_listed_in_the_order_of_their_starts(talk: Talking) -> None:
    for server_id in ("z", "a"):
        talk.call("start_llama_server", server_id=server_id)
    assert [info["server_id"] for info in talk.call("list_servers")] == ["default", "z", "a"]
    for server_id in ("z", "a"):
        talk.call("stop_llama_server", server_id=server_id)


def test_a_server_that_loads_is_shown_as_far_as_it_is(talk: Talking) -> None:
    talk.begin("start_llama_server", server_id="slow", extra_args=["--stuck-at", "0.5"], channel="slow")
    talk.event("slow", "loading")
    info = talk.call("get_server", server_id="slow")
    assert (info["state"], info["actual"], info["error"]) == ("loading", None, None)
    assert (info["pid"], info["message"]) == (talk.event("slow", "starting")["pid"], "Loading the model.")
    assert talk.call("is_llama_running", server_id="slow") is False
    ping = talk.call("ping_server", server_id="slow")
    assert (ping["ok"], ping["latency_ms"], "loading" in ping["error"]) == (False, None, True)
    waiting = talk.begin("send_message", message="Hi", server_id="slow")
    talk.call("stop_llama_server", server_id="slow")
    assert talk.error_of(waiting)["data"]["name"] == "SERVER_NOT_RUNNING"


def test_a_server_runs_once_it_is_ready_and_a_name_that_nobody_has_does_not(talk: Talking) -> None:
    assert [talk.call("is_llama_running", **p) for p in ({}, {"server_id": "nobody"}, {"server_id": None})] == [
        *(True, False, True),
    ]
    for method in ("get_server", "stop_llama_server", "restart_server", "ping_server"):
        error = talk.fail(method, server_id="nobody")
        assert (error["code"], error["data"]["name"], bool(error["data"]["hint"])) == (
            *(-32010, "SERVER_NOT_RUNNING", True),
        )
    assert talk.fail("switch_model", server_id="nobody", model="tiny")["data"]["name"] == "SERVER_NOT_RUNNING"


@pytest.mark.parametrize("server_id", ["", "a b", "-a", "../x", "a\n", "ä", "x" * 65, "default/"])
def test_a_server_id_that_could_be_a_path_is_refused(talk: Talking, server_id: str) -> None:
    for method in ("start_llama_server", "stop_llama_server", "get_server"):
        error = talk.fail(method, server_id=server_id)
        assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.server_id")


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", "8080"),
        ("ctx_size", -1),
        ("ctx_size", 2**31),
        ("parallel", 0),
        ("n_gpu_layers", -2),
        ("threads", 0),
        ("flash_attn", "yes"),
        ("cache_type_k", "q9"),
        ("engine", "ollama"),
        ("extra_args", "--threads 2"),
        ("env", {"A": 1}),
        ("lora", [1]),
        ("model_path", 5),
        ("modelPath", "/x"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_under_its_name(talk: Talking, param: str, value: Any) -> None:
    for method in ("start_llama_server", "preview_command"):
        error = talk.fail(method, **{"server_id": "never", param: value})
        assert (error["code"], error["data"]["name"]) == (-32602, "INVALID_PARAMS")
        assert param in error["data"]["path"] + error["message"]
    assert "never" not in {info["server_id"] for info in talk.call("list_servers")}


# --- its settings ------------------------------------------------------------------------------------------


def test_the_settings_of_a_server_start_one_like_it(talk: Talking) -> None:
    first = talk.call("start_llama_server", server_id="first", env={"SECRET": "x"}, **SETTINGS)
    config = talk.call("get_llama_config", server_id="first")
    assert {name: config[name] for name in ("server_id", "model_path", "port", "engine")} == {
        "server_id": "first",
        "model_path": first["model_path"],
        "port": None,
        "engine": "llama-server",
    }
    for name, value in SETTINGS.items():
        assert config["settings"][name] == value
    assert "env" not in config["settings"]
    second = talk.call("start_llama_server", server_id="second", **config["settings"])
    before, after = ([w for w in info["plan"]["argv"] if not w.endswith(".sock")] for info in (first, second))
    assert before == after
    for server_id in ("first", "second"):
        talk.call("stop_llama_server", server_id=server_id)


def test_without_a_server_its_settings_are_those_of_the_config(talk: Talking) -> None:
    talk.call("set_config", patch={"server_defaults": {"ctx_size": 1234, "n_gpu_layers": 7}})
    config = talk.call("get_llama_config", server_id="nobody")
    talk.call("reset_config", keys=["server_defaults"])
    assert config == {
        "server_id": "nobody",
        "llama_cpp_path": talk.call("get_config")["engines"]["llama_cpp_path"],
        "model_path": None,
        "port": None,
        "ctx_size": 1234,
        "parallel": 4,
        "n_gpu_layers": 7,
        "engine": None,
        "settings": {},
    }


def test_a_preview_is_the_command_that_a_start_runs_and_starts_nothing(talk: Talking) -> None:
    processes = psutil.Process(talk.pid).children(recursive=True)
    preview = talk.call("preview_command", port=8080, **SETTINGS, flash_attn="on")
    assert psutil.Process(talk.pid).children(recursive=True) == processes
    assert "unused" not in talk.events
    assert shlex.split(preview["one_liner"]) == preview["argv"]
    assert preview["ignored"] == ["flash_attn"]
    started = talk.call("start_llama_server", server_id="previewed", **SETTINGS, flash_attn="on")["plan"]
    on_tcp = preview["argv"].index("--host")
    on_socket = started["argv"].index("--host")
    assert preview["argv"][on_tcp : on_tcp + 4] == ["--host", "127.0.0.1", "--port", "8080"]
    assert preview["argv"][:on_tcp] + preview["argv"][on_tcp + 4 :] == (
        started["argv"][:on_socket] + started["argv"][on_socket + 2 :]
    )
    talk.call("stop_llama_server", server_id="previewed")


def test_a_preview_of_what_can_not_start_says_why(talk: Talking, tmp_path: Path) -> None:
    assert talk.fail("preview_command", model="none")["data"]["name"] == "MODEL_NOT_FOUND"
    assert talk.fail("preview_command", model_path="relative.gguf")["data"]["name"] == "PATH_NOT_ALLOWED"
    assert talk.fail("preview_command", llama_cpp_path=str(tmp_path))["data"]["name"] == "ENGINE_NOT_FOUND"
    assert talk.fail("preview_command", extra_args=["--api-key", "x"])["data"]["name"] == "INVALID_PARAMS"


# --- ping --------------------------------------------------------------------------------------------------


def test_an_engine_answers_a_ping(talk: Talking, engine: Engine) -> None:
    for params in ({}, {"server_id": engine.server_id}):
        ping = talk.call("ping_server", **params)
        assert (ping["ok"], ping["status"], ping["error"], ping["latency_ms"] > 0) == (True, 200, None, True)


def test_a_ping_to_where_nobody_answers_says_so(talk: Talking, silent_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    silent = talk.begin("ping_server", base_url=f"http://127.0.0.1:{silent_port}/v1")
    ping = talk.call("ping_server", base_url=f"http://127.0.0.1:{port}")
    assert (ping["ok"], ping["status"], ping["latency_ms"], bool(ping["error"])) == (False, None, None, True)
    assert talk.call("ping") == "pong"
    talk.notify("$/cancel", id=silent)
    assert talk.error_of(silent)["data"]["name"] == "CANCELLED"


@pytest.mark.parametrize(
    "base_url",
    ["", "127.0.0.1:80", "ftp://x", "file:///etc/passwd", "http://", "http://[", "http://a b", "http://\u00e4..b"],
)
def test_an_address_that_is_none_is_refused_or_does_not_answer(talk: Talking, base_url: str) -> None:
    response = talk.answer(talk.begin("ping_server", base_url=base_url))
    if "error" in response:
        assert (response["error"]["data"]["name"], response["error"]["data"]["path"]) == (
            *("INVALID_PARAMS", "$.base_url"),
        )
    else:
        assert (response["result"]["ok"], response["result"]["status"]) == (False, None)


# --- engines -----------------------------------------------------------------------------------------------


def test_engines_are_listed_the_best_found_first_with_what_to_do_about_the_others(talk: Talking) -> None:
    engines = {engine["engine"]: engine for engine in talk.call("list_engines")}
    assert engines.keys() == {"llama-server", "embedded", "llama-cpp-python"}
    best, *others = talk.call("list_engines")
    program = str(Path(talk.call("get_config")["engines"]["llama_cpp_path"]) / "llama-server")
    assert best == {
        "engine": "llama-server",
        "available": True,
        "path": program,
        "version": "fake (build 1)",
        "origin": "config",
        "message": "Found.",
        **dict.fromkeys(("name", "installed_at", "proof", "problem")),
        "default": False,
    }
    for other in others:
        assert other["available"] == (other["path"] is not None)
        assert other["available"] or "nstall" in other["message"]


def test_where_no_program_is_found_the_list_says_how_to_get_one(bare: RawHost) -> None:
    [missing] = [engine for engine in bare.call("list_engines") if engine["engine"] == "llama-server"]
    assert (missing["available"], missing["path"], missing["version"], missing["origin"]) == (
        *(False, None, None, "path"),
    )
    assert "PATH" in missing["message"]


def test_a_program_on_path_is_found(tmp_path: Path) -> None:
    folder = fake_engine.install(tmp_path / "bin")
    write_model(tmp_path / "data" / "models" / "tiny.gguf")
    with RawHost(tmp_path / "data", env={"PATH": f"{folder}:/usr/bin:/bin"}) as host:
        best = host.call("list_engines")[0]
        assert (best["engine"], best["origin"], best["path"]) == ("llama-server", "path", str(folder / "llama-server"))
        assert host.call("start_llama_server")["plan"]["argv"][0] == str(folder / "llama-server")


def test_a_build_says_what_it_can_do(talk: Talking, fake_llama_cpp: Path) -> None:
    probe = talk.call("probe_engine", llama_cpp_path=str(fake_llama_cpp))
    assert {"--model", "--ctx-size", "--host"} < set(probe.pop("flags"))
    assert probe == {
        "path": str(fake_llama_cpp / "llama-server"),
        "version": "fake (build 1)",
        "backends": ["CPU", "FAKE"],
        "devices": [
            {
                "name": "FAKE0",
                "description": "Fake GPU",
                "total_bytes": 8 * 2**30,
                "free_bytes": 4 * 2**30,
                "shares_main_memory": False,
            },
        ],
        "unix_socket": True,
        "proof": None,
    }


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("exit 3", "UNKNOWN"),
        ("echo hello", "UNKNOWN"),
        ("echo 'error while loading shared libraries: libggml.so' >&2; exit 127", "MISSING_LIBRARY"),
        ("kill -SEGV $$", "UNKNOWN"),
        (None, "PERMISSION_DENIED"),
    ],
)
def test_a_build_that_can_not_be_asked_says_why(talk: Talking, tmp_path: Path, script: str | None, cause: str) -> None:
    program = tmp_path / "broken" / "llama-server"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o600 if script is None else 0o700)
    error = talk.fail("probe_engine", llama_cpp_path=str(program.parent))
    assert (error["code"], error["data"]["name"], error["data"]["cause"]) == (-32013, "ENGINE_START_FAILED", cause)
    assert error["data"]["hint"]
    error = talk.fail("start_llama_server", server_id="broken", llama_cpp_path=str(program.parent))
    assert error["data"]["cause"] == cause
    talk.call("stop_llama_server", server_id="broken")


def test_a_new_build_in_the_same_folder_is_asked_again(tmp_path: Path) -> None:
    folder = fake_engine.install(tmp_path / "llama.cpp", "--old-build")
    prepare(tmp_path / "data", folder)
    with RawHost(tmp_path / "data") as host:
        assert host.call("probe_engine", llama_cpp_path=str(folder))["unix_socket"] is False
        assert host.call("start_llama_server")["port"] is not None
        fake_engine.install(folder)
        assert host.call("probe_engine", llama_cpp_path=str(folder))["unix_socket"] is True
        assert host.call("restart_server")["port"] is None
