"""Starting servers over the wire: what a host is told on the way, what runs then, and how it is reached."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.app.talking import Engine, StartTalk, Talking, new_session, words
from tests.busy import BUSY_SECONDS
from tests.library.gguf_files import write_model
from tests.processes.programs import is_alive, wait_until_gone

STARTED = ["queued", "planning", "starting", "loading", "warming", "done"]


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def server_id(talk: Talking) -> Iterator[str]:
    """The id of a server that the test starts; stopped afterwards, if it is there."""
    name = talk.new_channel().replace(" ", "-")
    yield name
    talk.answer(talk.begin("stop_llama_server", server_id=name))


def begin_start(talk: Talking, method: str = "start_llama_server", **params: Any) -> tuple[int, str]:
    """Ask for a start without waiting; the request's id and its channel."""
    channel = talk.new_channel()
    return talk.begin(method, channel=channel, **params), channel


def get(port: int, path: str, key: str | None) -> int:
    """The status of a request to an engine on TCP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        return connection.getresponse().status
    finally:
        connection.close()


def tcp_ports(pid: int) -> list[tuple[str, int]]:
    """Where a process listens on TCP."""
    found = psutil.Process(pid).net_connections("tcp")
    return [(one.laddr.ip, one.laddr.port) for one in found if one.status == psutil.CONN_LISTEN]


# --- what a host is told -----------------------------------------------------------------------------------


def test_a_start_tells_each_step_before_its_response_and_says_what_it_chose(talk: Talking, server_id: str) -> None:
    request, channel = begin_start(
        talk, server_id=server_id, ctx_size=128, parallel=2, threads=3, extra_args=["--ready-after", "0.2"]
    )
    talk.until(lambda: talk.statuses(channel)[-1:] == ["done"] if channel in talk.events else False)
    events = [e["event"] for e in talk.events[channel]]
    result = talk.answer(request)["result"]

    assert talk.statuses(channel) == STARTED
    loading = [e for e in events if e["status"] == "loading"]
    progress = [e["progress"] for e in loading if e["progress"] is not None]  # nothing to tell for a second
    assert progress == sorted(set(progress))
    assert (progress[-1], progress[0] >= 0, {e["stage"] for e in loading}) == (1.0, True, {"text_model"})
    assert events[-1] == {"status": "done", **result}
    [starting] = [e for e in events if e["status"] == "starting"]
    assert starting["pid"] == result["pid"]

    model = str(talk.data_dir / "models" / "tiny.gguf")
    argv = psutil.Process(result["pid"]).cmdline()
    assert result["plan"]["argv"][1:] == argv[-len(result["plan"]["argv"]) + 1 :]
    chosen = {"ctx_size": 128, "parallel": 2, "n_gpu_layers": -1}
    assert {name: result["plan"][name] for name in chosen} == {name: result[name] for name in chosen} == chosen
    known = {
        "server_id": server_id,
        "state": "ready",
        "engine": "llama-server",
        "model": "tiny",
        "model_path": model,
        "port": None,
        "base_url": None,
        "message": "llama-server started successfully",
        "error": None,
    }
    assert {name: result[name] for name in known} == known
    assert (result["actual"]["context_per_message"], result["actual"]["slots"]) == (128, 2)
    assert result["actual"]["load_ms"] >= 200
    process = psutil.Process(result["pid"])
    assert abs(process.create_time() - result["started_at"]) < BUSY_SECONDS


def test_a_start_without_a_channel_sends_its_response_only(talk: Talking, server_id: str) -> None:
    before = sum(map(len, talk.events.values()))
    assert talk.call("start_llama_server", server_id=server_id)["state"] == "ready"
    assert sum(map(len, talk.events.values())) == before


def test_without_parameters_the_only_model_runs_with_the_contracts_defaults(talk: Talking) -> None:
    info = talk.call("get_server")
    chosen = {name: info[name] for name in ("server_id", "model", "ctx_size", "parallel", "n_gpu_layers")}
    assert chosen == {"server_id": "default", "model": "tiny", "ctx_size": 4096, "parallel": 4, "n_gpu_layers": -1}


def test_a_host_can_name_everything_by_path(
    talk: Talking, server_id: str, tmp_path: Path, fake_llama_cpp: Path
) -> None:
    model = write_model(tmp_path / "a model's folder" / "mödel.gguf")
    result = talk.call(
        "start_llama_server",
        server_id=server_id,
        llama_cpp_path=str(fake_llama_cpp),
        model_path=str(model),
        ctx_size=64,
        parallel=1,
        n_gpu_layers=0,
        port=None,
        env={"GIVEN_BY_HOST": "yes"},
    )
    assert result["plan"]["argv"][0] == str(fake_llama_cpp / "llama-server")
    assert (result["model_path"], result["model"], result["n_gpu_layers"]) == (str(model), "mödel", 0)
    environment = psutil.Process(result["pid"]).environ()
    assert environment["GIVEN_BY_HOST"] == "yes"


def test_settings_that_the_engine_does_not_know_are_told_and_not_handed_over(talk: Talking, server_id: str) -> None:
    given = {"flash_attn": True, "cache_type_k": "q8_0", "threads": 2}
    plan = talk.call("start_llama_server", server_id=server_id, **given)["plan"]
    assert sorted(plan["ignored"]) == ["cache_type_k", "flash_attn"]
    assert [word for word in plan["argv"] if "flash" in word or "cache" in word] == []
    assert ("--threads", "2") in zip(plan["argv"], plan["argv"][1:], strict=False)


# --- one id, one server ------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [[], ["--never-ready"]], ids=["ready", "loading"])
def test_a_second_start_of_an_id_is_refused_and_harms_nobody(talk: Talking, server_id: str, flags: list[str]) -> None:
    _, channel = begin_start(talk, server_id=server_id, extra_args=flags)
    talk.event(channel, "warming" if flags else "done")
    pid = talk.call("get_server", server_id=server_id)["pid"]
    request, second = begin_start(talk, server_id=server_id)
    error = talk.error_of(request)
    assert (error["code"], error["data"]["name"]) == (-32011, "SERVER_ALREADY_RUNNING")
    assert [e["event"] for e in talk.events[second]] == [{"status": "error", "error": error}]
    assert talk.call("get_server", server_id=server_id)["pid"] == pid


def test_servers_run_side_by_side_each_with_its_settings(talk: Talking) -> None:
    asked = [talk.begin("start_llama_server", server_id=f"side-{n}", ctx_size=100 * n) for n in (1, 2, 3)]
    infos = [talk.answer(request)["result"] for request in asked]
    assert [info["ctx_size"] for info in infos] == [100, 200, 300]
    assert len({info["pid"] for info in infos}) == 3
    listed = {info["server_id"]: info for info in talk.call("list_servers")}
    assert [listed[info["server_id"]] for info in infos] == infos
    for n in (3, 1):
        assert talk.say(f"tokens={n}", server_id=f"side-{n}")["content"] == words(n)
    talk.call("stop_llama_server", server_id="side-2")
    assert [talk.call("is_llama_running", server_id=f"side-{n}") for n in (1, 2, 3)] == [True, False, True]
    for n in (1, 3):
        talk.call("stop_llama_server", server_id=f"side-{n}")


def test_a_preset_is_used_and_parameters_win_over_it(talk: Talking, server_id: str) -> None:
    talk.call("set_config", patch={"server_presets": {"small": {"ctx_size": 256, "parallel": 1}}})
    result = talk.call("start_llama_server", server_id=server_id, preset="small", parallel=3)
    assert (result["ctx_size"], result["parallel"]) == (256, 3)
    error = talk.fail("start_llama_server", server_id=f"{server_id}-x", preset="none")
    assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.preset")
    assert "small" in error["data"]["hint"]
    talk.call("reset_config", keys=["server_presets"])


# --- how it is reached -------------------------------------------------------------------------------------


@pytest.mark.case(38)
def test_without_a_port_only_a_private_socket_leads_to_the_engine(talk: Talking, engine: Engine) -> None:
    server = talk.call("get_server", server_id=engine.server_id)
    path = Path(server["socket_path"])
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert (stat.S_IMODE(path.parent.stat().st_mode), path.parent.stat().st_uid) == (0o700, os.getuid())
    if os.getuid() == 0:  # who else may be asked for another user's view
        look = subprocess.run(["/bin/ls", str(path)], user=NOBODY, capture_output=True, check=False)
        assert (look.returncode != 0, b"ermission denied" in look.stderr) == (True, True)
    assert tcp_ports(server["pid"]) == []
    engine.stop()
    assert not path.exists()


@pytest.mark.case(38)
def test_a_port_that_was_asked_for_is_on_loopback_and_wants_the_key(
    talk: Talking, server_id: str, free_port: int
) -> None:
    info = talk.call("start_llama_server", server_id=server_id, port=free_port)
    assert (info["port"], info["base_url"]) == (free_port, f"http://127.0.0.1:{free_port}")
    server = talk.call("get_server", server_id=server_id)
    assert server["socket_path"] is None
    assert tcp_ports(server["pid"]) == [("127.0.0.1", free_port)]
    for key, status in ((None, 401), ("wrong", 401), (server["api_key"], 200)):
        assert get(free_port, "/props", key) == status
    assert talk.call("ping_server", base_url=f"{info['base_url']}/v1")["ok"]


@pytest.mark.case(39)
def test_the_key_is_told_by_get_server_and_stands_nowhere_else(
    talk: Talking, capfd: pytest.CaptureFixture[str], engine: Engine
) -> None:
    server = talk.call("get_server", server_id=engine.server_id)
    key = server["api_key"]
    seen = [str(psutil.Process(server["pid"]).cmdline()), capfd.readouterr().err]
    seen += [json.dumps(talk.call(method)) for method in ("list_servers", "get_logs", "get_config", "get_resources")]
    seen += [json.dumps(talk.call(m, server_id=engine.server_id)) for m in ("get_llama_config", "preview_command")]
    seen += [file.read_text() for file in (talk.data_dir / "logs").iterdir()]
    seen += [json.dumps(events) for events in talk.events.values()]
    assert [text for text in seen if key in text] == []
    assert len(key) >= 32
    assert key != talk.call("get_server")["api_key"]


NOBODY = 65534
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is tried
OPENING = ("--api-key", "--host=0.0.0.0", "-m", "--port", "--tools", "--hf-token", "--cors_origins", "--ssl-key-file")


@pytest.mark.case(38)
@pytest.mark.parametrize("engine_name", ["llama-server", "embedded", "llama-cpp-python"])
def test_what_would_open_an_engine_past_the_sidecar_is_refused(talk: Talking, server_id: str, engine_name: str) -> None:
    for method in ("start_llama_server", "preview_command"):
        for flag in OPENING:
            extra_args = ["--threads", "1", flag, "x"]
            error = talk.fail(method, server_id=server_id, engine=engine_name, extra_args=extra_args)
            assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.extra_args")
            assert flag.partition("=")[0] in error["message"]
            assert error["data"]["hint"]
        for variable in ("LLAMA_API_KEY", "LLAMA_ARG_HOST", "CONFIG_FILE"):
            error = talk.fail(method, server_id=server_id, engine=engine_name, env={variable: "x"})
            assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.env")
    assert not talk.call("is_llama_running", server_id=server_id)


@pytest.mark.case(38)
def test_an_address_for_other_machines_wants_the_key_and_earns_a_warning(talk: Talking, server_id: str) -> None:
    info = talk.call("start_llama_server", server_id=server_id, host=EVERYWHERE)
    server = talk.call("get_server", server_id=server_id)
    assert tcp_ports(server["pid"]) == [(EVERYWHERE, info["port"])]
    for key, status in ((None, 401), ("wrong", 401), (server["api_key"], 200)):
        assert get(info["port"], "/props", key) == status
    warnings = talk.call("get_logs", source="sidecar", min_level="warning")["entries"]
    assert [entry for entry in warnings if f"{EVERYWHERE} can be reached from other machines" in entry["message"]]


# --- stopping and starting again ---------------------------------------------------------------------------


def test_a_stop_is_answered_when_the_process_is_gone_and_there_is_no_server_then(talk: Talking, engine: Engine) -> None:
    pid = talk.call("get_server", server_id=engine.server_id)["pid"]
    requests = [talk.begin("stop_llama_server", server_id=engine.server_id) for _ in range(3)]
    assert [talk.answer(request)["result"] for request in requests] == ["llama-server stopped"] * 3
    assert not is_alive(pid)
    assert engine.server_id not in {info["server_id"] for info in talk.call("list_servers")}
    assert talk.call("is_llama_running", server_id=engine.server_id) is False
    for method in ("stop_llama_server", "get_server", "restart_server", "ping_server"):
        assert talk.fail(method, server_id=engine.server_id)["data"]["name"] == "SERVER_NOT_RUNNING"


@pytest.mark.parametrize("stage", ["starting", "loading", "warming"])
@pytest.mark.parametrize("way", ["$/cancel", "stop_llama_server"])
def test_a_start_can_be_ended_at_any_stage_and_leaves_nothing(
    talk: Talking, server_id: str, stage: str, way: str
) -> None:
    flags = ["--never-ready"] if stage == "warming" else ["--stuck-at", "0.5"]
    request, channel = begin_start(talk, server_id=server_id, extra_args=[*flags, "--fork-grandchild"])
    talk.event(channel, stage)
    pid = talk.event(channel, "starting")["pid"]
    below = [child.pid for child in psutil.Process(pid).children(recursive=True)]
    if way == "$/cancel":
        talk.notify("$/cancel", id=request)
    else:
        talk.call("stop_llama_server", server_id=server_id)
    error = talk.error_of(request)
    assert (error["code"], error["data"]["name"]) == (-32800, "CANCELLED")
    assert talk.statuses(channel)[-1] == "cancelled"
    assert not is_alive(pid)
    for child in below:
        wait_until_gone(child)
    assert server_id not in {info["server_id"] for info in talk.call("list_servers")}
    assert talk.call("start_llama_server", server_id=server_id)["state"] == "ready"


def test_a_start_cancelled_in_the_same_breath_leaves_nothing(talk: Talking, server_id: str) -> None:
    request, channel = begin_start(talk, server_id=server_id)
    talk.notify("$/cancel", id=request)
    assert talk.error_of(request)["data"]["name"] == "CANCELLED"
    assert talk.statuses(channel)[-1] == "cancelled"
    assert server_id not in {info["server_id"] for info in talk.call("list_servers")}


def test_a_restart_is_a_new_process_with_the_same_settings(talk: Talking, server_id: str) -> None:
    talk.call("start_llama_server", server_id=server_id, ctx_size=77, parallel=1, extra_args=["--ready-after", "0"])
    session = new_session()
    talk.say("tokens=2", session, server_id=server_id)
    before = talk.call("get_server", server_id=server_id)
    request, channel = begin_start(talk, "restart_server", server_id=server_id)
    after = talk.answer(request)["result"]
    assert talk.statuses(channel) == STARTED
    assert not is_alive(before["pid"])
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"pid", "started_at", "plan", "actual"}
    assert after["plan"]["argv"][-2:] == ["--ready-after", "0"]
    assert talk.say("tokens=1", session)["content"] == words(1)


def test_another_model_is_switched_to_and_what_is_no_model_leaves_the_old_one_running(
    talk: Talking, server_id: str
) -> None:
    write_model(talk.data_dir / "models" / "other.gguf")
    before = talk.call("start_llama_server", server_id=server_id, model="tiny", ctx_size=99)
    assert talk.fail("switch_model", server_id=server_id, model="nonesuch")["data"]["name"] == "MODEL_NOT_FOUND"
    assert talk.call("get_server", server_id=server_id)["pid"] == before["pid"]
    request, channel = begin_start(talk, "switch_model", server_id=server_id, model="other")
    after = talk.answer(request)["result"]
    assert (after["model"], after["ctx_size"], talk.statuses(channel)) == ("other", 99, STARTED)
    assert not is_alive(before["pid"])
    (talk.data_dir / "models" / "other.gguf").unlink()


def stuck_when_restarted(tmp_path: Path) -> list[str]:
    """Flags of an engine whose second start never gets ready."""
    return ["--stuck-at", "0.5", "--starts-file", str(tmp_path / "starts"), "--faulty-starts", "2-2"]


def test_a_restart_that_is_cancelled_leaves_no_process(talk: Talking, server_id: str, tmp_path: Path) -> None:
    talk.call("start_llama_server", server_id=server_id, extra_args=stuck_when_restarted(tmp_path))
    old = talk.call("get_server", server_id=server_id)["pid"]
    request, channel = begin_start(talk, "restart_server", server_id=server_id)
    new = talk.event(channel, "starting")["pid"]
    talk.notify("$/cancel", id=request)
    assert talk.error_of(request)["data"]["name"] == "CANCELLED"
    assert (is_alive(old), is_alive(new)) == (False, False)


def test_a_stop_that_follows_a_restart_leaves_no_server(talk: Talking, server_id: str, tmp_path: Path) -> None:
    talk.call("start_llama_server", server_id=server_id, extra_args=stuck_when_restarted(tmp_path))
    restart, channel = begin_start(talk, "restart_server", server_id=server_id)
    assert talk.call("stop_llama_server", server_id=server_id) == "llama-server stopped"
    assert talk.error_of(restart)["data"]["name"] == "CANCELLED"
    assert talk.statuses(channel)[-1] == "cancelled"
    assert server_id not in {info["server_id"] for info in talk.call("list_servers")}


def test_of_two_restarts_at_once_one_is_carried_out(talk: Talking, server_id: str) -> None:
    talk.call("start_llama_server", server_id=server_id)
    asked = talk.begin_together("restart_server", *[{"server_id": server_id}] * 2)
    answers = [talk.answer(request) for request in asked]
    [error] = [answer["error"] for answer in answers if "error" in answer]
    [info] = [answer["result"] for answer in answers if "result" in answer]
    assert error["data"]["name"] == "SERVER_ALREADY_RUNNING"
    assert talk.call("get_server", server_id=server_id)["pid"] == info["pid"]


def test_the_model_used_last_is_started_next_time(start_talk: StartTalk, data_dir: Path) -> None:
    host = start_talk(server=False)
    for name in ("alpha", "beta"):
        write_model(data_dir / "models" / f"{name}.gguf")
    assert host.fail("start_llama_server")["data"]["name"] == "MODEL_NOT_FOUND"
    host.call("start_llama_server", model="beta")
    assert host.close() == 0
    assert start_talk().call("get_server")["model"] == "beta"
