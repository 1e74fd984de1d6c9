"""Resources and logs over the wire: what is told of a sound machine, and of one whose GPU driver is broken."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.app.talking import Engine, Talking
from tests.library.gguf_files import write_model
from tests.raw_host import RawHost

# --- resources ---------------------------------------------------------------------------------------------

NVML = """
import json, os, time
from types import SimpleNamespace as S
class NVMLError(Exception):
    def __init__(self, value): self.value = value
    def __str__(self): return f"error {self.value}"
def nvmlInit(): pass
def nvmlShutdown(): pass
def nvmlSystemGetDriverVersion(): return "1.2"
def nvmlDeviceGetCount(): return 1
def nvmlDeviceGetHandleByIndex(i): return i
def nvmlDeviceGetName(h): return "Stub"
def nvmlDeviceGetUUID(h): return "GPU-1"
def nvmlDeviceGetMemoryInfo(h): return S(total=100, used=60, free=40)
def nvmlDeviceGetUtilizationRates(h): return S(gpu=7)
def nvmlDeviceGetTemperature(h, sensor): return 50
def nvmlDeviceGetPowerUsage(h): raise NVMLError(3)
def nvmlDeviceGetComputeRunningProcesses(h):
    return [S(pid=pid, usedGpuMemory=30) for pid in json.load(open(os.environ["STUB_PIDS"]))]
def nvmlDeviceGetGraphicsRunningProcesses(h): return []
"""
GPU = {
    "index": 0,
    "name": "Stub",
    "uuid": "GPU-1",
    "total_bytes": 100,
    "used_bytes": 60,
    "free_bytes": 40,
    "utilization_percent": 7.0,
    "temperature_celsius": 50.0,
    "power_watts": None,
    "driver_version": "1.2",
}


@pytest.fixture
def with_nvml(data_dir: Path, tmp_path: Path) -> Iterator[Callable[[str], RawHost]]:
    """Starts a sidecar whose NVML library is this text."""
    hosts: list[RawHost] = []

    def start(text: str) -> RawHost:
        (tmp_path / "nvml").mkdir()
        (tmp_path / "nvml" / "pynvml.py").write_text(text)
        env = {"PYTHONPATH": f"{tmp_path / 'nvml'}{os.pathsep}{Path.cwd()}", "STUB_PIDS": str(tmp_path / "pids")}
        hosts.append(RawHost(data_dir, env=env))
        return hosts[-1]

    yield start
    for host in hosts:
        assert host.close() == 0


def test_the_machine_and_each_engine_are_told(talk: Talking, engine: Engine) -> None:
    told = talk.call("get_resources")
    assert abs(told["at"] - time.time()) < 60
    assert (told["cpu"]["logical_cores"], told["memory"]["total_bytes"]) == (
        *(psutil.cpu_count(), psutil.virtual_memory().total),
    )
    assert 0 < told["memory"]["available_bytes"] <= told["memory"]["total_bytes"]
    assert 0 < told["disk"]["free_bytes"] <= told["disk"]["total_bytes"]
    assert told["disk"]["path"] == str(talk.data_dir)
    pids = {info["server_id"]: info["pid"] for info in talk.call("list_servers")}
    assert {use["server_id"]: use["pid"] for use in told["servers"]} == pids
    [use] = [use for use in told["servers"] if use["server_id"] == engine.server_id]
    resident = psutil.Process(use["pid"]).memory_info().rss
    assert resident / 2 < use["memory_bytes"] < resident * 2
    engine.stop()
    assert engine.server_id not in {use["server_id"] for use in talk.call("get_resources")["servers"]}


def test_an_engine_that_was_just_killed_is_no_error(talk: Talking, engine: Engine) -> None:
    os.kill(talk.call("get_server", server_id=engine.server_id)["pid"], signal.SIGKILL)
    for _ in range(5):
        told = {use["server_id"] for use in talk.call("get_resources")["servers"]}
        assert "default" in told


def test_processors_are_counted_between_two_readings(talk: Talking) -> None:
    channel = talk.new_channel()
    talk.call("subscribe", topics=["resources"], channel=channel, options={"interval_ms": 100})
    for _ in range(300):  # work for the sidecar, so that something is used
        talk.call("list_models")
    talk.event(channel, "resources", at_least=2)
    talk.call("unsubscribe", channel=channel)
    readings = [e["event"]["resources"] for e in talk.events[channel] if e["event"]["status"] == "resources"]
    assert all(0 <= reading["cpu"]["percent"] <= 100 for reading in readings)
    assert any(reading["cpu"]["percent"] > 0 for reading in readings)


def test_a_gpu_and_what_an_engine_uses_of_it_are_told(
    with_nvml: Callable[[str], RawHost], fake_llama_cpp: Path, data_dir: Path, tmp_path: Path
) -> None:
    write_model(data_dir / "models" / "tiny.gguf")
    host = with_nvml(NVML)
    pid = host.call("start_llama_server", llama_cpp_path=str(fake_llama_cpp))["pid"]
    (tmp_path / "pids").write_text(json.dumps([pid, 1]))
    told = host.call("get_resources")
    assert (told["gpus"], told["gpu_status"]["state"]) == ([GPU], "ok")
    assert [use["gpu_memory_bytes"] for use in told["servers"]] == [30]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("raise ImportError('no such library')", "absent"),
        (NVML + "def nvmlInit(): raise NVMLError(12)\n", "absent"),
        (NVML + "def nvmlInit(): raise NVMLError(999)\n", "failing"),
        ("1 / 0", "failing"),
        (NVML + "def nvmlDeviceGetCount(): raise RuntimeError('in the middle')\n", "failing"),
    ],
)
def test_a_broken_nvml_is_told_in_words_and_hides_nothing_else(
    with_nvml: Callable[[str], RawHost], text: str, state: str
) -> None:
    host = with_nvml(text)
    for _ in range(2):
        told = host.call("get_resources")
        assert (told["gpus"], told["gpu_status"]["state"], bool(told["gpu_status"]["message"])) == ([], state, True)
        assert told["memory"]["total_bytes"] > 0


def test_an_nvml_that_hangs_delays_its_reading_once_and_nothing_else(with_nvml: Callable[[str], RawHost]) -> None:
    host = with_nvml("def nvmlInit():\n    import time\n    time.sleep(3600)\n")
    reading = host.begin("get_resources")
    assert host.call("ping") == "pong"
    assert reading not in host._answers
    told = host.answer(reading)["result"]
    assert (told["gpus"], told["gpu_status"]["state"]) == ([], "hanging")
    host.call("subscribe", topics=["resources"], channel="again", options={"interval_ms": 100})
    host.event("again", "resources", at_least=5)  # the reading that hangs is waited for by nobody any more
    assert host.event("again", "resources", at_least=5)["resources"]["gpu_status"]["state"] == "hanging"


# --- logs --------------------------------------------------------------------------------------------------


def test_logs_are_filtered_and_paged(talk: Talking, engine: Engine) -> None:
    engine.stop()
    source = f"server:{engine.server_id}"
    lines = "\n".join(f"0.0 {'IWE'[i % 3]} line {i}" for i in range(30))
    talk.call("start_llama_server", server_id=engine.server_id, extra_args=["--say-on-load", f"I first\n{lines}"])

    everything = talk.call("get_logs", source=source, limit=10_000)
    said = [entry["message"] for entry in everything["entries"]]
    assert everything["complete"]
    assert [entry for entry in said if " line " in entry] == lines.splitlines()
    numbers = [entry["seq"] for entry in everything["entries"]]
    assert (numbers == sorted(set(numbers)), everything["last_seq"] >= numbers[-1]) == (True, True)
    newest = talk.call("get_logs", source=source, limit=3)["entries"]
    assert newest == everything["entries"][-3:]
    middle = everything["entries"][10]["seq"]
    assert talk.call("get_logs", source=source, since=middle)["entries"] == everything["entries"][11:]
    assert talk.call("get_logs", source=source, since=everything["last_seq"])["entries"] == []
    for level, least in (("warning", {"warning", "error"}), ("error", {"error"})):
        found = talk.call("get_logs", source=source, min_level=level)["entries"]
        assert ({entry["level"] for entry in found}, len(found)) == (least, 10 * len(least))
    of_all = talk.call("get_logs", limit=10_000)["entries"]
    assert {"sidecar", source} <= {entry["source"] for entry in of_all}


def test_logs_that_were_cleared_are_gone_from_memory_and_files_and_their_numbers_go_on(
    talk: Talking, engine: Engine
) -> None:
    source = f"server:{engine.server_id}"
    before = talk.call("get_logs")
    [listed] = [one for one in talk.call("list_log_sources") if one["source"] == source]
    assert (Path(listed["file"]).stat().st_size, listed["lines"] > 0) == (listed["file_bytes"], True)
    assert talk.call("clear_logs", source=source) is None
    assert talk.call("get_logs", source=source)["entries"] == []
    assert talk.call("get_logs", source=source, since=0)["complete"] is False
    assert Path(listed["file"]).stat().st_size == 0
    assert [e for e in before["entries"] if e["source"] == "sidecar"] == (
        talk.call("get_logs", source="sidecar")["entries"]
    )
    talk.call("restart_server", server_id=engine.server_id)
    entries = talk.call("get_logs", source=source)["entries"]
    assert min(entry["seq"] for entry in entries) > before["last_seq"]


def test_a_source_that_there_is_not_is_refused(talk: Talking) -> None:
    for method in ("get_logs", "clear_logs"):
        for source in ("nobody", "server:nobody", "../../etc/passwd", ""):
            error = talk.fail(method, source=source)
            assert (error["data"]["name"], error["data"]["path"]) == ("INVALID_PARAMS", "$.source")
