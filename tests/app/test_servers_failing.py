"""Starts that fail and engines that end: the host is told why, nothing is left running, the sidecar lives on."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.app.talking import Engine, Talking, new_session, words
from tests.engines import recordings
from tests.library.gguf_files import gguf_bytes, llama_metadata, model_bytes, write_model
from tests.processes.programs import is_alive, wait_until_gone
from tests.raw_host import ANSWER_SECONDS, RawHost

SERVER = "failing"


@pytest.fixture(autouse=True)
def _no_server_is_left(talk: Talking) -> Iterator[None]:
    yield
    talk.answer(talk.begin("stop_llama_server", server_id=SERVER))


@pytest.fixture
def short_waits(talk: Talking) -> Iterator[None]:
    """Starts are given up early, and what does not end is killed soon."""
    talk.call("set_config", patch={"engines": {"start_timeout_seconds": 1, "stop_grace_seconds": 0.1}})
    yield
    talk.call("reset_config", keys=["engines.start_timeout_seconds", "engines.stop_grace_seconds"])


@pytest.fixture
def short_grace(talk: Talking) -> Iterator[None]:
    """What does not end is killed soon."""
    talk.call("set_config", patch={"engines": {"stop_grace_seconds": 0.1}})
    yield
    talk.call("reset_config", keys=["engines.stop_grace_seconds"])


def begin_start(talk: Talking, *flags: str, **params: Any) -> tuple[int, str]:
    """Ask for a start without waiting; the request's id and its channel."""
    channel = talk.new_channel()
    given = {"server_id": SERVER, "channel": channel, **({"extra_args": list(flags)} if flags else {}), **params}
    return talk.begin("start_llama_server", **given), channel


def fail_to_start(talk: Talking, *flags: str, **params: Any) -> dict[str, Any]:
    """Start, see that it fails and that everybody says the same of it; the error's data."""
    request, channel = begin_start(talk, *flags, **params)
    error = talk.error_of(request)
    assert talk.events[channel][-1]["event"] == {"status": "error", "error": error}
    assert talk.call("ping") == "pong"
    info = talk.call("get_server", server_id=SERVER)
    assert (info["state"], info["error"], info["message"]) == ("failed", error, error["message"])
    assert (info["pid"], info["actual"]) == (None, None)
    if talk.statuses(channel)[:3] == ["queued", "planning", "starting"]:
        assert not is_alive(talk.event(channel, "starting")["pid"])
    data: dict[str, Any] = error["data"]
    assert data["hint"]
    return data


def pids(file: Path) -> list[int]:
    """The processes that the fake engine has written down."""
    found: list[int] = json.loads(file.read_text())
    return found


def states(talk: Talking, channel: str, server_id: str) -> list[str]:
    """What a subscription has shown of a server."""
    shown = [e["event"] for e in talk.events.get(channel, [])]
    return [e["server"]["state"] for e in shown if e["status"] == "server" and e["server"]["server_id"] == server_id]


# --- before anything is started ----------------------------------------------------------------------------


def write(data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "bad.gguf").write_bytes(data)
        return folder / "bad.gguf"

    return make


def make_fifo(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.gguf")
    return folder / "pipe.gguf"


@pytest.mark.parametrize(
    ("make", "code", "name"),
    [
        (lambda folder: folder / "none.gguf", -32017, "MODEL_NOT_FOUND"),
        (lambda folder: folder, -32025, "PATH_NOT_ALLOWED"),
        (make_fifo, -32025, "PATH_NOT_ALLOWED"),
        (lambda folder: Path("/dev/zero"), -32025, "PATH_NOT_ALLOWED"),
        (lambda folder: folder / ("x" * 300), -32025, "PATH_NOT_ALLOWED"),
        (write(b""), -32018, "MODEL_INVALID"),
        (write(b"GGUF"), -32018, "MODEL_INVALID"),
        (write(b"<html>404 Not Found</html>" * 100), -32018, "MODEL_INVALID"),
        (write(bytes(4096)), -32018, "MODEL_INVALID"),
        (write(model_bytes()[:-100]), -32018, "MODEL_INVALID"),
        (write(gguf_bytes(llama_metadata(), key_count=2**60)), -32018, "MODEL_INVALID"),
        (write(gguf_bytes(llama_metadata(), tensor_count=2**60)), -32018, "MODEL_INVALID"),
    ],
    ids=["missing", "folder", "pipe", "device", "long", "empty", "4-bytes", "html", "zeros", "cut", "keys", "tensors"],
)
def test_a_file_that_is_no_model_is_refused_before_anything_is_started(
    talk: Talking, tmp_path: Path, make: Callable[[Path], Path], code: int, name: str
) -> None:
    request, channel = begin_start(talk, model_path=str(make(tmp_path)))
    error = talk.error_of(request)
    assert (error["code"], error["data"]["name"], bool(error["data"]["hint"])) == (code, name, True)
    assert talk.statuses(channel) == ["queued", "planning", "error"]
    assert talk.call("ping") == "pong"


def test_a_folder_without_an_engine_is_named(talk: Talking, tmp_path: Path) -> None:
    (tmp_path / "llama-server").mkdir()
    for folder in (tmp_path, tmp_path / "none"):
        data = fail_to_start(talk, llama_cpp_path=str(folder))
        assert (data["name"], "bin" in data["hint"]) == ("ENGINE_NOT_FOUND", True)


@pytest.mark.case(26)
def test_a_port_that_is_taken_is_named(talk: Talking) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        data = fail_to_start(talk, port=port)
    assert (data["name"], data["port"]) == ("PORT_IN_USE", port)
    assert talk.call("start_llama_server", server_id=SERVER, port=port)["port"] == port


def test_an_address_of_another_machine_is_refused(talk: Talking) -> None:
    data = fail_to_start(talk, host="192.0.2.1", port=8080)
    assert (data["name"], data["path"]) == ("INVALID_PARAMS", "$.host")


# --- while it loads ----------------------------------------------------------------------------------------

RECORDED = {
    "llama-server-out-of-memory": "OUT_OF_MEMORY",
    "embedded-out-of-memory": "OUT_OF_MEMORY",
    "llama-server-truncated-model": "MODEL_CORRUPT",
    "llama-server-missing-tensor": "MODEL_CORRUPT",
    "llama-server-unknown-architecture": "MODEL_NOT_SUPPORTED",
    "llama-server-bad-cache-type": "BAD_FLAG",
    "loader-missing-library": "MISSING_LIBRARY",
    "llama-server-port-in-use": "PORT_IN_USE",
}


@pytest.mark.parametrize("recorded", RECORDED)
def test_a_real_engines_last_words_are_told_with_their_cause(talk: Talking, recorded: str) -> None:
    exit_code, lines = recordings.log(recorded)
    end = ["--abort-on-load"] if exit_code < 0 else ["--exit-on-load", str(exit_code)]
    data = fail_to_start(talk, "--say-on-load", "\n".join(["", *lines]), *end)
    assert (data["name"], data["cause"], data["exit_code"]) == ("ENGINE_START_FAILED", RECORDED[recorded], exit_code)
    assert data["log_tail"][-1] == [line.rstrip() for line in lines if line.strip()][-1]


@pytest.mark.parametrize(
    ("flags", "cause", "exit_code"),
    [
        (["--no-such-flag", "1"], "BAD_FLAG", 1),
        (["--say-on-load", "E load: Permission denied", "--exit-on-load", "1"], "PERMISSION_DENIED", 1),
        (["--abort-on-load"], "UNKNOWN", -signal.SIGABRT),
        (["--exit-on-load", "0"], "UNKNOWN", 0),
        (["--die-on", "/health"], "UNKNOWN", 43),
    ],
)
def test_an_engine_that_ends_while_it_loads_is_told_with_its_cause(
    talk: Talking, flags: list[str], cause: str, exit_code: int
) -> None:
    data = fail_to_start(talk, *flags)
    assert (data["name"], data["cause"], data["exit_code"]) == ("ENGINE_START_FAILED", cause, exit_code)
    assert data["retryable"] is False


def test_a_server_that_has_failed_can_be_started_again_or_taken_off_the_list(talk: Talking) -> None:
    fail_to_start(talk, "--abort-on-load")
    assert talk.fail("send_message", message="Hi", server_id=SERVER)["data"]["name"] == "SERVER_NOT_RUNNING"
    assert talk.fail("restart_server", server_id=SERVER)["data"]["name"] == "ENGINE_START_FAILED"
    assert talk.call("start_llama_server", server_id=SERVER)["state"] == "ready"
    talk.call("stop_llama_server", server_id=SERVER)
    fail_to_start(talk, "--abort-on-load")
    assert talk.call("stop_llama_server", server_id=SERVER) == "llama-server stopped"
    assert SERVER not in {info["server_id"] for info in talk.call("list_servers")}


def test_an_engine_killed_while_it_loads_was_killed(talk: Talking) -> None:
    request, channel = begin_start(talk, "--stuck-at", "0.5")
    os.kill(talk.event(channel, "starting")["pid"], signal.SIGKILL)
    data = talk.error_of(request)["data"]
    assert (data["name"], data["cause"], data["exit_code"]) == ("ENGINE_START_FAILED", "KILLED", -signal.SIGKILL)


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    "flags",
    [
        ["--never-ready"],
        ["--stuck-at", "0.5"],
        ["--unsupervised", "--never-ready"],
        ["--log-every", "0.05"],
    ],
)
def test_a_start_without_a_sign_of_life_is_given_up_after_the_configs_time(
    talk: Talking, flags: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    data = fail_to_start(talk, *flags, "--ignore-term", "--fork-grandchild", "--pid-file", str(file))
    assert (data["name"], data["cause"], data["exit_code"]) == ("ENGINE_START_FAILED", "TIMEOUT", None)
    assert data["remedies"][-1] == {"action": "open_settings", "params": {"key": "engines.start_timeout_seconds"}}
    for pid in pids(file) if file.exists() else []:  # on a busy machine it may be given up before it writes that
        wait_until_gone(pid)


@pytest.mark.case(25)
@pytest.mark.parametrize("flood", [["--flood-stderr", "40000"], ["--flood-endless", "50000000"]])
def test_a_flood_of_log_holds_nobody_up_and_is_bounded(talk: Talking, flood: list[str]) -> None:
    flooded = talk.new_channel()
    talk.call("subscribe", topics=["logs"], channel=flooded, options={"source": f"server:{SERVER}"})
    before = psutil.Process(talk.pid).memory_info().rss
    request, channel = begin_start(talk, *flood)
    talk.event(channel, "starting")
    for _ in range(20):
        assert talk.call("ping") == "pong"
    assert talk.answer(request)["result"]["state"] == "ready"
    assert talk.call("unsubscribe", channel=flooded)["found"]
    page = talk.call("get_logs", source=f"server:{SERVER}", limit=10_000)
    assert "listening on" in page["entries"][-1]["message"]
    assert len(page["entries"]) <= 5000
    assert max(len(entry["message"]) for entry in page["entries"]) <= 8192
    assert sum(file.stat().st_size for file in (talk.data_dir / "logs").glob(f"*{SERVER}*")) < 25_000_000
    assert psutil.Process(talk.pid).memory_info().rss - before < 64 * 2**20


@pytest.mark.case(39)
def test_what_an_engine_was_given_by_environment_stays_there(talk: Talking) -> None:
    data = fail_to_start(talk, "--abort-on-load", env={"HF_TOKEN": "hf_secret"})
    assert "hf_secret" not in json.dumps([data, talk.call("get_logs"), talk.call("list_servers")])


# --- once it is ready --------------------------------------------------------------------------------------


@pytest.mark.case(21)
def test_an_engine_killed_while_it_is_idle_is_started_again_and_who_subscribes_sees_it(
    talk: Talking, tmp_path: Path
) -> None:
    file, channel = tmp_path / "pids", talk.new_channel()
    flags = ["--fork-grandchild", "--pid-file", str(file)]
    pid = talk.call("start_llama_server", server_id=SERVER, extra_args=flags)["pid"]
    below = pids(file)
    talk.call("subscribe", topics=["servers"], channel=channel)
    talk.until(lambda: states(talk, channel, SERVER) == ["ready"])
    os.kill(pid, signal.SIGKILL)
    talk.until(lambda: states(talk, channel, SERVER)[-1:] == ["ready"] and len(states(talk, channel, SERVER)) > 1)
    shown = [e["event"]["server"] for e in talk.events[channel] if e["event"]["status"] == "server"]
    again = [info for info in shown if info["server_id"] == SERVER][1:]
    # A host that reads slowly sees fewer of them: what is newer takes their place.
    whole = ["stopping", "queued", "planning", "starting", "loading", "warming", "ready"]
    assert [state for state in whole if state in {info["state"] for info in again}] == [i["state"] for i in again]
    for info in again[:-1]:
        assert (info["error"]["code"], info["error"]["data"]["name"]) == (-32014, "ENGINE_CRASHED")
        assert (info["error"]["data"]["cause"], info["error"]["data"]["exit_code"]) == ("KILLED", -signal.SIGKILL)
        assert (info["restarts"], "being restarted" in info["message"]) == (1, True)
    assert (again[-1]["error"], again[-1]["restarts"], again[-1]["pid"] != pid) == (None, 1, True)
    for one in below:
        wait_until_gone(one)
    assert talk.call("get_server", server_id=SERVER)["pid"] == again[-1]["pid"]
    assert talk.say("tokens=1", server_id=SERVER)["content"] == words(1)
    assert talk.call("restart_server", server_id=SERVER)["restarts"] == 0
    talk.call("unsubscribe", channel=channel)


@pytest.mark.case(22)
def test_an_engine_that_crashes_again_and_again_is_left_alone_and_says_why(talk: Talking, tmp_path: Path) -> None:
    talk.call("set_config", patch={"engines": {"max_restarts": 2}})
    file, channel = tmp_path / "starts", talk.new_channel()
    talk.call("subscribe", topics=["servers"], channel=channel)
    flags = ["--die-after-ready", "0.1", "--starts-file", str(file)]
    talk.call("start_llama_server", server_id=SERVER, extra_args=flags)
    talk.until(lambda: states(talk, channel, SERVER)[-1:] == ["failed"])
    talk.call("unsubscribe", channel=channel)
    talk.call("reset_config", keys=["engines.max_restarts"])
    info = talk.call("get_server", server_id=SERVER)
    assert (info["error"]["data"]["name"], info["error"]["data"]["exit_code"]) == ("ENGINE_CRASHED", 44)
    assert (info["restarts"], info["pid"], "2 times" in info["message"]) == (2, None, True)
    starts = [int(line) for line in file.read_text().splitlines()]
    assert (len(starts), [pid for pid in starts if is_alive(pid)]) == (3, [])
    assert talk.call("is_llama_running", server_id=SERVER) is False
    refused = talk.fail("send_message", message="Hi", server_id=SERVER)
    assert refused["data"]["name"] == "SERVER_NOT_RUNNING"
    assert refused["data"]["remedies"] == [{"action": "restart_server", "params": {"server_id": SERVER}}]


def test_without_restarts_a_crash_is_the_end_of_the_server(talk: Talking) -> None:
    talk.call("set_config", patch={"engines": {"max_restarts": 0}})
    channel = talk.new_channel()
    talk.call("subscribe", topics=["servers"], channel=channel)
    pid = talk.call("start_llama_server", server_id=SERVER)["pid"]
    talk.call("reset_config", keys=["engines.max_restarts"])
    os.kill(pid, signal.SIGKILL)
    talk.until(lambda: states(talk, channel, SERVER)[-1:] == ["failed"])
    error = talk.events[channel][-1]["event"]["server"]["error"]
    assert (error["data"]["name"], error["data"]["cause"]) == ("ENGINE_CRASHED", "KILLED")
    assert talk.call("get_server", server_id=SERVER)["error"] == error
    assert talk.call("restart_server", server_id=SERVER)["state"] == "ready"
    talk.call("unsubscribe", channel=channel)


@pytest.mark.case(22)
@pytest.mark.parametrize("way", ["stop_llama_server", "restart_server", "switch_model"])
def test_what_a_host_wants_wins_over_a_restart_that_is_under_way(talk: Talking, tmp_path: Path, way: str) -> None:
    file = tmp_path / "starts"
    flags = ["--stuck-at", "0.5", "--starts-file", str(file), "--faulty-starts", "2-2"]
    pid = talk.call("start_llama_server", server_id=SERVER, extra_args=flags)["pid"]
    channel = talk.new_channel()
    talk.call("subscribe", topics=["servers"], channel=channel)
    os.kill(pid, signal.SIGKILL)
    talk.until(lambda: states(talk, channel, SERVER)[-1:] == ["loading"])
    until = time.monotonic() + ANSWER_SECONDS
    while len(file.read_text().splitlines()) < 2:  # the second start counts from when it has begun to run
        assert time.monotonic() < until
    if way == "switch_model":
        write_model(talk.data_dir / "models" / "another.gguf")
        assert talk.call(way, server_id=SERVER, model="another")["model"] == "another"
    elif way == "restart_server":
        assert talk.call(way, server_id=SERVER)["state"] == "ready"
    else:
        assert talk.call(way, server_id=SERVER) == "llama-server stopped"
        assert SERVER not in {info["server_id"] for info in talk.call("list_servers")}
    old = [int(line) for line in file.read_text().splitlines()][:2]
    assert [pid for pid in old if is_alive(pid)] == []
    (talk.data_dir / "models" / "another.gguf").unlink(missing_ok=True)
    talk.call("unsubscribe", channel=channel)


@pytest.mark.case(21)
def test_one_engines_end_is_no_other_ones(talk: Talking, engine: Engine) -> None:
    request, channel = engine.begin_turn("tokens=6 hold-after=2", new_session())
    talk.heard(channel, words(2))
    dying, _ = talk.begin_turn("die-after=0", server_id=talk.call("start_llama_server", server_id=SERVER)["server_id"])
    assert talk.error_of(dying)["data"]["name"] == "ENGINE_CRASHED"
    engine.release()
    assert talk.answer(request)["result"]["content"] == words(6)


@pytest.mark.case(24)
@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize("stands_still", [False, True])
def test_an_engine_that_does_not_end_is_killed_with_all_it_has_started(
    talk: Talking, tmp_path: Path, stands_still: bool
) -> None:
    file = tmp_path / "pids"
    flags = ["--ignore-term", "--fork-grandchild", "--fork-daemon", "--pid-file", str(file)]
    pid = talk.call("start_llama_server", server_id=SERVER, extra_args=flags)["pid"]
    if stands_still:
        os.kill(pid, signal.SIGSTOP)
    assert talk.call("stop_llama_server", server_id=SERVER) == "llama-server stopped"
    assert not is_alive(pid)
    for one in pids(file):
        wait_until_gone(one)


@pytest.mark.case(20)
def test_engines_of_a_sidecar_that_is_killed_end_by_themselves(data_dir: Path, fake_llama_cpp: Path) -> None:
    write_model(data_dir / "models" / "tiny.gguf")
    host = RawHost(data_dir)
    server = host.call("start_llama_server", llama_cpp_path=str(fake_llama_cpp))
    folder = Path(host.call("get_server")["socket_path"]).parent
    host.process.kill()
    host.process.wait()
    wait_until_gone(server["pid"])
    host.close()
    with RawHost(data_dir) as again:
        assert again.call("list_servers") == []
        assert again.call("start_llama_server", llama_cpp_path=str(fake_llama_cpp))["state"] == "ready"
        assert not folder.exists()
