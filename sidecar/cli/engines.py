"""`llama-sidecar engines …`: the engines of this machine and the installed llama.cpp builds, in the terminal."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable

from sidecar.cli import screen, tables
from sidecar.cli.host import introduced
from sidecar.cli.wording import from_terminal
from sidecar.client import SidecarClient
from sidecar.contract.builds import ManagedEngines
from sidecar.contract.engines import EngineDevice, EngineInfo, EngineProof
from sidecar.host import path_policy

NAME_WIDTH = 14

_out = screen.console(stderr=False)

_ORIGINS = {"config": "of the config", "managed": "installed", "path": "on PATH", "package": "a Python package"}


def engines(options: argparse.Namespace) -> int:
    """Run a sub-command, whose result goes to stdout. Returns the exit code."""
    return asyncio.run(_carry_out(options))


async def _carry_out(options: argparse.Namespace) -> int:
    async with introduced(options) as (client, _):
        await _ACTIONS[options.action](client, options)
    return 0


async def _list(client: SidecarClient, _: argparse.Namespace) -> None:
    for engine in await client.list_engines():
        _say(engine)


async def _install(client: SidecarClient, options: argparse.Namespace) -> None:
    archive = from_terminal(options.archive)
    where = {"url": archive} if "://" in archive else {"path": str(path_policy.from_here(archive))}
    with screen.LoadProgress() as progress:
        engine = await client.install_engine(
            **where,
            sha256=options.sha256,
            name=options.name,
            make_default=not options.keep_default,
            on_event=progress.show,
        )
    screen.say("Installed ", (engine.name or "", "bold"), ".", to=_out)
    if engine.proof is not None:
        _say_proof(engine.proof)
    if not engine.default:
        screen.say(f"To make it the default: llama-sidecar engines default {engine.name}", style="dim")


async def _default(client: SidecarClient, options: argparse.Namespace) -> None:
    name = None if options.build is None else from_terminal(options.build)
    _say_default(await client.set_default_engine(name=name))


async def _remove(client: SidecarClient, options: argparse.Namespace) -> None:
    name = from_terminal(options.build)
    managed = await client.remove_engine(name=name)
    screen.say("Removed ", (name, "bold"), ".", to=_out)
    _say_default(managed)


async def _probe(client: SidecarClient, options: argparse.Namespace) -> None:
    probe = await client.probe_engine(llama_cpp_path=str(options.folder), prove=options.prove)
    rows = [("Program", probe.path), ("Version", probe.version), ("Backends", ", ".join(probe.backends))]
    rows += [("Device", _device(device)) for device in probe.devices]
    for name, text in rows:
        screen.say((f"{name:<{NAME_WIDTH}}", "dim"), text, to=_out)
    if probe.proof is not None:
        _say_proof(probe.proof)


_ACTIONS: dict[str, Callable[[SidecarClient, argparse.Namespace], Awaitable[None]]] = {
    "list": _list,
    "install": _install,
    "default": _default,
    "remove": _remove,
    "probe": _probe,
}


def _say(engine: EngineInfo) -> None:
    mark = ("● ", "green") if engine.default else ("  ", "")
    name = engine.name or engine.engine
    version = f"  {engine.version}" if engine.version else ""
    where = f"  {_ORIGINS[engine.origin]}" if engine.available else "  not usable" if engine.name else "  not found"
    screen.say(mark, (name, "bold" if engine.available else "dim"), version, (where, "dim"), to=_out)
    text = (engine.path or "") if engine.available else engine.message
    screen.say_below(f"  {text}", style="dim" if engine.available or not engine.name else "yellow", to=_out)


def _say_default(managed: ManagedEngines) -> None:
    if managed.default is None:
        screen.say("No installed build is the default.", to=_out)
    else:
        screen.say("The default of chats and servers: ", (managed.default, "bold"), ".", to=_out)


def _say_proof(proof: EngineProof) -> None:
    layers = f", {proof.gpu_layers} of {proof.total_layers} layers on the GPU" if proof.gpu_layers else ""
    what = f"It generated a token in {proof.token_ms:.0f} ms, with {', '.join(proof.backends)}{layers}."
    screen.say_below(what, to=_out)


def _device(device: EngineDevice) -> str:
    total = f", {tables.size(device.total_bytes)}" if device.total_bytes else ""
    return f"{device.name}: {device.description}{total}"
