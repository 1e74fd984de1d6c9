"""Another user of the machine, who has stolen a key, and programs that only connect.

    python -m tests.trust.stranger                                       10,000 bursts, 5,000 connections for 10 minutes
    python -m tests.trust.stranger --bursts 500 --connections 500 --seconds 10

Run as root, the attacks come from another user; otherwise from our own, where the bounds on connections hold and the
check of the user does not. The owner's page talks meanwhile, and afterwards everything has to work.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import psutil
from anyio import to_thread

from sidecar.transport.web.acceptor import MAX_GUESTS
from sidecar.transport.web.guest import HEADER_SECONDS
from tests import fake_engine
from tests.app.talking import prepare, words
from tests.trust.results import Row, keep
from tests.web.browser import Key, Page, Served, packed

ATTACKS = Path(__file__).with_name("stranger_attacks.py")

STRANGER = 65_534
"""The user that owns nothing (`nobody`)."""

PAUSE_SECONDS = 0.2
"""Between two messages of the owner's page."""

HALF_HEADERS = 20

SLACK_SECONDS = 3.0
"""For a busy machine to notice what is over."""

LATEST_SECONDS = 5.0
"""The longest that the owner waits for an answer meanwhile."""

LOG_BYTES = 1_000_000
"""The whole log afterwards."""

FILES = 150
"""Descriptors that the sidecar may have open meanwhile."""

HALF_HEADER = b"GET / HTTP/1.1\r\nHost: 127.0.0.1"

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@dataclass
class Trial:
    """What came out.

    Attributes:
        bursts: how many of them ended how.
        silent: the connections that said nothing: opened, failed, and alive at the end.
        strangers: sessions that a stranger has created.
        waits: seconds that the owner waited for each answer meanwhile.
        half: seconds until each half header was dropped.
        files: the most descriptors of the sidecar.
        cores: processors that the sidecar used meanwhile.
        faults: what did not work, meanwhile or afterwards.
    """

    bursts: dict[str, int] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    strangers: int = 0
    waits: list[float] = field(default_factory=list)
    half: list[float] = field(default_factory=list)
    files: int = 0
    cores: float = 0.0
    log_bytes: int = 0
    faults: list[str] = field(default_factory=list)


@contextmanager
def attack(served: Served, key: Key, kind: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """An attacker that runs meanwhile, as another user where we may choose one."""
    host, _, port = served.host.partition(":")
    user = STRANGER if IS_ROOT else os.geteuid()
    what = [str(user), kind, host, port, f"{key.name}.{packed(key.secret)}", *map(str, arguments)]
    attacker = subprocess.Popen([sys.executable, "-I", str(ATTACKS), *what], stdout=subprocess.PIPE, text=True)
    with attacker:
        try:
            yield attacker
        finally:
            attacker.kill()


async def result_of(attacker: subprocess.Popen[str]) -> dict[str, int]:
    """What an attacker has reached, when it has ended."""
    out, _ = await to_thread.run_sync(attacker.communicate)
    found: dict[str, int] = json.loads(out)
    return found


async def run(folder: Path, *, bursts: int, connections: int, seconds: float, with_half_headers: bool = True) -> Trial:
    """Attack a sidecar with the fake engine, and let its owner talk meanwhile."""
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    trial = Trial()
    with Served(folder / "data") as served:
        sidecar = psutil.Process(served.process.pid)
        async with served.page() as page:
            await page.call("start_llama_server")
            server = await page.call("get_server")
            began, used = time.monotonic(), sum(sidecar.cpu_times()[:2])
            with (
                attack(served, served.key, "bursts", bursts) as bursting,
                attack(served, served.key, "silent", connections, seconds) as silent,
            ):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_talk, page, sidecar, trial)
                    trial.bursts = await result_of(bursting)
                    trial.silent = await result_of(silent)
                    tasks.cancel_scope.cancel()
            trial.cores = (sum(sidecar.cpu_times()[:2]) - used) / (time.monotonic() - began)
            await _see_afterwards(served, page, server, trial)
        if with_half_headers:
            trial.half = await to_thread.run_sync(_half_headers, served)
    trial.log_bytes = sum(file.stat().st_size for file in (folder / "data" / "logs").iterdir()) + len(served.stderr)
    if b"Traceback" in served.stderr:
        trial.faults.append("a traceback on stderr")
    return trial


async def _talk(page: Page, sidecar: psutil.Process, trial: Trial) -> None:
    """The owner's messages, one after the other."""
    while True:
        began = time.monotonic()
        answer = await page.call("send_message", message="tokens=3")
        await page.call("get_resources")
        trial.waits.append(time.monotonic() - began)
        trial.files = max(trial.files, sidecar.num_fds())
        if answer["content"] != words(3):
            trial.faults.append(f"an answer was {answer['content']!r}")
        await anyio.sleep(PAUSE_SECONDS)


async def _see_afterwards(served: Served, page: Page, before: dict[str, Any], trial: Trial) -> None:
    """That the stranger has left nothing behind."""
    sessions = (await page.call("list_sessions", limit=500))["sessions"]
    trial.strangers = sum(one["title"] == "stranger" for one in sessions)
    server = await page.call("get_server")
    if (server["state"], server["pid"], server["restarts"]) != ("ready", before["pid"], 0):
        trial.faults.append(f"the server is {server['state']}, restarted {server['restarts']} times")
    if not await page.call("list_models"):
        trial.faults.append("list_models is empty")
    await page.call("start_llama_server", server_id="another")
    await page.call("stop_llama_server", server_id="another")
    async with served.page() as other:
        if (await other.call("send_message", message="tokens=3"))["content"] != words(3):
            trial.faults.append("a new page gets no answer")


def _half_headers(served: Served) -> list[float]:
    """Send half a header on some connections of our own; the seconds until each is dropped."""
    host, _, port = served.host.partition(":")
    began = time.monotonic()
    opened = [socket.create_connection((host, int(port))) for _ in range(HALF_HEADERS)]
    took = []
    for connection in opened:
        connection.sendall(HALF_HEADER)
    for connection in opened:
        connection.settimeout(HEADER_SECONDS + SLACK_SECONDS)
        try:
            ended = connection.recv(1) == b""
        except ConnectionError:
            ended = True
        except TimeoutError:
            ended = False
        took.append(time.monotonic() - began if ended else float("inf"))
        connection.close()
    return took


def rows_of(trial: Trial, *, bursts: int, connections: int, seconds: float) -> list[Row]:
    """The figures against their targets."""
    who = "another user" if IS_ROOT else "our own user"
    in_, waits = trial.bursts.get("answered", 0), trial.waits or [float("inf")]
    alive = trial.silent["alive"]
    most = 0 if IS_ROOT else MAX_GUESTS
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(trial.bursts.items()))
    rows = [
        Row(
            f"{bursts:,} bursts of handshake, requests and close from {who}, with a stolen key",
            "0 in" if IS_ROOT else "0 sessions from what was closed",
            f"{outcomes}; {trial.strangers} sessions",
            (in_ == trial.strangers == 0) if IS_ROOT else trial.strangers == in_,
        ),
        Row(
            f"{connections:,} silent connections from {who} for {seconds:.0f} s, each opened again when it is closed",
            f"at most {most} held, at most {FILES} descriptors, half a core",
            f"{trial.silent['opened']:,} opened, {alive} held; {trial.files} descriptors; {trial.cores:.2f} cores",
            alive <= most and trial.files <= FILES and trial.cores <= 0.5,
        ),
        Row(
            "the owner's page meanwhile: messages and resources",
            f"each answered within {LATEST_SECONDS:.0f} s",
            f"{len(trial.waits)} answered, median {statistics.median(waits) * 1e3:.0f} ms, at most {max(waits):.2f} s",
            bool(trial.waits) and max(waits) <= LATEST_SECONDS,
        ),
        Row(
            "afterwards: the server, models, a start, a new page",
            "all work, the engine was never restarted",
            "; ".join(trial.faults) or "all work",
            not trial.faults,
        ),
        Row(
            "the log afterwards",
            f"at most {LOG_BYTES:,} bytes, no traceback",
            f"{trial.log_bytes:,} bytes",
            trial.log_bytes <= LOG_BYTES,
        ),
    ]
    if trial.half:
        first, last = min(trial.half), max(trial.half)
        target, figure = f"dropped after {HEADER_SECONDS:.0f} s", f"after {first:.1f} to {last:.1f} s"
        is_met = HEADER_SECONDS - 1 <= first <= last <= HEADER_SECONDS + SLACK_SECONDS
        rows.append(Row(f"{HALF_HEADERS} connections with half a header", target, figure, is_met))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bursts", type=int, default=10_000, help="default 10000")
    parser.add_argument("--connections", type=int, default=5_000, help="default 5000")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long the connections last; default 600")
    options = vars(parser.parse_args())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trial = anyio.run(lambda: run(Path(folder), **options))
    return 0 if keep("stranger", rows_of(trial, **options), seconds=time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
