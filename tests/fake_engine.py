"""A llama-server without a model, with faults on demand: a real process for tests, standard library only.

Speaks as much of llama-server's HTTP API and of its supervised child mode as the sidecar uses. A token is a word.
Faults of the process are command-line flags (see FAULTS); what an answer does is said by the message itself:

    tokens=50       answer with 50 words: w1 w2 … (default 8)
    delay=0.01      seconds before each
    rate=100        so many words a second instead, those that are due together in one piece
    noise=50        with rate: so many lines of log a second beside them
    reasoning=3     think 3 words first
    tool=get_time   ask for a function call instead
    hold-after=5    stop after 5 words until POST /release or the client hangs up
    die-after=5     exit with code 42 after 5 words
    stall-after=5   stop after 5 words and never go on
    garbage-after=5 send something that is no event after 5 words
    work=render     render the template and never end: no slot is busy, and a client that hangs up is not noticed
    grow=4          with work: take so many MiB of memory, and keep them
    error-after=5   send an error event after 5 words
    text=…          answer with this text (what follows the last one), a word at a time
    replay=NAME     answer with the stream in reports/cases/NAME.sse, byte by byte with pieces=1, without its
                    marker of the end with marker=0

`install(folder)` puts it there as a program named llama-server; flags named there are always on.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

ROOT = Path(__file__).resolve().parents[1]

TICK_SECONDS = 0.02
"""How often words are sent that come at a rate."""

REQUESTS_KEPT = 100
"""Bodies for GET /requests; all of them would be a leak in an engine that runs for an hour."""
MIB = 1024 * 1024

FAULTS = {
    "--ready-after": "N  seconds of loading before it is ready",
    "--load-while": "PATH  load until there is nothing at PATH",
    "--never-ready": "load for ever",
    "--stuck-at": "X  tell progress up to X, 0 to 1, and load for ever",
    "--log-every": "S  write a line of log every S seconds while loading for ever",
    "--unsupervised": "tell no progress on stdout: an older build",
    "--old-build": "tell no progress on stdout, and know no UNIX sockets",
    "--stdout-progress": "N  steps of progress to tell",
    "--ignore-term": "do not end on SIGTERM or when stdin ends",
    "--fork-grandchild": "start a process of its own that outlives it",
    "--fork-daemon": "the same in a session of its own; it holds the output open",
    "--fork-orphan": "the same, and nobody's child",
    "--abort-on-load": "SIGABRT while loading",
    "--exit-on-load": "N  exit with this code while loading",
    "--say-on-load": "TEXT  a line of log while loading",
    "--flood-stderr": "N  lines of log while loading",
    "--flood-endless": "N  bytes of log without an LF while loading",
    "--split-utf8": "send answers in pieces of one byte",
    "--die-after-ready": "S  exit with code 44, S seconds after it has said what it is",
    "--hang-after-ready": "answer nothing any more once it has said what it is",
    "--starts-file": "PATH  add its pid to PATH at each start, a line each",
    "--faulty-starts": "N-M  have no faults at other starts than these, counted in --starts-file from 1",
    "--die-on": "PATH  exit with code 43 when asked for PATH",
    "--hang-on": "PATH  never answer PATH",
    "--garbage-on": "PATH  answer PATH with what is no JSON",
    "--shared-cache": "let all answers share the context, and end all of them when it is full, as llama-server does",
    "--idle-after": "S  keep a slot busy for S seconds after its client has hung up",
    "--template": "NAME  refuse what llama-server refuses with this template of fake_templates",
    "--no-slots": "do not tell which slots are busy",
    "--props": "PATH  say of itself what stands in this JSON file, too",
    "--pid-file": "PATH  write the pids of itself and of what it has started there, at once",
}

HELP = """\
----- common params -----

-h,    --help, --usage                  print usage and exit
--version                               show version and build info
-m,    --model FNAME                    model path to load
-a,    --alias STRING                   set model name aliases
-c,    --ctx-size N                     size of the prompt context
-np,   --parallel N                     number of server slots
-t,    --threads N                      number of CPU threads
-ngl,  --gpu-layers, --n-gpu-layers N   max. number of layers to store in VRAM, either an exact number,
                                        'auto', or 'all' (default: auto)
--prefill-assistant, --no-prefill-assistant
                                        whether to prefill the assistant's response if the last message is an
                                        assistant message (default: prefill enabled)
--list-devices                          print list of available devices and exit
--host HOST                             ip address to listen, or bind to an UNIX socket if the address ends with .sock
--port PORT                             port to listen
"""


class Engine:
    """The faults, the slots and the answers."""

    def __init__(self, flags: dict[str, str]) -> None:
        self.flags = flags
        self.context = int(flags.get("--ctx-size", "4096"))
        self.slots = int(flags.get("--parallel", "1"))
        self.busy = 0
        self.ready = False
        self.hangs = False
        self.released = asyncio.Event()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)
        self.noise = 0
        self.taken = bytearray()
        self.cells: dict[asyncio.Task[None], int] = {}
        self.supervised = not {"--unsupervised", "--old-build"} & flags.keys()

    async def serve(self) -> None:
        """Load, then answer until the end of stdin or SIGTERM."""
        if "--ignore-term" in self.flags:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.write_pids()
        host = self.flags["--host"]
        if host.endswith(".sock"):
            server = await asyncio.start_unix_server(self.handle, host)
            address = f"unix://{host}"
        else:
            try:
                server = await asyncio.start_server(self.handle, host, int(self.flags["--port"]))
            except OSError:
                log(f"E srv         start: couldn't bind HTTP server socket, hostname: {host}")
                sys.exit(1)
            address = f"http://{host}:{server.sockets[0].getsockname()[1]}"
        await self.load()
        self.ready = True
        log(f"I srv  llama_server: listening on {address}")
        if self.supervised:
            state("ready", {})
        async with server:
            await server.serve_forever()

    async def load(self) -> None:
        for _ in range(int(self.flags.get("--flood-stderr", "0"))):
            log("I noise " + "x" * 60)
        for left in range(int(self.flags.get("--flood-endless", "0")), 0, -MIB):
            sys.stderr.write("y" * min(left, MIB))
            sys.stderr.flush()
        if text := self.flags.get("--say-on-load"):
            log(text)
        steps = int(self.flags.get("--stdout-progress", "4"))
        most = float(self.flags.get("--stuck-at", "1"))
        pause = float(self.flags.get("--ready-after", "0")) / (steps + 1)
        for step in range(steps + 1):
            if self.supervised:
                state("loading", {"stages": ["text_model"], "current": "text_model", "value": most * step / steps})
            await asyncio.sleep(pause)
        while (gate := self.flags.get("--load-while")) and Path(gate).exists():  # noqa: ASYNC110 - a test removes it
            await asyncio.sleep(TICK_SECONDS)
        if "--abort-on-load" in self.flags:
            os.abort()
        if code := self.flags.get("--exit-on-load"):
            os._exit(int(code))  # without Python's own last words about requests under way
        if every := self.flags.get("--log-every"):
            while True:
                log("I still loading")
                await asyncio.sleep(float(every))
        if "--never-ready" in self.flags or "--stuck-at" in self.flags:
            await asyncio.Event().wait()

    def write_pids(self) -> None:
        pids = [os.getpid()]
        if "--fork-grandchild" in self.flags:
            pids.append(start_sleeper())
        if "--fork-daemon" in self.flags:
            pids.append(start_sleeper(start_new_session=True))
        if "--fork-orphan" in self.flags:
            pids.append(start_orphan())
        if path := self.flags.get("--pid-file"):
            Path(path + ".new").write_text(json.dumps(pids))
            Path(path + ".new").rename(path)

    # --- HTTP ----------------------------------------------------------------------------------------------

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; several requests after each other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *headers = head.decode().split("\r\n")
                verb, path, _ = line.split(" ")
                fields = {h.split(":")[0].lower(): h.split(":", 1)[1].strip() for h in headers if ":" in h}
                body = await reader.readexactly(int(fields.get("content-length", "0")))
                await self.answer(verb, path, fields, json.loads(body or b"null"), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(
        self,
        verb: str,
        path: str,
        fields: dict[str, str],
        body: Any,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if self.flags.get("--die-on") == path:
            os._exit(43)
        if self.flags.get("--hang-on") == path or self.hangs:
            await asyncio.Event().wait()
        self.hangs = path == "/props" and "--hang-after-ready" in self.flags
        key = os.environ.get("LLAMA_API_KEY")
        status, reply = 200, self.reply(path, body)
        if path == "/health":
            if not self.ready:
                status, reply = 503, error("Loading model", "unavailable_error")
        elif key and fields.get("authorization") != f"Bearer {key}":
            status, reply = 401, error("Invalid API Key", "authentication_error")
        elif refusal := self.refusal(path, body):
            status, reply = refusal[0], error(refusal[1], "server_error")
        elif path == "/v1/chat/completions":
            self.requests.append(body)
            tokens = prompt_tokens(body)
            if tokens < self.context:
                await self.chat(body, tokens, reader, writer)
            status, reply = 400, error("request exceeds the available context size", "exceed_context_size_error")
            reply["error"] |= {"n_prompt_tokens": tokens, "n_ctx": self.context}
        elif reply is None:
            status, reply = 404, error("File Not Found", "not_found_error")
        data = b"{no" if self.flags.get("--garbage-on") == path else json.dumps(reply).encode()
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n" % status)
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        await writer.drain()
        if path == "/props" and (seconds := self.flags.get("--die-after-ready")):
            asyncio.get_running_loop().call_later(float(seconds), os._exit, 44)

    def reply(self, path: str, body: Any) -> Any:
        """What the small questions are answered with; nothing for a path that there is not."""
        if path == "/health":
            return {"status": "ok"}
        if path == "/props":
            settings = {"n_ctx": self.context}
            more = json.loads(Path(self.flags["--props"]).read_text()) if "--props" in self.flags else {}
            if "--template" in self.flags:
                more |= fake_templates().props(self.flags["--template"])
            return {"default_generation_settings": settings, "total_slots": self.slots, "build_info": "fake"} | more
        if path == "/slots" and "--no-slots" not in self.flags:
            return [{"id": i, "is_processing": i < self.busy} for i in range(self.slots)]
        if path == "/tokenize":
            return {"tokens": list(range(count(body["content"])))}
        if path == "/v1/chat/completions/input_tokens":
            return {"input_tokens": prompt_tokens(body)}
        if path == "/requests":
            return list(self.requests)
        if path == "/release":
            self.released.set()
            return {}
        return None

    def refusal(self, path: str, body: Any) -> tuple[int, str] | None:
        """Why the template refuses a conversation, if there is one that does."""
        if not path.startswith("/v1/chat/completions") or "--template" not in self.flags:
            return None
        found: tuple[int, str] | None = fake_templates().refusal(self.flags["--template"], body)
        return found

    async def chat(
        self, body: dict[str, Any], tokens: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Stream an answer; a client that hangs up ends it."""
        how = dict(re.findall(r"(\S+?)=(\S+)", last_text(body)))
        self.taken += b"x" * (int(how.get("grow", "0")) * MIB)
        if "work" in how:
            await asyncio.Event().wait()
        self.busy += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        stream = asyncio.create_task(self.stream(body, tokens, writer))
        self.cells[stream] = 0
        hung_up = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait([stream, hung_up], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stream.cancel()
            hung_up.cancel()
            await asyncio.sleep(float(self.flags.get("--idle-after", "0")))
            self.busy -= 1
            self.cells.pop(stream, None)
        raise ConnectionError("the answer is over")

    async def stream(self, body: dict[str, Any], tokens: int, writer: asyncio.StreamWriter) -> None:
        said = last_text(body)
        how = dict(re.findall(r"(\S+?)=(\S+)", said))
        if "replay" in how:
            await self.replay(how, writer)
            return
        words = [f"w{i} " for i in range(1, int(how.get("tokens", "8")) + 1)]
        if "text=" in said:
            words = re.findall(r"\S+\s*|\s+", said.rpartition("text=")[2])
        if body["messages"][-1]["role"] == "assistant":  # prefill: it writes on
            words = words[count(body["messages"][-1]["content"]) :]
        limit = body.get("max_tokens")
        finish = "stop"
        if limit is not None and len(words) > limit:
            words, finish = words[:limit], "length"
        await self.send(writer, {"prompt_progress": {"total": tokens, "processed": tokens, "cache": 0}})
        if "--shared-cache" in self.flags:
            room = self.context - tokens
            if len(words) > room:  # what one answer alone cannot have is no other's fault
                words, finish = words[:room], "length"
            await self.fill(writer, tokens)
        for i in range(int(how.get("reasoning", "0"))):
            await self.delta(writer, {"reasoning_content": f"r{i + 1} "})
        if "tool" in how:
            await self.call(writer, how["tool"])
            words, finish = [], "tool_calls"
        if "rate" in how:
            await self.pace(how, words, writer)
        else:
            for i, word in enumerate(words):
                await self.misbehave(how, i, writer)
                await asyncio.sleep(float(how.get("delay", "0")))
                if "--shared-cache" in self.flags:
                    await self.fill(writer, 1)
                await self.delta(writer, {"content": word})
        await self.misbehave(how, len(words), writer)
        await self.send(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        usage = {"prompt_tokens": tokens, "completion_tokens": len(words)}
        timings = {"cache_n": 0, "prompt_n": tokens, "prompt_per_second": 1000.0, "predicted_per_second": 100.0}
        await self.send(writer, {"choices": [], "usage": usage, "timings": timings})
        await self.write(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def replay(self, how: dict[str, str], writer: asyncio.StreamWriter) -> None:
        """Send what another engine has sent."""
        from tests.reports.streams import DONE, recorded

        data = recorded(how["replay"]) + (DONE if how.get("marker") != "0" else b"")
        size = int(how.get("pieces", len(data)))
        for start in range(0, len(data), size):
            writer.write(chunk(data[start : start + size]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def pace(self, how: dict[str, str], words: list[str], writer: asyncio.StreamWriter) -> None:
        """Send words at a rate; faults come where they are asked for."""
        stops = sorted(int(value) for name, value in how.items() if name.endswith("-after"))
        began, sent, logged = time.monotonic(), 0, 0
        while sent < len(words):
            await self.misbehave(how, sent, writer)
            await asyncio.sleep(TICK_SECONDS)
            passed = time.monotonic() - began
            due = min([int(passed * float(how["rate"])), len(words), *(stop for stop in stops if stop > sent)])
            events = [
                b'data: {"choices":[{"index":0,"finish_reason":null,"delta":{"content":%b}}]}\n\n'
                % json.dumps(word).encode()
                for word in words[sent:due]
            ]
            sent = max(due, sent)
            if events:
                await self.write(writer, b"".join(events))
            lines = int(passed * float(how.get("noise", "0"))) - logged
            logged += lines
            if lines > 0:
                sys.stderr.write("".join(f"I noise {self.noise + i} {'x' * 60}\n" for i in range(1, lines + 1)))
                sys.stderr.flush()
                self.noise += lines

    async def misbehave(self, how: dict[str, str], sent: int, writer: asyncio.StreamWriter) -> None:
        if how.get("hold-after") == str(sent):
            await self.released.wait()
        if how.get("stall-after") == str(sent):
            await asyncio.Event().wait()
        if how.get("die-after") == str(sent):
            await writer.drain()
            os._exit(42)
        if how.get("garbage-after") == str(sent):
            await self.write(writer, b"data: {this is no JSON\n\n")
        if how.get("error-after") == str(sent):
            await self.send(writer, error("the fake engine fails", "server_error"))

    async def fill(self, writer: asyncio.StreamWriter, tokens: int) -> None:
        """Put tokens of one answer into the cache; without room for them, all answers end with the same error."""
        stream = asyncio.current_task()
        if stream not in self.cells:
            await self.send(writer, error("Context size has been exceeded.", "server_error"))
            raise ConnectionError("ended with the others")
        self.cells[stream] += tokens
        if sum(self.cells.values()) > self.context:
            self.cells.clear()
            await self.fill(writer, 0)

    async def call(self, writer: asyncio.StreamWriter, name: str) -> None:
        start = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
        await self.delta(writer, {"tool_calls": [start]})
        for piece in ('{"zone":', ' "UTC"}'):
            await self.delta(writer, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})

    async def delta(self, writer: asyncio.StreamWriter, delta: dict[str, Any]) -> None:
        await self.send(writer, {"choices": [{"index": 0, "finish_reason": None, "delta": delta}]})

    async def send(self, writer: asyncio.StreamWriter, event: dict[str, Any]) -> None:
        await self.write(writer, b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")

    async def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if "--split-utf8" in self.flags:
            for i in range(len(data)):
                writer.write(chunk(data[i : i + 1]))
                await writer.drain()
                await asyncio.sleep(0)
        else:
            writer.write(chunk(data))
            await writer.drain()


SLEEPER = (sys.executable, "-S", "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(3600)")


def start_sleeper(**options: Any) -> int:
    """Start a process that sleeps and ignores SIGTERM; returns its pid."""
    import subprocess

    return subprocess.Popen(SLEEPER, **options).pid


def start_orphan() -> int:
    """The same in a session of its own, by a process that ends at once."""
    read_fd, write_fd = os.pipe()
    between = os.fork()
    if not between:
        os.setsid()
        if pid := os.fork():
            os.write(write_fd, b"%d" % pid)
            os._exit(0)
        os.execv(SLEEPER[0], SLEEPER)  # noqa: S606 - no shell, as said
    os.waitpid(between, 0)
    return int(os.read(read_fd, 16))


def fake_templates() -> Any:
    """The templates, which few engines need."""
    from tests import fake_templates

    return fake_templates


def chunk(data: bytes) -> bytes:
    """A piece of an answer whose length is not known beforehand."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def prompt_tokens(body: dict[str, Any]) -> int:
    """Words of all messages and of the tools, and two for the template around each message."""
    texts = [message.get("content") or "" for message in body["messages"]]
    flat = [
        part.get("text", "image") if isinstance(part, dict) else part
        for text in texts
        for part in (text if isinstance(text, list) else [text])
    ]
    tools = count(json.dumps(body["tools"])) if body.get("tools") and body.get("tool_choice") != "none" else 0
    return sum(count(text) for text in flat) + 2 * len(texts) + tools


def count(text: str) -> int:
    """Words."""
    return len(text.split())


def last_text(body: dict[str, Any]) -> str:
    """The text of the last user message."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            content = message["content"]
            return content if isinstance(content, str) else " ".join(p.get("text", "") for p in content)
    return ""


def error(message: str, kind: str) -> dict[str, Any]:
    """An error in llama-server's form."""
    return {"error": {"message": message, "type": kind}}


def log(line: str) -> None:
    sys.stderr.write(f"0.00.001.000 {line}\n")
    sys.stderr.flush()


def state(name: str, payload: dict[str, Any]) -> None:
    sys.stdout.write(f"\ncmd_child_to_router:state:{json.dumps({'state': name, 'payload': payload})}\n")
    sys.stdout.flush()


def parse(words: list[str]) -> dict[str, str]:
    known = {name for line in HELP.splitlines() for name in re.findall(r"--[a-z-]+", line[:48])} | FAULTS.keys()
    flags: dict[str, str] = {}
    while words:
        name = words.pop(0)
        if name not in known:
            sys.stderr.write(f"error: invalid argument: {name}\n")
            sys.exit(1)
        flags[name] = "" if not words or words[0].startswith("--") else words.pop(0)
    return flags


def main(kind: type[Engine] = Engine) -> None:
    """Do what the command line says; `kind` is the engine to be."""
    flags = of_this_start(parse(sys.argv[1:]))
    if not {"--unsupervised", "--old-build", "--ignore-term"} & flags.keys():
        watch_stdin()
    run(flags, kind)


def answers(*flags: str) -> dict[str, str]:
    """What the engine that these flags are always on for answers to questions on the command line."""
    help_text = HELP.replace("--prefill-assistant, --no-prefill-assistant", "--of-another-age").replace(
        ", or bind to an UNIX socket if the address ends with .sock", ""
    )
    return {
        "--help": (help_text if "--old-build" in flags else HELP) + "".join(f"{n} {t}\n" for n, t in FAULTS.items()),
        "--version": "version: fake (build 1)\n",
        "--list-devices": "Available devices:\n  FAKE0: Fake GPU (8192 MiB, 4096 MiB free)\n",
    }


def of_this_start(flags: dict[str, str]) -> dict[str, str]:
    """The flags that hold for this start, which is written down."""
    if "--starts-file" not in flags:
        return flags
    with Path(flags["--starts-file"]).open("a+") as file:
        file.write(f"{os.getpid()}\n")
        file.seek(0)
        count = len(file.readlines())
    first, _, last = flags.get("--faulty-starts", f"1-{count}").partition("-")
    return flags if int(first) <= count <= int(last) else {n: v for n, v in flags.items() if n not in FAULTS}


def run(flags: dict[str, str], kind: type[Engine]) -> None:
    """Be an engine. A thousand are started in the tests: nothing is imported that is not needed."""
    global asyncio
    sys.modules["ssl"] = None  # type: ignore[assignment] # asyncio does without
    import asyncio

    asyncio.run(kind(flags).serve())


def watch_stdin() -> None:
    import threading

    def watch() -> None:
        while os.read(0, 4096):
            continue
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def install(folder: Path, *flags: str, module: str = "tests.fake_engine") -> Path:
    """Put this module, or another one whose `main` is an engine, into a folder as the program `llama-server`.

    Returns the folder. The flags are always on. What is asked on the command line the shell answers, which takes a
    twentieth of the time that Python does; and a module is compiled once, a script each time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "llama-server"
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {module} import main; main()"
    told = [f"{question}) printf %s {shlex.quote(text)}; exit;;" for question, text in answers(*flags).items()]
    words = shlex.join([sys.executable, "-S", "-c", start, *flags])
    program.write_text("\n".join(["#!/bin/sh", 'case "$1" in', *told, "esac", f'exec {words} "$@"', ""]))
    program.chmod(0o755)
    return folder
