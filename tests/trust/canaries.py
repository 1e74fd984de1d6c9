"""Where a secret must not stand: looked for in everything that a sidecar shows of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.raw_host import RawHost

KEPT = ("history.db", "history.db-wal", "history.db-shm", "turns")
"""What keeps conversations, which is what it is for."""


def leaks(host: RawHost, data_dir: Path, secrets: Iterable[str], *, kept: tuple[str, ...] = KEPT) -> list[str]:
    """Where these secrets stand: arguments of processes, logs, files, and what tells about servers.

    Args:
        host: a sidecar that runs.
        data_dir: its data folder.
        secrets: what to look for.
        kept: names in the data folder that are left out.
    """
    seen = dict(_shown(host)) | dict(_files(data_dir, kept))
    for server in host.call("list_servers"):
        if socket := host.call("get_server", server_id=server["server_id"])["socket_path"]:
            seen |= {f"the folder of sockets: {path.name}": path.name for path in Path(socket).parent.rglob("*")}
    assert len(seen) > 10
    return [f"{secret} in {where}" for where, text in seen.items() for secret in secrets if secret in text]


def _shown(host: RawHost) -> Iterator[tuple[str, str]]:
    sidecar = psutil.Process(host.process.pid)
    for process in (sidecar, *sidecar.children(recursive=True)):
        yield f"the arguments of process {process.pid}", " ".join(process.cmdline())
    yield "stderr", host.stderr.decode("utf-8", "replace")
    logs = host.call("get_logs", limit=10_000)
    assert logs["entries"]
    yield "get_logs", json.dumps(logs, ensure_ascii=False)
    for method in ("list_servers", "list_log_sources", "get_resources", "get_llama_config", "preview_command"):
        yield method, json.dumps(_answer(host, method), ensure_ascii=False)


def _answer(host: RawHost, method: str) -> Any:
    return host.answer(host.begin(method))


def _files(data_dir: Path, kept: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for path in data_dir.rglob("*"):
        name = path.relative_to(data_dir)
        yield f"a file's name: {name}", str(name)
        if name.parts[0] not in (*kept, "models") and path.is_file():
            yield f"the file {name}", path.read_text(encoding="utf-8", errors="replace")
