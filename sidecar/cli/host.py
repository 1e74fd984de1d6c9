"""The commands as hosts: how they start their sidecar."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sidecar
from sidecar.client import SidecarClient, connect
from sidecar.contract.life import ClientInfo, InitializeResult


@asynccontextmanager
async def started(options: argparse.Namespace) -> AsyncIterator[tuple[SidecarClient, InitializeResult]]:
    """A sidecar with the options of this command line, introduced to us."""
    words = []
    if options.config:
        words += ["--config", str(options.config)]
    if options.log_level:
        words += ["--log-level", options.log_level]
    # Its log goes to files; on our terminal it would stand in the middle of an answer.
    shown = None if options.log_level == "debug" else -3
    async with connect(data_dir=options.data_dir, options=words, stderr=shown) as client:
        hello = await client.initialize(
            client=ClientInfo(name="llama-sidecar terminal", version=sidecar.__version__), contract_version="1"
        )
        yield client, hello
