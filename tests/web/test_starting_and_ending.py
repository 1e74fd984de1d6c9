"""`llama-sidecar serve`: how it begins, what it says where it can not, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import aiohttp
import psutil
import pytest

from sidecar.app import Options
from sidecar.cli.serve import serve_pages
from tests.busy import BUSY_SECONDS
from tests.program import PROGRAM
from tests.raw_host import RawHost
from tests.web.browser import Served
from tests.web.conftest import StartServed

pytestmark = pytest.mark.anyio


async def test_sigterm_ends_everything_within_5_s(start_served: StartServed) -> None:
    served = start_served("--log-level", "debug")
    async with served.page() as page, served.page() as frozen:
        await page.call("start_llama_server")
        await page.call("subscribe", topics=["servers"], channel="live")
        await page.begin("send_message", message="tokens=9 hold-after=2", channel="c")
        await page.event("c", "token")
        for id_ in range(20):  # some megabytes of answers, which nobody reads
            await frozen.socket.send_json({"jsonrpc": "2.0", "id": id_, "method": "rpc.discover"})
        children = psutil.Process(served.process.pid).children(recursive=True)
        assert children
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        ended = await page.ended()
        assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert served.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5 + BUSY_SECONDS
    assert page.events["c"][-1]["event"]["status"] == "cancelled"  # all is told before the end
    assert page.events["live"][-1]["event"]["status"] == "done"
    assert not [child for child in children if child.is_running()]
    assert served.process.stdout is not None
    assert served.process.stdout.read() == b""  # the address is all that it says
    assert b"Ctrl-C" in served.stderr


def test_only_loopback_is_listened_to(served: Served) -> None:
    listening = [c.laddr.ip for c in psutil.Process(served.process.pid).net_connections("inet") if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_a_port_that_is_taken_is_told_in_plain_words(data_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve_pages(Namespace(port=port, open=False), Options(data_dir=data_dir), stdin=0, stdout=1) == 1
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: Another program listens on port {port}.\n  ")
    assert not data_dir.exists()


def test_a_data_folder_in_use_is_told_in_plain_words(served: Served) -> None:
    done = _run(served.data_dir, "--web")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: Another llama-sidecar (process {served.process.pid}) uses ")
    assert "Traceback" not in done.stderr


def test_a_port_may_be_chosen_and_a_process_be_watched(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as watched:
        served = Served(data_dir, "--port", str(port), "--host-pid", str(watched.pid))
        assert served.host == f"127.0.0.1:{port}"
        watched.communicate()
        assert served.process.wait(timeout=10) == 0
        served.close()


def test_without_pages_it_serves_a_host_on_stdio(data_dir: Path) -> None:
    with RawHost(data_dir, command=[*PROGRAM, "serve"]) as host:
        assert host.call("ping") == "pong"
        assert host.close() == 0


def test_the_browser_is_given_a_private_file_and_no_key(data_dir: Path, tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    os.mkfifo(opened)
    file = data_dir / "open.html"
    data_dir.mkdir(mode=0o700)
    file.write_text("of a sidecar that was killed")
    # Its own arguments, what the file may be read by, and what is in it.
    browser.write_text(f'#!/bin/sh\n{{ echo "$@"; stat -c %a "{file}"; cat "{file}"; }} > "{opened}"\n')
    browser.chmod(0o755)
    with Served(data_dir, "--open", env={"BROWSER": str(browser)}) as served:
        arguments, mode, *page = opened.read_text().splitlines()
        assert (arguments, mode) == (file.as_uri(), "600")
        assert f"url={served.origin}/#token=" in "".join(page)
        assert served.address not in page  # it is a link of its own
    assert not file.exists()


@pytest.mark.parametrize("arguments", [["--port", "1"], ["--open"], ["--web", "--port", "0"], ["--web", "--port", "x"]])
def test_wrong_arguments_are_told(data_dir: Path, arguments: list[str]) -> None:
    done = _run(data_dir, *arguments)
    assert done.returncode == 2
    assert "error: " in done.stderr


def test_without_aiohttp_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("sidecar.transport.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "aiohttp", None)  # as if it were not there
    options = Options(data_dir=tmp_path / "data")
    assert serve_pages(Namespace(port=None, open=False), options, stdin=0, stdout=1) == 1
    told = capfd.readouterr()
    assert (told.out, " -m pip install " in told.err and "aiohttp" in told.err) == ("", True)


def _run(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "serve", "--data-dir", str(data_dir), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
