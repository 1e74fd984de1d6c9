"""Builds of llama.cpp are installed, used, replaced and removed; nothing is left of an installation that breaks off."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import fake_engine
from tests.builds.archives import digest, pack
from tests.hub_server import HubFile, HubServer
from tests.library.gguf_files import write_model
from tests.processes.programs import wait_for_file, wait_until_gone
from tests.raw_host import RawHost

PADDING = os.urandom(1_500_000)
SLOW = 300_000
"""Bytes a second: five seconds for an archive, far more than what is done meanwhile takes."""


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer() as hub:
        yield hub


@pytest.fixture(scope="module")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines") / "dätä dir"


@pytest.fixture(scope="module")
def host(shared_dir: Path) -> Iterator[RawHost]:
    """A sidecar for the tests that leave it as it was: without builds."""
    with start(shared_dir) as host:
        yield host


def start(data_dir: Path) -> RawHost:
    """A sidecar that may fetch from this machine and finds no llama-server on PATH."""
    data_dir.mkdir(parents=True, exist_ok=True)
    config = {"downloads": {"allow_private_addresses": True, "connections": 1}, "models": {"sources": []}}
    (data_dir / "config.json").write_text(json.dumps(config))
    write_model(data_dir / "models" / "tiny.gguf")
    return RawHost(data_dir, env={"PATH": "/usr/bin:/bin"})


def release(tmp_path: Path, name: str, *flags: str) -> Path:
    """An archive with the fake engine in it, which has these faults."""
    folder = fake_engine.install(tmp_path / "builds" / name, *flags)
    (folder / "libpadding.so.1").write_bytes(PADDING)
    (folder / "libpadding.so").symlink_to("libpadding.so.1")
    return pack(folder, tmp_path / f"{name}.tar.gz")


def serve(hub: HubServer, archive: Path) -> dict[str, str]:
    """Put it on a server; what to ask for."""
    hub.files[archive.name] = HubFile(archive.read_bytes())
    hub.forget_sent()
    return {"url": f"{hub.url}/files/{archive.name}?token=canary", "sha256": f"sha256:{digest(archive)}"}


def left_over(data_dir: Path) -> list[str]:
    """What is in the folder of builds but whole builds and the choice among them."""
    files = (path.relative_to(data_dir / "engines") for path in (data_dir / "engines").rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0].startswith("."))


def rows(host: RawHost) -> list[tuple[str, str | None, bool, bool]]:
    found: list[dict[str, Any]] = host.call("list_engines")
    return [(one["origin"], one["name"], one["default"], one["available"]) for one in found if one["name"]]


def test_a_build_comes_from_a_server_is_proved_and_used(
    host: RawHost, hub: HubServer, tmp_path: Path, shared_dir: Path
) -> None:
    host.call("subscribe", topics=["engines"], channel="topic")
    request = serve(hub, release(tmp_path, "llama-b1-bin"))
    info = host.call("install_engine", **request, channel="install")
    assert (info["name"], info["origin"], info["default"], info["available"]) == ("llama-b1-bin", "managed", True, True)
    assert (info["version"], info["proof"]["backends"]) == ("fake (build 1)", ["CPU", "FAKE"])
    assert list(dict.fromkeys(host.statuses("install"))) == [
        *("queued", "downloading", "verifying", "unpacking", "proving", "done"),
    ]
    assert rows(host) == [("managed", "llama-b1-bin", True, True)]
    assert left_over(shared_dir) == []
    started = host.call("start_llama_server")
    assert started["plan"]["argv"][0] == info["path"]
    assert (Path(info["path"]).parent / "libpadding.so").read_bytes() == PADDING
    error = host.fail("remove_engine", name="llama-b1-bin")
    assert (error["data"]["name"], error["data"]["server_id"]) == ("ENGINE_IN_USE", "default")
    host.call("stop_llama_server")
    assert host.call("remove_engine", name="llama-b1-bin") == {"default": None, "engines": []}
    host.until(lambda: host.events["topic"][-1]["event"].get("managed", {}).get("engines") == [])
    defaults = [event["event"]["managed"]["default"] for event in host.events["topic"]]
    assert [defaults[0], defaults[-1], "llama-b1-bin" in defaults] == [None, None, True]
    kept = "".join(path.read_text(errors="replace") for path in (shared_dir / "logs").rglob("*") if path.is_file())
    assert "canary" not in kept


def test_a_start_goes_on_with_the_last_good_build_where_the_default_is_broken(host: RawHost, tmp_path: Path) -> None:
    good = host.call("install_engine", path=str(release(tmp_path, "good")))
    folder = fake_engine.install(tmp_path / "bad")
    program = (folder / "llama-server").read_text()
    (folder / "llama-server").write_text(program.replace('"$@"', '$(cat "$(dirname "$0")/flags") "$@"'))
    (folder / "flags").write_text("")
    bad = host.call("install_engine", path=str(pack(folder, tmp_path / "bad.zip")))
    assert host.call("start_llama_server")["plan"]["argv"][0] == bad["path"]
    host.call("stop_llama_server")
    (Path(bad["path"]).parent / "flags").write_text("--exit-on-load 1")  # which nobody sees before it is started
    assert host.call("start_llama_server", channel="start")["plan"]["argv"][0] == good["path"]
    assert host.statuses("start")[-1] == "done"
    assert rows(host) == [("managed", "good", True, True), ("managed", "bad", False, False)]
    error = host.fail("start_llama_server", server_id="other", engine_build="bad")
    assert (error["data"]["name"], error["data"]["exit_code"]) == ("ENGINE_START_FAILED", 1)
    notices = host.call("initialize")["notices"]
    assert [notice["name"] for notice in notices] == ["ENGINE_BUILD_BROKEN"]
    for server in ("other", "default"):
        host.call("stop_llama_server", server_id=server)
    for name in ("bad", "good"):
        host.call("remove_engine", name=name)


def test_a_build_that_generates_no_token_is_not_kept_and_says_why(
    host: RawHost, tmp_path: Path, shared_dir: Path
) -> None:
    archive = release(tmp_path, "bad", "--die-on", "/v1/chat/completions", "--say-on-load", "E last words")
    error = host.fail("install_engine", path=str(archive))
    assert (error["data"]["name"], error["data"]["cause"]) == ("ENGINE_START_FAILED", "UNKNOWN")
    assert any("last words" in line for line in error["data"]["log_tail"])
    assert (rows(host), left_over(shared_dir)) == ([], [])


def test_what_is_not_the_file_that_was_meant_is_refused(
    host: RawHost, hub: HubServer, tmp_path: Path, shared_dir: Path
) -> None:
    archive = release(tmp_path, "b")
    request = serve(hub, archive)
    assert host.fail("install_engine", **{**request, "sha256": "0" * 64})["data"]["name"] == "CHECKSUM_MISMATCH"
    error = host.fail("install_engine", path=str(archive), sha256="0" * 64)
    assert error["data"]["name"] == "CHECKSUM_MISMATCH"
    hub.files["page.zip"] = HubFile(b"<html>" * 100)
    page = {"url": f"{hub.url}/files/page.zip", "sha256": "0" * 64}
    assert host.fail("install_engine", **page)["data"]["name"] == "ARCHIVE_INVALID"
    host.call("set_config", patch={"downloads": {"allow_private_addresses": False}})
    assert host.fail("install_engine", **request)["data"]["name"] == "ADDRESS_NOT_ALLOWED"
    host.call("set_config", patch={"downloads": {"allow_private_addresses": True}})
    error = host.fail("install_engine", url=request["url"])
    assert (error["data"]["name"], "GitHub" in error["data"]["hint"]) == ("INVALID_PARAMS", True)
    assert left_over(shared_dir) == []


def test_an_installation_that_was_killed_goes_on_where_it_was(hub: HubServer, tmp_path: Path, data_dir: Path) -> None:
    archive = release(tmp_path, "b")
    request = serve(hub, archive)
    hub.rate = SLOW
    try:
        with start(data_dir) as first:
            first.begin("install_engine", **request, channel="c")
            first.until(lambda: received(first, "c") > 150_000)
            kill(first)
        assert len(left_over(data_dir)) == 2  # what has come, and how much that is
        came, sent = received(first, "c"), hub.settled()
        hub.rate = None
        with start(data_dir) as second:
            assert second.call("install_engine", **request)["default"] is True
        assert hub.settled() - sent <= archive.stat().st_size - came + 2  # single bytes are asked for the size
        assert left_over(data_dir) == []
    finally:
        hub.rate = None


def test_nothing_is_left_of_one_that_was_killed_while_it_was_proved(tmp_path: Path, data_dir: Path) -> None:
    pids = tmp_path / "pids"
    archive = release(tmp_path, "b", "--never-ready", "--pid-file", str(pids))
    with start(data_dir) as first:
        first.begin("install_engine", path=str(archive), channel="c")
        first.event("c", "proving")
        wait_for_file(pids)
        kill(first)
    for pid in json.loads(pids.read_text()):
        wait_until_gone(pid)
    assert left_over(data_dir) != []
    with start(data_dir) as second:
        assert rows(second) == []
        second.call("get_logs")
        while left_over(data_dir):
            second.call("ping")


@pytest.mark.parametrize("stage", ["downloading", "proving"])
def test_one_that_is_cancelled_leaves_nothing_but_what_has_come(
    host: RawHost, hub: HubServer, tmp_path: Path, shared_dir: Path, stage: str
) -> None:
    pids = tmp_path / "pids"
    flags = ("--never-ready", "--pid-file", str(pids)) if stage == "proving" else ()
    request = serve(hub, release(tmp_path, "b", *flags))
    hub.rate = SLOW if stage == "downloading" else None
    try:
        waiting = host.begin("install_engine", **request, channel=stage)
        host.event(stage, stage)
        if stage == "proving":
            wait_for_file(pids)
        host.notify("$/cancel", id=waiting)
        assert host.answer(waiting)["error"]["data"]["name"] == "CANCELLED"
    finally:
        hub.rate = None
    assert host.statuses(stage)[-1] == "cancelled"
    assert rows(host) == []
    assert {Path(path).parts[0] for path in left_over(shared_dir)} <= {".partial-downloads"}
    if stage == "proving":
        assert left_over(shared_dir) == []
        assert not any(psutil.pid_exists(pid) for pid in json.loads(pids.read_text()))
    else:
        assert host.call("install_engine", **request)["name"] == "b"
        host.call("remove_engine", name="b")


def kill(host: RawHost) -> None:
    host.process.kill()
    host.process.wait(10)


def received(host: RawHost, channel: str) -> int:
    """How much has come, as a channel tells."""
    return max((event["event"].get("received_bytes", 0) for event in host.events.get(channel, ())), default=0)
