"""A raw host that talks to a sidecar with the fake engine, and looks at what became of it."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol, overload

from tests.direct_host import DirectHost
from tests.library.gguf_files import write_model
from tests.raw_host import ANSWER_SECONDS, TERMINAL, LineHost, RawHost

_names = itertools.count(1)


def new_session() -> str:
    """A session id, as a host would make one."""
    return str(uuid.uuid4())


def words(count: int) -> str:
    """What the fake engine answers with so many words."""
    return "".join(f"w{i} " for i in range(1, count + 1))


def prepare(data_dir: Path, llama_cpp: Path, **config: Any) -> None:
    """A data folder with a model, whose config names the fake engine."""
    (data_dir / "models").mkdir(parents=True, exist_ok=True)
    write_model(data_dir / "models" / "tiny.gguf")
    engines = {"llama_cpp_path": str(llama_cpp), **config.pop("engines", {})}
    models = {"sources": [], **config.pop("models", {})}  # trials are run as programs as well, at home
    (data_dir / "config.json").write_text(json.dumps({"engines": engines, "models": models, **config}))


class Talking(LineHost):
    """A host in a conversation."""

    def new_channel(self) -> str:
        """A name that no other channel of the tests has."""
        return f"channel {next(_names)}"

    def begin_turn(self, message: Any, session_id: str | None = None, **params: Any) -> tuple[int, str]:
        """Send a message without waiting; the request's id and its channel."""
        channel = self.new_channel()
        given = {"message": message, "channel": channel, **({"session_id": session_id} if session_id else {})}
        return self.begin("send_message", **(given | params)), channel

    def say(self, message: Any, session_id: str | None = None, **params: Any) -> Any:
        """Send a message and wait for the answer."""
        given = {"message": message, **({"session_id": session_id} if session_id else {})}
        return self.call("send_message", **(given | params))

    def heard(self, channel: str, text: str) -> None:
        """Wait until this text has streamed on a channel."""
        self.until(lambda: channel in self.events and self.text(channel) == text)

    def positions(self, channel: str) -> list[int]:
        """The places in line that a channel has told, so far."""
        told = [e["event"] for e in self.events.get(channel, [])]
        return [event["position"] for event in told if event["status"] == "queued"]

    def in_line(self, channel: str) -> None:
        """Wait until a message stands behind another: a session's first one does so for its server, and was taken."""
        self.until(lambda: any(self.positions(channel)))

    def error_of(self, request: int) -> dict[str, Any]:
        """Wait for a request's error."""
        error: dict[str, Any] = self.answer(request)["error"]
        return error

    def branch(self, session_id: str) -> list[tuple[str, str, str]]:
        """Role, content and state of the messages on a session's branch in use."""
        page = self.call("get_messages", session_id=session_id)
        return [(m["role"], m["content"], m["state"]) for m in page["messages"]]

    def has_session(self, session_id: str) -> bool:
        """Whether the sidecar knows of a session."""
        response = self.answer(self.begin("get_session", session_id=session_id))
        return "result" in response

    def close(self) -> int:
        code = super().close()
        for events in self.events.values():
            assert_gapless(events)
        return code


class Talk(Talking, RawHost):
    """One with a sidecar that is a process."""


class DirectTalk(Talking, DirectHost):
    """One with a sidecar in the test's own process."""


class Engine:
    """A server of its own in a sidecar, and the fake engine behind it."""

    def __init__(self, talk: Talking, **params: Any) -> None:
        self.server_id = f"server-{next(_names)}"
        self._talk = talk
        talk.call("start_llama_server", server_id=self.server_id, **params)

    def say(self, message: Any, session_id: str | None = None, **params: Any) -> Any:
        """Send a message to this server and wait for the answer."""
        return self._talk.say(message, session_id, server_id=self.server_id, **params)

    def begin_turn(self, message: Any, session_id: str | None = None, **params: Any) -> tuple[int, str]:
        """Send a message to this server without waiting."""
        return self._talk.begin_turn(message, session_id, server_id=self.server_id, **params)

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests that the engine has had."""
        found: list[dict[str, Any]] = self._ask("GET", "/requests")
        return found

    def release(self) -> None:
        """Let answers go on that `hold-after` holds."""
        self._ask("POST", "/release")

    def busy(self) -> int:
        """How many answers the engine works on."""
        return sum(slot["is_processing"] for slot in self._ask("GET", "/slots"))

    def back(self) -> dict[str, Any]:
        """Wait until the server is ready again after a crash."""
        until = time.monotonic() + ANSWER_SECONDS
        info: dict[str, Any] = {}
        while info.get("state") != "ready":
            assert info.get("state") != "failed", info["message"]
            assert time.monotonic() < until, info
            info = self._talk.call("get_server", server_id=self.server_id)
        return info

    def stop(self) -> None:
        """Stop the server, if it is not gone."""
        self._talk.answer(self._talk.begin("stop_llama_server", server_id=self.server_id))

    def _ask(self, verb: str, path: str) -> Any:
        details = self._talk.call("get_server", server_id=self.server_id)
        connection = SocketConnection(details["socket_path"])
        try:
            connection.request(verb, path, headers={"Authorization": f"Bearer {details['api_key']}"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


StartServer = Callable[..., RawHost]


class StartTalk(Protocol):
    """Starts a sidecar of the test's own."""

    @overload
    def __call__(self, *, server: bool = True, process: Literal[False] = False) -> DirectTalk: ...

    @overload
    def __call__(self, *, server: bool = True, process: Literal[True]) -> Talk: ...


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("engine", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


def assert_gapless(events: list[dict[str, Any]]) -> None:
    """The numbers of a channel's events have no gap; only the last event may end it."""
    numbers = [event["seq"] for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    ends = [event["event"]["status"] in TERMINAL for event in events]
    assert not any(ends[:-1])
