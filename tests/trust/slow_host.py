"""A host that does not read for a minute while 10,000 tokens a second come, and floods stdin besides.

    python -m tests.trust.slow_host                  a minute, then each way in which such a host can go
    python -m tests.trust.slow_host --seconds 10

The sidecar is a real one on the fake engine, which floods its log, too. The host then reads everything, and looks
whether it is all there.
"""

from __future__ import annotations

import argparse
import itertools
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import psutil

from tests import fake_engine
from tests.app.talking import prepare, words
from tests.trust.ledger import Ledger
from tests.trust.results import Row, keep
from tests.trust.vitals import PeakMemory

STREAMS = 16
"""Each answer has 37,500 words after a minute: more than most models can say."""

CONTEXT = 2**20
"""Tokens in which all streams fit together after a minute, so that none of them is shortened."""

TOKENS_A_SECOND = 10_000
LOG_LINES_A_SECOND = 1_000

WARM_UP_ANSWERS = 12
"""Of 50 KB each, read at once: what is imported late and what SQLite keeps in memory is there before."""

GROWTH_MIB = 64
"""More memory than this a host that does not read may not cost."""

EXIT_SECONDS = 5.0
"""From the end of a host to the end of the sidecar and its engines (contract, Transport)."""

CATCH_UP_SECONDS = 120.0
"""Longest wait for anything after the silence; a trial that needs it has failed."""

ASIDE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_resources", {}),
    ("list_sessions", {}),
    ("get_logs", {"limit": 20}),
    ("list_servers", {}),
    ("no_such_method", {}),
    ("get_session", {"session_id": "not a session"}),
)
"""What is asked beside the pings; some of it is refused."""


class SlowHost:
    """A host with one thread that reads and writes only when it wants to; it waits for neither without a bound."""

    def __init__(self, data_dir: Path) -> None:
        argv = [sys.executable, "-m", "sidecar", "--data-dir", str(data_dir), "--log-level", "warning"]
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.stdin, False)
        self.ledger = Ledger()
        self.results: dict[int, Any] = {}
        self._unsent = b""
        self._partial: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop_talking()
        self.stop_listening()
        try:
            self.process.wait(2 * EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    # --- writing -------------------------------------------------------------------------------------------

    def line(self, method: str, /, **params: Any) -> tuple[int, bytes]:
        """A request as a line, and its id. From now on it counts as asked."""
        id_ = self.ledger.ask(params.get("channel") if method == "send_message" else None)
        return id_, orjson.dumps({"jsonrpc": "2.0", "id": id_, "method": method, "params": params}) + b"\n"

    def write_what_goes(self, lines: Iterator[bytes], *, until: float) -> None:
        """Write lines until a moment of the clock, as far as the pipe takes them; what does not fit waits."""
        while (left := until - time.monotonic()) > 0:
            if not self._unsent:
                self._unsent = b"".join(itertools.islice(lines, 100))
            if select.select([], [self.stdin], [], min(left, 0.05))[1]:
                try:
                    self._unsent = self._unsent[os.write(self.stdin, self._unsent) :]
                except BlockingIOError:  # room for less than a page
                    continue

    def ask(self, method: str, /, **params: Any) -> Any:
        """Send a request and read until its result is there."""
        id_ = self.begin(method, **params)
        self.read_until(lambda: id_ not in self.ledger.owed)
        return self.results[id_]

    def begin(self, method: str, /, **params: Any) -> int:
        """Send a request without waiting."""
        id_, line = self.line(method, **params)
        self._unsent += line
        self.read_until(lambda: not self._unsent)
        return id_

    # --- reading -------------------------------------------------------------------------------------------

    def read_until(self, is_over: Callable[[], bool]) -> None:
        """Read and write until something holds.

        Raises:
            TimeoutError: it does not hold after CATCH_UP_SECONDS.
            EOFError: the sidecar has ended.
        """
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not is_over():
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{len(self.ledger.owed)} requests have no answer")
            readable, writable, _ = select.select([self.stdout], [self.stdin] if self._unsent else [], [], left)
            if writable:
                self._unsent = self._unsent[os.write(self.stdin, self._unsent[: select.PIPE_BUF]) :]
            if readable:
                self._take_in(os.read(self.stdout, 1024 * 1024))

    def _take_in(self, data: bytes) -> None:
        if not data:
            raise EOFError("the sidecar has closed its stdout")
        *whole, rest = data.split(b"\n")
        for line in whole:
            message = orjson.loads(b"".join([*self._partial, line]))
            self._partial.clear()
            for id_, answer in self.ledger.take_in(message):
                self.results[id_] = answer.get("result")
        self._partial.append(rest)

    # --- the end -------------------------------------------------------------------------------------------

    def stop_talking(self) -> None:
        """Close the sidecar's stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def stop_listening(self) -> None:
        """Close our end of the sidecar's stdout."""
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Silence:
    """What became of a host that did not read for a while, and then did.

    Attributes:
        seconds: how long it did not read.
        tokens: those of all streams.
        growth_mib: memory that the sidecar took more at most, until everything was read.
        asked: requests that the sidecar was sent.
        asked_meanwhile: those of them that it was sent in the silence.
        catch_up_seconds: from the first read to the last answer.
        log_lines, shown, dropped: log lines that there were, and what the subscription made of them.
        outcomes: answers by their name: `ok`, or the error's.
        faults: what should not have been.
    """

    seconds: float
    tokens: int
    growth_mib: float = 0.0
    asked: int = 0
    asked_meanwhile: int = 0
    catch_up_seconds: float = 0.0
    log_lines: int = 0
    shown: int = 0
    dropped: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def stay_silent(folder: Path, seconds: float, *, tokens_a_second: int = TOKENS_A_SECOND) -> Silence:
    """Do not read for so long, write all the while, then read everything."""
    with started(folder) as host:
        tokens = int(seconds * tokens_a_second / STREAMS)
        silence = Silence(seconds, tokens * STREAMS)
        for number in range(WARM_UP_ANSWERS):
            host.ask("send_message", message="tokens=7000 rate=1e6", channel=f"warm {number}")
        for channel in ("state", "logs"):
            host.ledger.open(channel)
        host.ask("subscribe", topics=["resources", "servers", "sessions"], channel="state")
        host.ask("subscribe", topics=["logs"], channel="logs", options={"min_level": "debug", "source": SOURCE})
        logged = log_lines(host)
        with PeakMemory(host.process.pid) as memory:
            streams = begin_streams(host, tokens, tokens_a_second)
            before = host.ledger.asked
            host.write_what_goes(requests(host), until=time.monotonic() + seconds)
            silence.asked_meanwhile = host.ledger.asked - before
            began = time.monotonic()
            host.read_until(lambda: not host.ledger.owed)
            silence.catch_up_seconds = time.monotonic() - began
        silence.growth_mib = memory.growth_mib
        silence.log_lines = log_lines(host) - logged
        events = host.ledger.channels["logs"].events
        for channel in ("state", "logs"):
            host.ask("unsubscribe", channel=channel)
            host.ledger.close(channel)
        silence.shown, silence.dropped = (sum(len(e["entries"]) for e in events), sum(e["dropped"] for e in events))
        silence.asked, silence.outcomes = host.ledger.asked, host.ledger.outcomes
        silence.faults = host.ledger.faults
        silence.faults += [problem for id_, name in streams.items() if (problem := wrong(host, id_, name, tokens))]
        host.stop_talking()
        if host.process.wait(EXIT_SECONDS) != 0:
            silence.faults.append(f"exit code {host.process.returncode}")
    return silence


def go_away(folder: Path, how: Callable[[SlowHost], object], seconds: float) -> tuple[float, list[str]]:
    """Do not read for so long, and go; how long the sidecar takes to follow, and what is wrong with that."""
    with started(folder) as host:
        below = psutil.Process(host.process.pid).children(recursive=True)
        begin_streams(host, int((seconds + 2 * EXIT_SECONDS) * TOKENS_A_SECOND / STREAMS), TOKENS_A_SECOND)
        host.write_what_goes(requests(host), until=time.monotonic() + seconds)
        began = time.monotonic()
        how(host)
        try:
            code = host.process.wait(2 * EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return 2 * EXIT_SECONDS, ["it goes on without a host"]
        took = time.monotonic() - began
        left = psutil.wait_procs(below, timeout=max(EXIT_SECONDS - took, 0))[1]
    return took, [f"{len(left)} engines are left"] * bool(left) + [f"exit code {code}"] * bool(code)


def close_both(host: SlowHost) -> None:
    """As a host does that dies: the system closes both its ends, the one we listen at first or last."""
    host.stop_listening()
    host.stop_talking()


WAYS_TO_GO: dict[str, Callable[[SlowHost], object]] = {
    "dies": close_both,
    "closes the end it reads, and goes on to hold stdin open": SlowHost.stop_listening,
    "closes stdin, and never reads again": SlowHost.stop_talking,
    "sends SIGTERM, and never reads again": lambda host: host.process.send_signal(signal.SIGTERM),
}

SOURCE = "server:default"


def started(folder: Path) -> SlowHost:
    """A sidecar whose server is ready."""
    if not (folder / "data").exists():
        prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    host = SlowHost(folder / "data")
    host.ask("start_llama_server", parallel=STREAMS, ctx_size=CONTEXT)
    return host


def begin_streams(host: SlowHost, tokens: int, tokens_a_second: int) -> dict[int, str]:
    """Begin answers of so many words each; channels by request."""
    rate, noise = tokens_a_second / STREAMS, LOG_LINES_A_SECOND / STREAMS
    message = f"tokens={tokens} rate={rate} noise={noise}"
    streams = {host.begin("send_message", message=message, channel=f"s{i}"): f"s{i}" for i in range(STREAMS)}
    host.read_until(lambda: all(host.ledger.channels[channel].text for channel in streams.values()))
    return streams


def requests(host: SlowHost) -> Iterator[bytes]:
    """Pings without end, and something else now and then."""
    for number in itertools.count():
        method, params = ASIDE[number // 50 % len(ASIDE)] if number % 50 == 0 else ("ping", {})
        yield host.line(method, **params)[1]


def log_lines(host: SlowHost) -> int:
    """How many lines the engine has logged so far."""
    return sum(source["lines"] for source in host.ask("list_log_sources") if source["source"] == SOURCE)


def wrong(host: SlowHost, id_: int, channel: str, tokens: int) -> str | None:
    """What is wrong with a stream."""
    whole, told, result = words(tokens), host.ledger.channels[channel], host.results[id_]
    if result is None:
        return f"{channel} has no answer"
    if "".join(told.text) != whole:
        return f"{channel}: the streamed text is not what the engine sent"
    if result["content"] != whole or told.end is None or told.end["status"] != "done":
        return f"{channel}: the answer is not what the engine sent"
    return None


def rows_of(silence: Silence) -> list[Row]:
    """What came out of a silence."""
    texts, answers = f"{silence.tokens:,} tokens, {STREAMS} streams", silence.asked
    what = f"{silence.seconds:.0f} s without reading, {TOKENS_A_SECOND:,} tokens/s"
    shown = f"{silence.shown:,} shown + {silence.dropped:,} dropped of {silence.log_lines:,}"
    others = ", ".join(f"{count:,} {name}" for name, count in silence.outcomes.most_common())
    return [
        Row(
            what,
            f"memory grows by at most {GROWTH_MIB} MiB until everything is read",
            f"{silence.growth_mib:.1f} MiB",
            silence.growth_mib <= GROWTH_MIB,
        ),
        Row(
            f"{what}; then all is read",
            "every text exact, seq without gaps, each end before its response",
            f"{texts}, all there after {silence.catch_up_seconds:.1f} s"
            + "".join(f"; {f}" for f in silence.faults[:5]),
            not silence.faults,
        ),
        Row(
            f"{silence.asked_meanwhile:,} requests written meanwhile, as far as the pipe took them",
            "each answered once, none with INTERNAL_ERROR",
            f"{silence.outcomes.total():,} answers to {answers:,} requests: {others}",
            silence.outcomes.total() == answers and not silence.outcomes["INTERNAL_ERROR"],
        ),
        Row(
            f"{LOG_LINES_A_SECOND:,} log lines/s meanwhile",
            "shown + dropped = logged",
            shown,
            silence.shown + silence.dropped == silence.log_lines,
        ),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the host does not read; default 60")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(stay_silent(Path(folder), options.seconds))
        for name, how in WAYS_TO_GO.items():
            took, faults = go_away(Path(folder), how, min(options.seconds, 5.0))
            figure = f"{took:.1f} s" + "".join(f"; {fault}" for fault in faults)
            met = took <= EXIT_SECONDS and not faults
            rows.append(Row(f"a host that does not read {name}", "exit 0 within 5 s, engines gone", figure, met))
    return 0 if keep("slow_host", rows, seconds=time.monotonic() - began) else 1


if __name__ == "__main__":
    sys.exit(main())
