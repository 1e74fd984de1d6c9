"""A host that has many requests under way, and costs little: it shares the processors with what it watches."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from tests.trust.ledger import Ledger, Told, outcome

ANSWER_SECONDS = 60.0
"""Longest wait for an answer; a trial that needs it has failed."""

EXIT_SECONDS = 10.0
"""Longest wait for the end of the sidecar; twice what the contract gives it."""

CHUNK_BYTES = 256 * 1024


class Refused(Exception):
    """A request was answered with an error; `name` says which, `data` is the error's."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"]["message"])
        self.name = outcome(answer)
        self.data: dict[str, Any] = answer["error"]["data"]


class AsyncHost:
    """A sidecar and the requests to it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ledger = Ledger()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, data_dir: Path) -> AsyncIterator[AsyncHost]:
        """A running sidecar; at the end its stdin is closed, and it has to follow."""
        argv = [sys.executable, "-m", "sidecar", "--data-dir", str(data_dir), "--log-level", "warning"]
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )
        host = cls(process)
        reading = asyncio.create_task(host._read())
        try:
            yield host
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), EXIT_SECONDS)
            except TimeoutError:
                process.kill()
                raise
            await reading

    def begin(self, method: str, /, **params: Any) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        """Send a request; its id, and what will be answered."""
        id_ = self.ledger.ask(params.get("channel") if method != "subscribe" else None)
        answer = self._answers[id_] = asyncio.get_running_loop().create_future()
        self._send({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})
        return id_, answer

    def notify(self, method: str, /, **params: Any) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    async def ask(self, method: str, /, **params: Any) -> Any:
        """Send a request and wait for its result.

        Raises:
            Refused: it was answered with an error.
            TimeoutError: it was not answered at all.
        """
        return await self.result_of(self.begin(method, **params)[1])

    async def ask_at_once(self, *requests: tuple[str, dict[str, Any]]) -> None:
        """Send a batch, and wait until each of its requests is answered."""
        ids = [self.ledger.ask() for _ in requests]
        answers = [self._answers.setdefault(id_, asyncio.get_running_loop().create_future()) for id_ in ids]
        self._send(
            [
                {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
                for id_, (method, params) in zip(ids, requests, strict=True)
            ]
        )
        await asyncio.wait_for(asyncio.gather(*answers), ANSWER_SECONDS)

    async def result_of(self, answer: asyncio.Future[dict[str, Any]]) -> Any:
        """As `ask`, of a request that was begun."""
        found = await asyncio.wait_for(answer, ANSWER_SECONDS)
        if "error" in found:
            raise Refused(found)
        return found["result"]

    async def heard(self, told: Told, pieces: int) -> None:
        """Wait until a channel has told so many pieces of text, or has ended."""
        news = asyncio.Event()
        told.on_event = news.set
        while len(told.text) < pieces and told.end is None:
            news.clear()
            await asyncio.wait_for(news.wait(), ANSWER_SECONDS)
        told.on_event = None

    def _send(self, message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(message) + b"\n")

    async def _read(self) -> None:
        assert self.process.stdout is not None
        partial = b""
        while chunk := await self.process.stdout.read(CHUNK_BYTES):
            *lines, partial = (partial + chunk).split(b"\n")
            for line in lines:
                for id_, answer in self.ledger.take_in(orjson.loads(line)):
                    future = self._answers.pop(id_)
                    if not future.done():  # nobody waits for it any more
                        future.set_result(answer)
        for future in self._answers.values():
            future.cancel()
