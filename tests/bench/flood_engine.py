"""The fake engine as fast as it can be: answers and log lines made beforehand, in llama-server's own shape.

A message's directives, beside those of the fake engine:

    flood=50000     so many tokens, as fast as they are taken
    singly=1        with flood: each in a write of its own
    log=200000      so many lines of log, as fast as they are taken, and then an answer of a token

Each token is an event and an HTTP chunk of its own, as llama-server sends it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
from typing import Any

from tests import fake_engine

WORDS = """the of and to a in that it is was he for on with his as at by they be this had not are but from or have an
which you her all one she there would their we him been has when who will more no if out so said what up its about
into than them can only other new some could time these two may then do first any my now such like our over man me
even most made after also did many before must through years where much your way well down should because each"""
TOKENS = [f" {word}" for word in WORDS.split()]
"""Words of a text: most tokens of an answer are short words with a blank before them."""

BLOCK_TOKENS = 200
"""Sent in one write: as much as a socket takes at once, about."""

EVENT = (
    'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":%s}}],"created":1795264473,'
    '"id":"chatcmpl-PyE38RpN8lKENOlLPJPQ32FcT7ZkoNZT","model":"SmolLM2-135M-Instruct.Q4_1",'
    '"system_fingerprint":"b0-unknown","object":"chat.completion.chunk"}\n\n'
)
"""What llama-server 0.3.36 sends for a token."""

LOG_LINE = (
    "0.%02d.%03d.%03d I slot print_timing: id  3 | task %d | prompt eval time =    2598.32 ms /    31 tokens"
    " (   83.82 ms per token,    11.93 tokens per second)\n"
)
LOG_LINES = 500
"""Written at once."""


def event(token: str) -> bytes:
    """A token as llama-server sends it."""
    return (EVENT % json.dumps(token)).encode()


def block_text() -> str:
    """The text of a block."""
    return "".join(itertools.islice(itertools.cycle(TOKENS), BLOCK_TOKENS))


def write_log(lines: int) -> None:
    """Write lines of log until they are taken."""
    block = "".join(LOG_LINE % (i % 60, i % 1000, i * 7 % 1000, i) for i in range(LOG_LINES)).encode()
    for _ in range(lines // LOG_LINES):
        left = memoryview(block)
        while left:
            left = left[os.write(2, left) :]


class FloodEngine(fake_engine.Engine):
    """Adds what its module says."""

    def __init__(self, flags: dict[str, str]) -> None:
        super().__init__(flags)
        tokens = itertools.islice(itertools.cycle(TOKENS), BLOCK_TOKENS)
        self.tokens = [fake_engine.chunk(event(token)) for token in tokens]
        self.block = b"".join(self.tokens)

    async def stream(self, body: dict[str, Any], tokens: int, writer: asyncio.StreamWriter) -> None:
        how = dict(re.findall(r"(\S+?)=(\d+)", fake_engine.last_text(body)))
        if "log" in how:
            await asyncio.to_thread(write_log, int(how["log"]))
        blocks = int(how.get("flood", "0")) // BLOCK_TOKENS
        if not blocks:
            await super().stream(body, tokens, writer)
            return
        for _ in range(blocks):
            for piece in self.tokens if "singly" in how else [self.block]:
                writer.write(piece)
            await writer.drain()
        usage = {"prompt_tokens": tokens, "completion_tokens": blocks * BLOCK_TOKENS}
        await self.send(writer, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await self.send(writer, {"choices": [], "usage": usage})
        await self.write(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def delta(self, writer: asyncio.StreamWriter, delta: dict[str, Any]) -> None:
        await self.write(writer, event(delta["content"]))


def main() -> None:
    """Be the program."""
    fake_engine.main(FloodEngine)
