"""Talking to one engine over its HTTP API.

Owns the connections, the key and what an engine's errors mean. Knows nothing of processes: when the engine is gone
it says so, and `server` finds out why.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import msgspec
import orjson

from sidecar.contract.errors import (
    ContextTooLong,
    EngineUnresponsive,
    InvalidParams,
    NotSupported,
    SidecarError,
)
from sidecar.engines.stream import ChatChunk, ChunkReader

if TYPE_CHECKING:
    import aiohttp

CONNECT_SECONDS = 5.0
"""An engine on this machine accepts at once or not at all."""

ANSWER_SECONDS = 30.0
"""For small questions: health, properties, token counts of long texts."""

SILENCE_SECONDS = 180.0
"""Longest silence within a streamed answer. llama-server sends something every 30 s even while it waits."""

UNIX_HOST = "http://engine"
"""The host part of URLs over a UNIX socket; it is not looked up."""

_TOO_LONG = re.compile(r"maximum context length is (?P<max>\d+).*?requested (?P<length>\d+)", re.DOTALL)


class EngineGone(Exception):
    """The connection broke: the engine ended or hung up."""


class Props(msgspec.Struct):
    """What an engine says of itself."""

    class Generation(msgspec.Struct):
        n_ctx: int = 0

    class Modalities(msgspec.Struct):
        vision: bool = False

    default_generation_settings: Generation = msgspec.field(default_factory=Generation)
    modalities: Modalities = msgspec.field(default_factory=Modalities)
    total_slots: int = 1
    build_info: str | None = None


class Slot(msgspec.Struct):
    """One of an engine's seats for messages."""

    is_processing: bool = False


class EngineLink:
    """A client of one engine."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self.base_url = base_url

    @classmethod
    async def open(cls, address: str, api_key: str | None) -> EngineLink:
        """A client for `http://…` or `unix://…`; nothing is sent yet."""
        # A third of a second of imports that only a running engine needs; the loop goes on meanwhile.
        aiohttp = await anyio.to_thread.run_sync(_import_aiohttp)
        base_url, connector = address, None
        if address.startswith("unix://"):
            base_url, connector = UNIX_HOST, aiohttp.UnixConnector(address.removeprefix("unix://"), limit=0)
        else:
            connector = aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
            json_serialize=lambda value: orjson.dumps(value).decode(),
            read_bufsize=256 * 1024,
            trust_env=False,  # no proxy stands between us and an engine
        )
        return cls(session, base_url)

    async def close(self) -> None:
        """Hang up. Safe to call twice."""
        await self._session.close()

    async def health(self) -> tuple[int | None, float]:
        """HTTP status of `/health` and the milliseconds it took; no status where nobody answers."""
        started = time.perf_counter()
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                async with self._session.get(f"{self.base_url}/health") as response:
                    await response.read()
                    return response.status, (time.perf_counter() - started) * 1e3
        except (TimeoutError, OSError):
            return None, (time.perf_counter() - started) * 1e3
        except _client_errors():
            return None, (time.perf_counter() - started) * 1e3

    async def props(self) -> Props:
        """What the engine says of itself."""
        return msgspec.json.decode(await self._ask("GET", "/props"), type=Props, strict=False)

    async def busy_slots(self) -> int | None:
        """How many messages it works on; `None` where it does not tell."""
        try:
            slots = msgspec.json.decode(await self._ask("GET", "/slots"), type=list[Slot])
        except (SidecarError, msgspec.DecodeError):
            return None
        return sum(slot.is_processing for slot in slots)

    async def count_text(self, text: str) -> int:
        """Tokens of a text, without a template."""
        reply = orjson.loads(await self._ask("POST", "/tokenize", {"content": text}))
        return len(reply["tokens"])

    async def count_chat(self, body: dict[str, Any]) -> int:
        """Tokens of a conversation with the model's template around it: what `chat` with this body would cost."""
        try:
            reply = orjson.loads(await self._ask("POST", "/v1/chat/completions/input_tokens", body))
        except NotSupported:  # builds from before that endpoint
            prompt = orjson.loads(await self._ask("POST", "/apply-template", body))["prompt"]
            request = {"content": prompt, "add_special": True, "parse_special": True}
            return len(orjson.loads(await self._ask("POST", "/tokenize", request))["tokens"])
        return int(reply["input_tokens"])

    @asynccontextmanager
    async def chat(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[list[ChatChunk]]]:
        """A streamed chat completion: an iterator over the chunks, several at a time when they come fast.

        Leaving the context hangs up, which makes the engine stop.

        Raises:
            ContextTooLong, InvalidParams, NotSupported, EngineUnresponsive: the engine refuses.
            EngineGone: the engine hung up.
        """
        try:
            async with self._session.post(f"{self.base_url}/v1/chat/completions", json=body) as response:
                if response.status != 200:
                    raise _refusal(response.status, await response.read())
                try:
                    yield _read_chunks(response)
                finally:
                    response.close()  # not back to the pool: an answer left early must end at the engine, too
        except TimeoutError:
            raise EngineUnresponsive(f"The engine has been silent for {SILENCE_SECONDS:.0f} s.") from None
        except _client_errors() as error:
            raise EngineGone(str(error)) from error

    async def _ask(self, verb: str, path: str, body: object = None) -> bytes:
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                async with self._session.request(verb, self.base_url + path, json=body) as response:
                    data: bytes = await response.read()
                    if response.status != 200:
                        raise _refusal(response.status, data)
                    return data
        except TimeoutError:
            raise EngineUnresponsive(f"The engine did not answer {path} in {ANSWER_SECONDS:.0f} s.") from None
        except _client_errors() as error:
            raise EngineGone(str(error)) from error


async def _read_chunks(response: aiohttp.ClientResponse) -> AsyncIterator[list[ChatChunk]]:
    reader = ChunkReader()
    async for data in response.content.iter_any():
        try:
            chunks = reader.feed(data)
        except (ValueError, msgspec.DecodeError) as error:
            raise EngineUnresponsive(f"The engine's answer can not be understood: {error}.") from None
        for chunk in chunks:
            if chunk.error is not None:
                raise _refusal(500, orjson.dumps({"error": chunk.error}))
        if chunks:
            yield chunks
    if not reader.done:
        raise EngineGone("the answer broke off")


def _refusal(status: int, data: bytes) -> SidecarError:
    """The error for an engine's error response."""
    message, kind, code = _error_parts(data)
    if kind.get("type") == "exceed_context_size_error":
        return context_too_long(int(kind.get("n_ctx", 0)), int(kind.get("n_prompt_tokens", 0)))
    if match := _TOO_LONG.search(message):
        return context_too_long(int(match["max"]), int(match["length"]))
    text = f"The engine refused: {message[:300]}"
    if status in (404, 501) or "not supported" in message:
        return NotSupported(text, hint="Use a model, an engine or a projector (mmproj_path) that can do this.")
    if status in (400, 413, 422):
        return InvalidParams(text, path="$", hint="Correct what the engine names.")
    return EngineUnresponsive(f"{text} (HTTP {status}{f', {code}' if code else ''}).")


def context_too_long(max_context: int, input_length: int) -> ContextTooLong:
    """The error for a prompt that does not fit."""
    return ContextTooLong(
        f"The prompt has {input_length} tokens, the context {max_context}.",
        max_context=max_context,
        input_length=input_length,
    )


def _error_parts(data: bytes) -> tuple[str, dict[str, Any], str]:
    try:
        error = orjson.loads(data)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return data[:300].decode("utf-8", "replace"), {}, ""
    if isinstance(error, dict):
        return str(error.get("message", "")), error, str(error.get("code") or "")
    return str(error), {}, ""


def _import_aiohttp() -> Any:
    import aiohttp

    return aiohttp


def _client_errors() -> tuple[type[Exception], ...]:
    """What aiohttp raises when a connection fails. Asked for late: only a link that is open has imported it."""
    import aiohttp

    return (aiohttp.ClientError, asyncio.IncompleteReadError, ConnectionError)
