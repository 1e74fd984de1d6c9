"""A hub on this machine: Hugging Face's API shapes, its redirects to a content network, and every fault of networks.

For tests it runs in a thread (`HubServer`); as a program it serves some small models, for pages to be tried with:

    python -m tests.hub_server --port 8800 --rate 2000000
    HF_ENDPOINT=http://127.0.0.1:8800 llama-sidecar chat
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
import json
import random
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cached_property
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.library.gguf_files import gguf_bytes, model_bytes

T = TypeVar("T")

COMMIT = "0123456789abcdef0123456789abcdef01234567"

CHUNK_BYTES = 16 * 1024
PACE_SECONDS = 0.01
"""A server that is slowed down sends in steps of this."""

SEND_BUFFER_BYTES = 32 * 1024
"""Of the kernel: what is counted as sent is then what has nearly arrived."""


def large_model(size: int, seed: int = 1) -> bytes:
    """A sound model with so many bytes, of which no two stretches are the same."""
    chance, pieces = random.Random(seed), [model_bytes()]  # noqa: S311 - the same each time
    left = size - len(pieces[0])
    while left > 0:
        pieces.append(chance.randbytes(min(left, 2**24)))
        left -= len(pieces[-1])
    return b"".join(pieces)


@dataclass
class Faults:
    """What goes wrong with a file. Queues are used up, one entry a request.

    Attributes:
        resets: the connection is reset after so many bytes of an answer.
        cuts: the connection is closed in good order after so many.
        statuses: answered instead of the file, with headers.
        later_statuses: the same, for parts that do not begin at its beginning.
        stalls: nothing more comes after so many bytes, for ever.
        trickles: one byte every so many seconds.
        uses: how often a signed address works; for ever where it is `None`.
        ranges: whether parts can be asked for.
        length: whether the size is told.
        told_sha256, told_size: what the hub says of it, where that is not true.
        wrong_range: another part is sent than was asked for.
        encoding: the Content-Encoding that is claimed.
        location: where the hub leads to instead.
        disposition: Content-Disposition.
        etags: the ETags of the servers of a content network; each answer comes from the next one.
        headers: further headers.
    """

    resets: deque[int] = field(default_factory=deque)
    cuts: deque[int] = field(default_factory=deque)
    stalls: deque[int] = field(default_factory=deque)
    statuses: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    later_statuses: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    trickles: deque[float] = field(default_factory=deque)
    uses: int | None = None
    ranges: bool = True
    length: bool = True
    told_sha256: str | None = None
    told_size: int | None = None
    wrong_range: bool = False
    encoding: str | None = None
    location: str | None = None
    disposition: str | None = None
    etags: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class HubFile:
    """A file and what goes wrong with it."""

    data: bytes
    faults: Faults = field(default_factory=Faults)
    large: bool = True

    @property
    def sha256(self) -> str:
        return self.faults.told_sha256 or self._digest

    @property
    def etag(self) -> str:
        return f'"{self._digest[:32]}"'

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        return len(self.data) if self.faults.told_size is None else self.faults.told_size


@dataclass
class Repo:
    """A repository.

    Attributes:
        gated: nobody gets files without the token.
        private: nobody sees it without the token.
    """

    files: dict[str, HubFile]
    gated: bool = False
    private: bool = False
    licence: str = "apache-2.0"
    downloads: int = 100


@dataclass(frozen=True)
class Request:
    """A request that was made."""

    method: str
    path: str
    headers: Mapping[str, str]


class HubServer:
    """The server.

    Attributes:
        repos: by `owner/name`.
        files: what is served below /files/, as any other server would.
        token: lets into gated and private repositories.
        refused_tokens: these are answered with 401 wherever they are sent, also for public files.
        rate: bytes a second of all answers together; as fast as it goes where it is `None`.
        statuses: answered to the next requests to the API.
        moved: API paths that redirect.
        requests: all that were made.
        sent: bytes of each file's content that were sent, by its hash or name.
    """

    def __init__(self, port: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        self.repos: dict[str, Repo] = {}
        self.files: dict[str, HubFile] = {}
        self.token = "hf_of_the_tests"
        self.refused_tokens: set[str] = set()
        self._tls = tls
        self._answers = itertools.count()
        self.rate: int | None = None
        self.statuses: deque[tuple[int, dict[str, str]]] = deque()
        self.moved: dict[str, str] = {}
        self.requests: list[Request] = []
        self.sent: Counter[str] = Counter()
        self.port = port
        self.news = threading.Condition()
        self._due = 0.0
        self._signatures = itertools.count(1)
        self._signed: dict[str, tuple[HubFile, list[int]]] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._sending = 0
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def add(self, repo: str, files: Mapping[str, bytes]) -> Repo:
        """A repository with these files."""
        self.repos[repo] = Repo({name: HubFile(data) for name, data in files.items()})
        return self.repos[repo]

    def asked(self, part: str) -> list[Request]:
        """The requests whose path has this in it."""
        return [one for one in self.requests if part in one.path]

    def wait_for_sent(self, count: int, timeout: float = 30.0) -> None:
        """Wait until so many bytes of files were sent."""
        with self.news:
            assert self.news.wait_for(lambda: self.sent.total() >= count, timeout), dict(self.sent)

    def settled(self, timeout: float = 30.0) -> int:
        """Wait until nothing is being sent: the bytes of files that were sent until then.

        A client has the last of a file, or has gone, a moment before this server knows of it.
        """
        with self.news:
            assert self.news.wait_for(lambda: not self._sending, timeout), dict(self.sent)
            return self.sent.total()

    def forget_sent(self) -> None:
        """Count what is sent from here on."""
        self.settled()
        self.sent.clear()

    def cut_all(self) -> None:
        """Reset every connection, as a network that goes away."""

        def cut() -> None:
            for writer in tuple(self._open):
                _reset(writer)

        self._loop.call_soon_threadsafe(cut)

    def forget_addresses(self) -> None:
        """Let no signed address work any more."""
        self._loop.call_soon_threadsafe(self._signed.clear)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def serve(self) -> None:
        """Serve until the program is ended."""
        self._thread.start()
        self._thread.join()

    # --- the server --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.port = listener.getsockname()[1]
        server = await asyncio.start_server(self._connection, sock=listener, ssl=self._tls)
        self._ready.set()
        await self._stop.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=CHUNK_BYTES)
        self._open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (h.partition(":") for h in head[1:]) if name}
            request = Request(method, path, headers)
            self.requests.append(request)
            await self._answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            return
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(request.path)
        parts = [part for part in address.path.split("/") if part]
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.refused_tokens:
            message = "Invalid credentials in Authorization header"
            _write(writer, 401, b'{"error":"Invalid username or password."}', {"X-Error-Message": message})
        elif parts[:2] == ["api", "models"]:
            self._api(parts[2:], parse_qs(address.query), request, writer)
        elif parts[:1] == ["cdn"]:
            signed = self._signed.get(address.query)
            if signed is None:
                _write(writer, 403, b"no such signature")
                return
            file, uses = signed
            if file.faults.uses is not None and uses[0] >= file.faults.uses:
                _write(writer, 403, b"expired")
                return
            uses[0] += 1
            await self._send_file(file, unquote(parts[1]), request, writer)
        elif parts[:1] == ["files"] and "/".join(parts[1:]) in self.files:
            name = "/".join(parts[1:])
            await self._send_file(self.files[name], name, request, writer)
        elif parts[:1] == ["circle"]:
            _write(writer, 302, b"", {"Location": f"/circle/{len(self.requests)}"})
        elif len(parts) > 4 and parts[2] == "resolve":
            await self._resolve("/".join(parts[:2]), unquote("/".join(parts[4:])), request, writer)
        else:
            _write(writer, 404, b"", {"X-Error-Code": "EntryNotFound"})

    def _may_see(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.token}"

    def _api(
        self, parts: list[str], query: dict[str, list[str]], request: Request, writer: asyncio.StreamWriter
    ) -> None:
        if self.statuses:
            status, headers = self.statuses.popleft()
            _write(writer, status, b"{}", headers)
        elif (moved := self.moved.get(urlsplit(request.path).path)) is not None:
            _write(writer, 307, b"", {"Location": moved})
        elif not parts:
            words = " ".join(query.get("search", [""])).lower().split()
            found = [n for n, repo in self.repos.items() if not repo.private and all(w in n.lower() for w in words)]
            found.sort(key=lambda name: -self.repos[name].downloads)
            _write_json(writer, [self._summary(name) for name in found[: int(query.get("limit", ["100"])[0])]])
        else:
            name, repo = "/".join(parts[:2]), self.repos.get("/".join(parts[:2]))
            if repo is None or (repo.private and not self._may_see(request)):
                _write(writer, 401, b'{"error":"Repository not found"}', {"X-Error-Code": "RepoNotFound"})
            elif len(parts) > 3 and unquote(parts[3]) not in ("main", COMMIT):
                _write(writer, 404, b'{"error":"Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
            else:
                siblings = [_sibling(path, file) for path, file in repo.files.items()]
                card = {"license": repo.licence}
                _write_json(writer, {**self._summary(name), "cardData": card, "siblings": siblings})

    def _summary(self, name: str) -> dict[str, Any]:
        repo = self.repos[name]
        return {
            "_id": "x",
            "id": name,
            "modelId": name,
            "sha": COMMIT,
            "author": name.split("/")[0],
            "private": repo.private,
            "gated": "manual" if repo.gated else False,
            "disabled": False,
            "downloads": repo.downloads,
            "likes": 7,
            "lastModified": "2026-01-02T03:04:05.000Z",
            "tags": ["gguf", f"license:{repo.licence}"],
        }

    async def _resolve(self, name: str, path: str, request: Request, writer: asyncio.StreamWriter) -> None:
        repo = self.repos.get(name)
        if repo is None or (repo.private and not self._may_see(request)):
            _write(writer, 401, b"", {"X-Error-Code": "RepoNotFound"})
            return
        if repo.gated and not self._may_see(request):
            _write(writer, 403, b"", {"X-Error-Code": "GatedRepo"})
            return
        file = repo.files.get(path)
        if file is None:
            _write(writer, 404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if not file.large:
            await self._send_file(file, path, request, writer)
            return
        signature = f"X-Amz-Signature={next(self._signatures)}"
        self._signed[signature] = (file, [0])
        location = file.faults.location or f"/cdn/{quote(path, safe='')}?{signature}"
        headers = {
            "Location": location,
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(file.size),
            "X-Linked-Etag": f'"{file.sha256}"',
        }
        _write(writer, 302, b"", headers)

    async def _send_file(self, file: HubFile, key: str, request: Request, writer: asyncio.StreamWriter) -> None:
        faults, size = file.faults, len(file.data)
        is_first = request.headers.get("range", "").startswith("bytes=0-")
        if queue := faults.statuses or (None if is_first else faults.later_statuses):
            status, extra = queue.popleft()
            _write(writer, status, b"busy", extra)
            return
        etag = faults.etags[next(self._answers) % len(faults.etags)] if faults.etags else file.etag
        headers = {"ETag": etag, "Date": formatdate(usegmt=True), **faults.headers}
        if faults.disposition is not None:
            headers["Content-Disposition"] = faults.disposition
        if faults.encoding is not None:
            headers["Content-Encoding"] = faults.encoding
        start, end, status = 0, size, 200
        asked = request.headers.get("range", "")
        if faults.ranges and asked.startswith("bytes=") and request.headers.get("if-range", etag) == etag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), min(int(last) + 1 if last else size, size), 206
            if faults.wrong_range:
                start, end = 0, end - start
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if faults.length:
            headers["Content-Length"] = str(end - start)
        _write_head(writer, status, headers)
        await self._send(file.data[start:end], key, faults, writer)

    async def _send(self, data: bytes, key: str, faults: Faults, writer: asyncio.StreamWriter) -> None:
        def next_of(queue: deque[T]) -> T | None:
            return queue.popleft() if queue and len(data) > 1 else None  # one byte is asked for the size

        reset, cut, stall = next_of(faults.resets), next_of(faults.cuts), next_of(faults.stalls)
        trickle = next_of(faults.trickles)
        stop = min((at for at in (reset, cut, stall) if at is not None), default=len(data))
        step = CHUNK_BYTES if trickle is None else 1
        self._sending += 1
        try:
            for at in range(0, min(stop, len(data)), step):
                piece = data[at : min(at + step, stop)]
                writer.write(piece)
                await writer.drain()
                with self.news:
                    self.sent[key] += len(piece)
                    self.news.notify_all()
                await self._pace(len(piece), trickle)
        finally:
            with self.news:
                self._sending -= 1
                self.news.notify_all()
        if reset is not None and stop < len(data):
            _reset(writer)
        elif stall is not None and stop < len(data):
            await asyncio.Event().wait()

    async def _pace(self, count: int, trickle: float | None) -> None:
        """Wait as long as so many bytes take."""
        if trickle is not None:
            await asyncio.sleep(trickle)
        elif self.rate is not None:
            self._due = max(self._due, time.monotonic()) + count / self.rate
            ahead = self._due - time.monotonic()
            if ahead > PACE_SECONDS:
                await asyncio.sleep(ahead)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Hang up without a good-bye."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _sibling(path: str, file: HubFile) -> dict[str, Any]:
    found: dict[str, Any] = {"rfilename": path, "size": file.size, "blobId": "b"}
    if file.large:
        found["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": 130}
    return found


def _write_head(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str]) -> None:
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


def _write(writer: asyncio.StreamWriter, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
    _write_head(writer, status, {**(headers or {}), "Content-Length": str(len(body))})
    writer.write(body)


def _write_json(writer: asyncio.StreamWriter, value: Any) -> None:
    _write(writer, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})


def fill(hub: HubServer, size: int) -> None:
    """Some models to look at: quantisations, a split one, one with a projector, a gated one."""
    projector = gguf_bytes({"general.architecture": "clip", "general.type": "mmproj"}, data=bytes(1000))
    quantized = {f"tiny-{kind}.gguf": large_model(size * part // 4, part) for kind, part in _KINDS.items()}
    hub.add("tests/tiny-GGUF", {"README.md": b"# Tiny", **quantized})
    parts = {f"Q8_0/large-Q8_0-0000{n}-of-00003.gguf": large_model(size // 3, 10 + n) for n in (1, 2, 3)}
    hub.add("tests/large-GGUF", parts)
    hub.add("tests/seeing-GGUF", {"seeing-Q4_K_M.gguf": large_model(size, 20), "mmproj-F16.gguf": projector})
    hub.add("tests/gated-GGUF", {"gated-Q4_K_M.gguf": large_model(size, 30)}).gated = True


_KINDS = {"Q2_K": 2, "Q4_K_M": 4, "Q8_0": 8}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--size", type=int, default=20_000_000, help="bytes of a model")
    parser.add_argument("--rate", type=int, help="bytes a second of all answers together")
    options = parser.parse_args()
    hub = HubServer(options.port)
    hub.rate = options.rate
    fill(hub, options.size)
    print(f"HF_ENDPOINT={hub.url}  models: {', '.join(hub.repos)}", flush=True)
    try:
        hub.serve()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
