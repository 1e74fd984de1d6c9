"""How the commands, which are hosts, start their sidecar."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import sidecar
from sidecar.client import SidecarClient, connect
from sidecar.contract.life import ClientInfo, InitializeResult


def connected(options: argparse.Namespace) -> AbstractAsyncContextManager[SidecarClient]:
    """A sidecar with the options of this command line."""
    words = []
    if options.config:
        words += ["--config", str(options.config)]
    if options.log_level:
        words += ["--log-level", options.log_level]
    # Its log goes to files; on our terminal it would interrupt an answer.
    log = None if options.log_level == "debug" else asyncio.subprocess.DEVNULL
    # With an ASCII locale, a sidecar could not decode paths, and so could not send them over the wire.
    env = {**os.environ, "PYTHONUTF8": "1"} if sys.getfilesystemencoding() == "ascii" else None
    return connect(data_dir=options.data_dir, options=words, env=env, stderr=log)


@asynccontextmanager
async def introduced(options: argparse.Namespace) -> AsyncIterator[tuple[SidecarClient, InitializeResult]]:
    """A connected sidecar that is initialized."""
    async with connected(options) as client:
        hello = await client.initialize(
            client=ClientInfo(name="llama-sidecar terminal", version=sidecar.__version__), contract_version="1"
        )
        yield client, hello
