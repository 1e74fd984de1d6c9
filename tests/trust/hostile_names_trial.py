"""Hostile names in every place of the contract that takes a text, sent to a real sidecar in a sandbox.

Long form: `python -m tests.trust.hostile_names_trial` puts every name of `hostile_names` into every sink of `sinks`,
and lets an engine write a gigabyte without an LF. The short form (`test_nobody_in_paths.py`) puts some of the names
into each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sidecar.contract.config import Config
from tests import fake_engine
from tests.app.talking import prepare
from tests.hub_server import HubServer
from tests.library.gguf_files import model_bytes
from tests.raw_host import TERMINAL, RawHost
from tests.trust import results
from tests.trust.hostile_names import NAMES
from tests.trust.sinks import SESSION, Sink, sinks

REPOSITORY = Path(__file__).parents[2]

CANARY = "canary-5d1f-of-a-file-outside"

AT_ONCE = 100
"""Requests under way: enough to keep the sidecar busy, far from the number at which it refuses more."""

FETCHED_OF_SOME = 8
"""Names that a hub gives its files, in a short run: each is a whole download."""

_SETTINGS = ("llama_cpp_path", "model_path", "model", "mmproj_path", "chat_template_file", "lora[]", "host")
PATH_SINKS = {
    *(f"{method} $.{name}" for method in ("start_llama_server", "preview_command") for name in _SETTINGS),
    *("probe_engine $.llama_cpp_path", "inspect_model $.path", "switch_model $.model", "send_message $.images[]"),
    *("get_model $.model", "import_model $.path", "import_model $.name"),
    *("delete_model $.model", "restore_model $.model", "empty_trash $.model"),
    *("install_engine $.path", "install_engine $.name", "remove_engine $.name", "set_default_engine $.name"),
    *("start_llama_server $.engine_build",),
    *("start_llama_server $.server_id", "get_logs $.source", "clear_logs $.source"),
    *("download_model $.repo", "download_model $.url", "download_model $.file", "download_model $.target_dir"),
    *("set_config $.patch.engines.python", "set_config $.patch.models.folders[]"),
}
"""Where a text is, or could be, made into a path at once."""

AFTERWARDS: dict[str, tuple[str, dict[str, Any]]] = {
    "$.patch.engines.llama_cpp_path": ("preview_command", {}),
    "$.patch.engines.python": ("preview_command", {"engine": "llama-cpp-python"}),
    "$.patch.models.folders[]": ("list_models", {}),
    "$.patch.models.default": ("preview_command", {}),
    "$.patch.server_presets[key]": ("get_config", {}),
}
"""What makes use of a setting that is a path."""


@dataclass
class Outcome:
    """What came of it all.

    Attributes:
        requests: how many were sent.
        names: how many times each error was the answer; "" for results.
        faults: what must not be, one line each.
    """

    requests: int = 0
    names: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


HOSTILE_REPO = "tests/hostile"

OURS = re.compile(
    r"(?:clock\.json|config\.json|headers\.json|history\.db|lock|logs|downloads|models/tests).*|engines(?:/choice\.json|/\.work)?"
    r"|models|turns(?:/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.jsonl)?"
    r"|models/\.trash(?:/[0-9a-f]{12}(?:/entry\.json|/\d)?)?",
    re.S,
)
"""What the sidecar itself makes in its data folder."""


class Sandbox:
    """A folder with everything in it that a sidecar could touch: its data, a home, and what is none of its business."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.hub = HubServer()
        self.data = root / "data"
        for name in ("home", "here", "outside", "runtime"):
            (root / name).mkdir(parents=True)
        prepare(self.data, fake_engine.install(root / "llama.cpp"))
        for place in (root, root / "home", root / "here", root / "outside", self.data / "models"):
            (place / "canary.txt").write_text(f"{CANARY}\n")
            (place / "canary.gguf").write_bytes(model_bytes(general__name=CANARY))
        (self.data / "models" / "canary.gguf").unlink()
        (self.data / "models" / "planted.gguf").symlink_to(root / "outside" / "canary.txt")
        (self.data / "link").symlink_to(root / "outside", target_is_directory=True)
        self.names = (*NAMES, str(root / "outside" / "canary.txt"), str(self.data / "models" / "planted.gguf"))
        self._before = self._state()
        self._ours = self._names_of_ours()

    @contextmanager
    def host(self) -> Iterator[RawHost]:
        """A sidecar whose home, folder and sockets are in here."""
        self.hub.add(HOSTILE_REPO, {f"{name}.gguf": model_bytes() for name in self.names if _is_text(name)})
        with self.hub, self._started() as host:
            yield host

    def _started(self) -> RawHost:
        env = {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "runtime"),
            "XDG_RUNTIME_DIR": str(self.root / "runtime"),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HF_ENDPOINT": self.hub.url,
        }
        return RawHost(self.data, env=env, cwd=self.root / "here", validate=False)

    def changes(self) -> list[str]:
        """What is no longer as it was, outside of the data folder and in it."""
        now = self._state()
        foreign = [p for p in (self.data / "models" / "tests").rglob("*") if p.is_file() and p.suffix != ".gguf"]
        changed = [f"{path} was changed" for path in {**self._before, **now} if self._before.get(path) != now.get(path)]
        new = self._names_of_ours() - self._ours
        odd = [name for name in new if not OURS.fullmatch(name)]
        return (
            changed
            + [f"{path} is no model" for path in foreign]
            + [f"{name} is new in the data folder" for name in odd]
        )

    def _state(self) -> dict[str, str]:
        state: dict[str, str] = {}
        for path in self.root.rglob("*"):
            if path.is_relative_to(self.data) or path.is_relative_to(self.root / "runtime"):
                continue
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            state[str(path.relative_to(self.root))] = f"{path.stat().st_mode} {content}"
        return state

    def _names_of_ours(self) -> set[str]:
        return {str(path.relative_to(self.data)) for path in self.data.rglob("*")}


class Drive:
    """Sends requests to a sidecar, many at once, and looks at every line that comes back."""

    def __init__(self, host: RawHost, taken_port: int, llama_cpp: Path) -> None:
        self.outcome = Outcome()
        self._config: dict[str, Any] = dict.fromkeys(Config.__struct_fields__)
        self._config["engines"] = {"llama_cpp_path": str(llama_cpp), "python": None}
        self._host = host
        self._taken_port = taken_port
        self._next_id = 0
        self._waiting: dict[int, tuple[Sink, str]] = {}

    def put(self, sink: Sink, names: Sequence[str]) -> None:
        """Put names into a sink."""
        if sink.path in AFTERWARDS:
            for name in names:
                if not _is_large_folder(name):
                    self._send(sink, name)
                    self._settle()
                    method, params = AFTERWARDS[sink.path]
                    self._send(Sink(method, f"after {sink}", lambda _, params=params: params), name)  # type: ignore[misc]
        else:
            for name in names:
                self._send(sink, name)
        self._settle()
        if sink.method == "set_config":
            self._send(Sink("set_config", "as it was", lambda _: {"patch": self._config}), "")
            self._settle()

    def _send(self, sink: Sink, name: str) -> None:
        self._next_id += 1
        params = sink.params(name)
        if sink.method == "start_llama_server":  # which gets as far as its port, and no further
            params = {"port": self._taken_port, "server_id": f"s{self._next_id % AT_ONCE}", **params}
        elif sink.method == "subscribe":
            params = {**params, "topics": ["jobs"]}
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": sink.method, "params": params}
        line = json.dumps(request)
        # Half a character makes a line that is no JSON: it is answered with no id, in the order of such lines.
        self._waiting[self._next_id if _is_text(request) else -self._next_id] = sink, name
        self._host.send_bytes(line.encode() + b"\n")
        self.outcome.requests += 1
        if len(self._waiting) >= AT_ONCE:
            self._settle(AT_ONCE // 2)

    def fetch(self, names: Sequence[str]) -> None:
        """Download files that a hub calls so."""
        sink = Sink("download_model", "a file's name on the hub", lambda name: {"repo": HOSTILE_REPO, "file": name})
        for name in names:
            if _is_text(name):
                self._send(sink, f"{name}.gguf")
        self._settle()

    def _settle(self, left: int = 0) -> None:
        while len(self._waiting) > left:
            line = self._host.raw_line()
            message = json.loads(line)
            if "id" not in message:  # an event: of what, is not important
                self._look_for_canary(line, None, "")
                continue
            id_ = message["id"] or max((id_ for id_ in self._waiting if id_ < 0), default=None)
            if id_ in self._waiting:
                sink, name = self._waiting.pop(id_)
            else:
                self.outcome.faults.append(f"an answer that nobody waits for: {line[:200]!r}")
                continue
            error = message["error"]["data"]["name"] if "error" in message else ""
            self.outcome.names[error] += 1
            if error == "INTERNAL_ERROR":
                self.outcome.faults.append(f"{sink} with {name[:80]!r}: {message['error']}")
            self._look_for_canary(line, sink, name)

    def _look_for_canary(self, line: bytes, sink: Sink | None, name: str) -> None:
        if CANARY.encode() in line:
            self.outcome.faults.append(f"{sink} with {name[:80]!r} told what is in a file")


def run(root: Path, *, into_paths: int | None = None, elsewhere: int | None = None) -> tuple[Outcome, list[Sink]]:
    """Put the names into all sinks: all of them, or so many of them, others into each.

    Args:
        root: an empty place for the sandbox.
        into_paths: names for each of PATH_SINKS.
        elsewhere: names for each of the others.
    """
    sandbox, found = Sandbox(root), sinks()
    names = sandbox.names
    with socket.create_server(("127.0.0.1", 0)) as taken, sandbox.host() as host:
        host.call("start_llama_server")
        host.call("create_session", session_id=SESSION)
        drive = Drive(host, taken.getsockname()[1], root / "llama.cpp")
        for number, sink in enumerate(found):
            count = (into_paths if str(sink) in PATH_SINKS else elsewhere) or len(names)
            # Steps through all names, so that few of them are of all kinds.
            drive.put(sink, [names[(number + i * len(names) // count) % len(names)] for i in range(count)])
        drive.fetch(names if into_paths is None else names[:: len(names) // FETCHED_OF_SOME])
        outcome = drive.outcome
        if host.call("ping") != "pong":
            outcome.faults.append("the sidecar does not answer any more")
    outcome.faults += sandbox.changes()
    return outcome, found


@dataclass(frozen=True, slots=True)
class Flooded:
    """What an engine's endless output did.

    Attributes:
        more_bytes: by which the sidecar's memory has grown.
        log_bytes: of the engine's log on disk.
        slowest_ping: the longest answer to a ping meanwhile, seconds.
    """

    more_bytes: int
    log_bytes: int
    slowest_ping: float


def flood(root: Path, size: int) -> Flooded:
    """Let an engine write so many bytes without an LF while it starts."""
    prepare(root / "data", fake_engine.install(root / "llama.cpp"))
    slowest = 0.0
    with RawHost(root / "data") as host:
        host.call("ping")
        memory = psutil.Process(host.process.pid).memory_info
        before = memory().rss
        most = before
        start = host.begin("start_llama_server", extra_args=["--flood-endless", str(size)], channel="start")
        while host.events.get("start", [{"event": {"status": ""}}])[-1]["event"]["status"] not in TERMINAL:
            began = time.monotonic()
            host.call("ping")
            slowest = max(slowest, time.monotonic() - began)
            most = max(most, memory().rss)
        assert host.answer(start)["result"]["state"] == "ready"
    logs = sum(file.stat().st_size for file in (root / "data" / "logs").glob("server-*"))
    return Flooded(most - before, logs, slowest)


def _is_text(value: Any) -> bool:
    """Whether there is no half a character in it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_large_folder(name: str) -> bool:
    """Folders that exist take a second to list, and are nothing that is forbidden."""
    try:
        return Path(name).expanduser().is_dir()
    except (ValueError, RuntimeError, OSError):
        return False


def main() -> int:
    """Every name in every sink, and the flood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flood-bytes", type=int, default=1_000_000_000, help="what the engine writes without an LF")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome, found = run(Path(folder) / "sandbox")
        flooded = flood(Path(folder) / "flood", options.flood_bytes)
    for fault in outcome.faults:
        print(fault)
    rows = [
        results.Row(
            f"{len(NAMES)} hostile names in each of {len(found)} places for a text",
            "0 internal errors, 0 bytes read or written outside, an answer each",
            f"{outcome.requests} requests, {len(outcome.faults)} faults",
            not outcome.faults,
        ),
        results.Row(
            f"an engine that writes {options.flood_bytes:,} bytes without an LF",
            "less than 64 MiB more memory, 25 MB of log, pings within 1 s",
            f"{flooded.more_bytes / 2**20:.1f} MiB, {flooded.log_bytes / 1e6:.1f} MB, "
            f"{flooded.slowest_ping * 1e3:.0f} ms",
            flooded.more_bytes < 64 * 2**20 and flooded.log_bytes < 25_000_000 and flooded.slowest_ping < 1,
        ),
    ]
    return 0 if results.keep("nobody_in", rows, seconds=time.monotonic() - started) else 1


if __name__ == "__main__":
    sys.exit(main())
