"""Downloads that are killed again and again: their sidecar, their host, their network, their address.

A hub of ours counts what it sends. A round brings one model here, with an end of some kind in the middle of it every
so many bytes, and looks at what was fetched twice and at what is there afterwards.

    python -m tests.trust.killed_downloads --rounds 5 --size 100000000
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import psutil

from tests.hub_server import HubServer, large_model
from tests.raw_host import ANSWER_SECONDS, RawHost
from tests.trust import results

REPO = "tests/killed-GGUF"
FILE = "killed-Q4_K_M.gguf"

MOST_TWICE = 0.05
"""Of its size that a download may fetch twice."""

HOST = [sys.executable, "-I", "-S", str(Path(__file__).with_name("tiny_host.py")), sys.executable, "-m", "sidecar"]

End = Literal["kill -9 of the sidecar", "kill -9 of the host", "the network", "one connection", "the address"]
ENDS: tuple[End, ...] = get_args(End)


@dataclass
class Outcome:
    """What came of a round.

    Attributes:
        size: of the file.
        sent: by the hub, for the file.
        ends: what happened, in its order.
        seconds: in all.
        wrong: what must not be, one line each.
    """

    size: int
    sent: int = 0
    ends: list[End] = field(default_factory=list)
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def twice(self) -> float:
        """The part of the file that was sent more than once."""
        return (self.sent - self.size) / self.size


class Round:
    """One download and its ends."""

    def __init__(self, root: Path, hub: HubServer) -> None:
        self._data_dir = root / "data"
        self._hub = hub
        self._host: RawHost | None = None

    def start(self) -> RawHost:
        """A sidecar below a host that can be killed; what was interrupted goes on."""
        until = time.monotonic() + ANSWER_SECONDS
        while True:
            host = RawHost(self._data_dir, command=HOST, env={"HF_ENDPOINT": self._hub.url})
            answer = host.answer(host.begin("initialize"))
            if "result" in answer:
                break
            assert answer["error"]["data"]["name"] == "DATA_DIR_LOCKED", answer  # the one before is about to end
            assert time.monotonic() < until
            host.close()
        host.call("subscribe", topics=["downloads"], channel="downloads")
        self._host = host
        return host

    def happen(self, end: End) -> None:
        """Let something end, and go on after it."""
        assert self._host is not None
        if end == "the network":
            self._hub.cut_all()
        elif end == "one connection":
            self._hub.repos[REPO].files[FILE].faults.resets.append(64 * 1024)
        elif end == "the address":
            self._hub.forget_addresses()
            self._hub.cut_all()
        else:
            if end == "kill -9 of the host":
                self._host.process.send_signal(signal.SIGKILL)
            else:
                self._kill_sidecar(self._host)
            self._host.close()
            self.start()

    def finish(self) -> dict[str, Any]:
        """Wait for the end of the download; what is told of it."""
        assert self._host is not None
        host = self._host
        told: list[dict[str, Any]] = []

        def ended() -> bool:
            told.extend(e["event"]["download"] for e in host.events.get("downloads", ()) if "download" in e["event"])
            host.events.get("downloads", []).clear()
            return bool(told) and told[-1]["state"] in ("done", "failed", "cancelled")

        host.until(ended)
        return told[-1]

    def close(self) -> None:
        """End what is left."""
        if self._host is not None:
            self._host.close()

    def _kill_sidecar(self, host: RawHost) -> None:
        for child in psutil.Process(host.process.pid).children():
            child.kill()


def play(root: Path, *, size: int, kills: int, rate: int, seed: int) -> Outcome:
    """One round.

    Args:
        root: an empty folder.
        size: of the file, bytes.
        kills: how many ends.
        rate: of the hub, bytes a second.
        seed: chooses which and when.
    """
    chance = random.Random(seed)  # noqa: S311
    data = large_model(size, seed)
    outcome, began = Outcome(size), time.monotonic()
    with HubServer() as hub:
        hub.add(REPO, {FILE: data})
        hub.rate = rate
        one = Round(root, hub)
        try:
            one.start().begin("download_model", repo=REPO)
            order = [ENDS[i % len(ENDS)] for i in range(kills)]
            chance.shuffle(order)
            for i, end in enumerate(order):
                hub.wait_for_sent(int(size * (i + chance.uniform(0.6, 1.0)) / (kills + 1)), ANSWER_SECONDS)
                one.happen(end)
                outcome.ends.append(end)
            told = one.finish()
            if told["state"] != "done":
                outcome.wrong.append(f"it ended {told['state']}: {told['error']}")
        finally:
            one.close()
        outcome.sent = hub.sent[FILE]
    outcome.seconds = time.monotonic() - began
    path = root / "data" / "models" / REPO / FILE
    if not path.exists() or hashlib.sha256(path.read_bytes()).digest() != hashlib.sha256(data).digest():
        outcome.wrong.append("the file is not what was asked for")
    for left in (root / "data" / "models" / ".partial-downloads", *(root / "data" / "downloads").glob("*")):
        if left.exists():
            outcome.wrong.append(f"left: {left.name}")
    return outcome


def main() -> int:
    """Several rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=100_000_000, help="bytes of the model")
    parser.add_argument("--kills", type=int, default=10, help="ends in each round")
    parser.add_argument("--rate", type=int, default=5_000_000, help="bytes a second")
    options = parser.parse_args()
    began = time.monotonic()
    outcomes = []
    for seed in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            one = play(Path(folder), size=options.size, kills=options.kills, rate=options.rate, seed=seed)
        print(f"round {seed}: {one.twice:.2%} twice, {one.seconds:.0f} s, {', '.join(one.wrong) or 'as it must be'}")
        outcomes.append(one)
    worst = max(one.twice for one in outcomes)
    wrong = [line for one in outcomes for line in one.wrong]
    what = f"{len(outcomes)} downloads of {options.size:,} bytes, each ended {options.kills} times"
    rows = [
        results.Row(what, "the right file each time, nothing left over", "; ".join(wrong) or "0 faults", not wrong),
        results.Row("bytes fetched twice", "5 % at most", f"{worst:.2%} in the worst round", worst <= MOST_TWICE),
    ]
    return 0 if results.keep("killed_downloads", rows, seconds=time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
