"""`llama-sidecar doctor`: what was found, what will be used, and what to do where something is missing."""

from __future__ import annotations

import argparse

from rich.markup import escape

from sidecar.cli import screen
from sidecar.cli.host import started
from sidecar.client import SidecarClient
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import InitializeResult
from sidecar.contract.models import ModelInfo
from sidecar.contract.servers import EngineInfo

GOOD, BAD = "[green]✓[/]", "[red]✗[/]"
HEALTHY, UNHEALTHY = 0, 1


async def doctor(options: argparse.Namespace) -> int:
    """Look at this machine as a start would; exit code 1 where nothing could be started."""
    try:
        async with started(options) as (client, hello):
            return await _examine(client, hello)
    except SidecarError as error:
        screen.status.print(f"{BAD} {error.message}")
        screen.status.print(f"  {error.hint}")
        return UNHEALTHY


async def _examine(client: SidecarClient, hello: InitializeResult) -> int:
    say = screen.status.print
    say(f"[bold]llama-sidecar {hello.server.version}[/] · contract {hello.contract_version}")
    say(f"{GOOD} Data folder: {hello.data_dir}")
    for notice in hello.notices:
        say(f"{BAD} {notice.message}\n  {notice.hint}")
    say("\n[bold]Engines[/]")
    engines = await client.list_engines()
    for engine in engines:
        say(f"{GOOD if engine.available else '[dim]·[/]'} {_engine_line(engine)}")
    say("\n[bold]Models[/]")
    models = await client.list_models()
    if models:
        say(screen.models_table(models))
    say("\n[bold]Machine[/]")
    say(screen.resources_table(await client.get_resources()))
    say("\n[bold]What a start would use[/]")
    return await _what_would_start(client, engines, models)


def _engine_line(engine: EngineInfo) -> str:
    if not engine.available:
        return f"{engine.engine}: {engine.message}"
    version = f" {engine.version}" if engine.version else ""
    return f"{engine.engine}{version} ({engine.path})"


async def _what_would_start(client: SidecarClient, engines: list[EngineInfo], models: list[ModelInfo]) -> int:
    say = screen.status.print
    if not any(engine.available for engine in engines):
        say(f"{BAD} Nothing: there is no engine.")
        say("  pip install 'llama-sidecar[embedded]', or set engines.llama_cpp_path in the config.")
        return UNHEALTHY
    if not models:
        say(f"{BAD} Nothing: there is no model.")
        say("  Put a GGUF file into the models folder of the data folder, or run make setup for the starter model.")
        return UNHEALTHY
    try:
        preview = await client.preview_command()
    except SidecarError as error:
        say(f"{BAD} {error.message}\n  {error.hint}")
        return UNHEALTHY
    say(f"{GOOD} {escape(preview.one_liner)}", soft_wrap=True)
    return HEALTHY
