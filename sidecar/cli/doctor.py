"""`llama-sidecar doctor`: what was found, what will be used, and what to do where something is missing.

It asks a sidecar, as every host does, so it reports what a start will do.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterable

from sidecar.cli import screen, tables
from sidecar.cli.host import introduced
from sidecar.cli.printable import one_line
from sidecar.cli.wording import hint_of
from sidecar.client import SidecarClient
from sidecar.contract.engines import EngineDevice, EngineInfo
from sidecar.contract.errors import SidecarError
from sidecar.contract.life import InitializeResult
from sidecar.contract.models import ModelInfo
from sidecar.contract.servers import PreviewCommandResult
from sidecar.host.extras import how_to_get

HEALTHY, UNHEALTHY = 0, 1

GOOD, BAD, ABSENT = ("✓ ", "green"), ("✗ ", "red"), ("· ", "dim")

STARTER = "in a source checkout, make setup fetches a small one (98 MB)"


async def doctor(options: argparse.Namespace) -> int:
    """Check this machine as a start would; exit code 1 where nothing could be started."""
    examination = Examination()
    try:
        async with introduced(options) as (client, hello):
            return await examination.of(client, hello)
    except SidecarError as error:  # nothing can be examined, such as a data folder that another sidecar uses
        examination.problem(error)
        return UNHEALTHY


class Examination:
    """The report, on stdout, part by part."""

    def __init__(self) -> None:
        self._out = screen.console(stderr=False)

    async def of(self, client: SidecarClient, hello: InitializeResult) -> int:
        """Examine a sidecar's machine; returns the exit code."""
        system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        self._say((f"llama-sidecar {hello.server.version}", "bold"), f" · contract {hello.contract_version} · {system}")
        self._say(GOOD, f"Data folder: {hello.data_dir}")
        screen.notices(hello.notices, to=self._out)
        self._title("Engines")
        engines = await client.list_engines()
        for engine in engines:
            self._engine(engine)
        self._title("Models")
        models = await client.list_models()
        for model in models:
            self._model(model)
        if not models:
            self._say(BAD, "There is none.")
        self._title("Machine")
        resources, devices = await client.get_resources(), await _devices(client, engines)
        screen.show(tables.machine_table(resources, with_load=False, devices=devices), to=self._out)
        self._title("What a start would use")
        return await self._start(client, hello, engines, models)

    def problem(self, error: SidecarError) -> None:
        """Report an error that prevents everything else."""
        self._say(BAD, error.message)
        if hint := hint_of(error):
            self._below(hint)

    def _engine(self, engine: EngineInfo) -> None:
        if engine.available:
            version = f" {engine.version}" if engine.version else ""
            self._say(GOOD, (engine.name or engine.engine, "bold"), version, (f" · {engine.path}", "dim"))
            return
        # An engine that the config names, or that was installed, should work; the others may be absent.
        expected = engine.origin in ("config", "managed")
        self._say(BAD if expected else ABSENT, (engine.name or engine.engine, "bold"))
        self._below(engine.message, style="" if expected else "dim")

    def _model(self, model: ModelInfo) -> None:
        self._say(GOOD if model.valid else BAD, (one_line(model.name), "bold"))
        if model.valid:
            self._below(tables.model_figures(model), style="dim")
        else:
            self._below(f"It cannot be used: {model.problem}")
        self._below(one_line(model.path), style="dim")

    async def _start(
        self, client: SidecarClient, hello: InitializeResult, engines: list[EngineInfo], models: list[ModelInfo]
    ) -> int:
        if not any(engine.available for engine in engines):
            self._say(BAD, "Nothing: there is no engine.")
            self._below(f"One is available as a package. {how_to_get('embedded')}")
            self._below("Or install a llama.cpp release with: llama-sidecar engines install ARCHIVE.")
            return UNHEALTHY
        if not models:
            self._say(BAD, "Nothing: there is no model.")
            self._below("Fetch one with: llama-sidecar models download OWNER/NAME.")
            self._below(f"Or put a GGUF file into {hello.data_dir}/models; {STARTER}.")
            return UNHEALTHY
        try:
            preview = await client.preview_command()
        except SidecarError as error:
            self.problem(error)
            return UNHEALTHY
        engine = await _same(client, preview, "engine", (e.engine for e in engines if e.available))
        model = await _same(client, preview, "model", (m.name for m in models if m.valid))
        settings = await client.get_llama_config()
        layers = "as many layers as fit" if settings.n_gpu_layers < 0 else f"{settings.n_gpu_layers} layers"
        rows = [
            ("Engine", engine or "?"),
            ("Model", model or "?"),
            ("Context", f"{settings.ctx_size} tokens" if settings.ctx_size else "all that the model was trained for"),
            ("Answers", f"up to {settings.parallel} at a time"),
            ("On the GPU", layers),
        ]
        screen.show(tables.pairs(rows), to=self._out)
        self._say()
        self._say(GOOD, "Ready. llama-sidecar chat starts it.")
        return HEALTHY

    def _title(self, text: str) -> None:
        self._say()
        self._say(text, style="bold")

    def _below(self, text: str, style: str = "") -> None:
        screen.say_below(text, style=style, to=self._out)

    def _say(self, *parts: screen.Part, style: str = "") -> None:
        screen.say(*parts, style=style, to=self._out)


async def _devices(client: SidecarClient, engines: Iterable[EngineInfo]) -> list[EngineDevice]:
    """The devices that the first llama.cpp build itself lists: those of every vendor, which no single driver knows."""
    for engine in engines:
        if engine.available and engine.engine == "llama-server" and engine.path:
            try:
                return (await client.probe_engine(llama_cpp_path=engine.path)).devices
            except SidecarError:  # its own entry says more
                continue
    return []


async def _same(
    client: SidecarClient, preview: PreviewCommandResult, parameter: str, values: Iterable[str]
) -> str | None:
    """The default's name: the value that gives the same command as none."""
    for value in values:
        try:
            named = await client.preview_command(**{parameter: value})  # type: ignore[arg-type]
        except SidecarError:
            continue
        if named.argv == preview.argv:
            return value
    return None
