"""The commands as hosts: how they start their sidecar."""

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
    # Its log goes to files; on our terminal it would stand in the middle of an answer.
    log = None if options.log_level == "debug" else asyncio.subprocess.DEVNULL
    # Where the locale knows ASCII only, paths would be no text to a sidecar, and so could not go over the wire.
    env = {**os.environ, "PYTHONUTF8": "1"} if sys.getfilesystemencoding() == "ascii" else None
    return connect(data_dir=options.data_dir, options=words, env=env, stderr=log)


@asynccontextmanager
async def introduced(options: argparse.Namespace) -> AsyncIterator[tuple[SidecarClient, InitializeResult]]:
    """The same, and it knows who we are."""
    async with connected(options) as client:
        hello = await client.initialize(
            client=ClientInfo(name="llama-sidecar terminal", version=sidecar.__version__), contract_version="1"
        )
        yield client, hello
