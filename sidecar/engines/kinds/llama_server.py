"""llama.cpp's own `llama-server`, from a folder or from PATH.

Owns where the program is searched for, the probe of a build, and its command line.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.engines import EngineDevice, EngineName, ProbeEngineResult
from sidecar.contract.errors import EngineNotFound, EngineStartFailed, PathNotAllowed, SidecarError
from sidecar.engines.kinds.llama_server_flags import llama_server_arguments
from sidecar.engines.kinds.llama_server_help import FlagSet, parse_help
from sidecar.engines.kinds.samplers import for_llama_cpp
from sidecar.engines.launch import NO_PREFILL_FLAG, Endpoint, EngineCommand, Launch, SamplingMembers
from sidecar.engines.lifecycle.engine_errors import engine_error
from sidecar.engines.setting_checks import template_names
from sidecar.host import path_policy
from sidecar.host.path_policy import PROGRAM_SUFFIX
from sidecar.host.sockets import HAS_UNIX_SOCKETS
from sidecar.processes.capture import capture
from sidecar.processes.errors import ProcessError

PROGRAM = f"llama-server{PROGRAM_SUFFIX}"

_SUPERVISED = {"LLAMA_SERVER_ROUTER_PORT": "0"}
"""Makes llama-server behave as the child of its own router: it writes the progress of the load to stdout and exits when
its stdin is closed. Builds that do not know the variable ignore it (`output` detects that)."""

_VERSION = re.compile(r"version: (?P<version>[^\n]+)")
_DEVICE = re.compile(
    r"^\s+(?P<name>\S+): (?P<description>.+?)(?: \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\))?$", re.MULTILINE
)
_UNIFIED = re.compile(r"ggml_vulkan: (\d+) = [^\n]*\| uma: 1\b")
"""How the Vulkan backend reports a GPU that uses main memory."""

_MIB = 1024 * 1024

_FOLDER_HINT = f"Give the absolute path of the folder with {PROGRAM}, such as build/bin of a llama.cpp checkout."

Identity = tuple[int, ...]
"""File facts that change when a program is built again."""


class LlamaServer(msgspec.Struct, frozen=True):
    """A llama-server program and what it can do."""

    program: Path
    version: str | None
    flags: FlagSet
    name: EngineName = "llama-server"
    refuses_long_prompts: bool = True

    @property
    def path(self) -> str:
        return str(self.program)

    @property
    def unix_socket(self) -> bool:
        found = self.flags.get("--host")
        return HAS_UNIX_SOCKETS and found is not None and ".sock" in found[1].text

    @property
    def continues_answers(self) -> bool:
        return self.flags.get(NO_PREFILL_FLAG) is not None

    @property
    def templates(self) -> frozenset[str] | None:
        found = self.flags.get("--chat-template")
        return template_names(found[1].text) if found is not None else None

    @property
    def chooses_flash_attn(self) -> bool:
        found = self.flags.get("--flash-attn")
        return found is not None and found[1].value is not None  # a switch in older builds

    def sampling(self, given: Mapping[str, Any], listed: Container[str] | None) -> SamplingMembers:
        return for_llama_cpp(given, listed)

    def command(self, launch: Launch, endpoint: Endpoint) -> EngineCommand:
        arguments, ignored = llama_server_arguments(launch, endpoint, self.flags)
        env = _SUPERVISED | (launch.settings.env or {})
        return EngineCommand([str(self.program), *arguments], env, ignored=ignored)

    async def probe(self, env: Mapping[str, str] | None = None) -> ProbeEngineResult:
        """The version, the flags and the devices of the build.

        Args:
            env: further environment variables: a driver shows only the devices that they name.

        Raises:
            EngineStartFailed: it cannot be run.
        """
        devices: list[EngineDevice] = []
        if "--list-devices" in self.flags:
            devices = list(_devices(await output_of(str(self.program), "--list-devices", env=env)))
        backends = {"CPU", *(re.sub(r"\d+$", "", device.name) for device in devices)}
        return ProbeEngineResult(
            path=str(self.program),
            version=self.version or "unknown",
            backends=sorted(backends),
            devices=devices,
            flags=self.flags.long_names,
            unix_socket=self.unix_socket,
        )


class LlamaServers:
    """Finds llama-server programs, and probes each build once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Identity, LlamaServer]] = {}

    async def in_folder(self, folder: str) -> LlamaServer:
        """The llama-server of a llama.cpp folder: its root, build or bin folder, or the program itself.

        Raises:
            PathNotAllowed: the path is not absolute, or not valid on this system.
            EngineNotFound: there is none.
            EngineStartFailed: it cannot be run.
        """
        return await self._probe_once(*await anyio.to_thread.run_sync(_find_in, folder))

    async def on_path(self) -> LlamaServer:
        """The llama-server on PATH.

        Raises:
            EngineNotFound: there is none.
            EngineStartFailed: it cannot be run.
        """
        return await self._probe_once(*await anyio.to_thread.run_sync(_find_on_path))

    async def _probe_once(self, program: Path, identity: Identity) -> LlamaServer:
        known = self._known.get(str(program))
        if known is not None and known[0] == identity:
            return known[1]
        help_text, version_text = await _help_and_version(str(program))
        flags = parse_help(help_text)
        if "--model" not in flags:
            raise EngineStartFailed(
                f"{program} is not a llama-server: its --help does not list --model.",
                hint="Give the folder of a llama.cpp build.",
                cause="UNKNOWN",
                exit_code=0,
                log_tail=[],
            )
        version = _VERSION.search(version_text)
        server = LlamaServer(program, version["version"].strip() if version else None, flags)
        self._known[str(program)] = identity, server
        return server


async def output_of(*argv: str, env: Mapping[str, str] | None = None) -> str:
    """The output of an engine's program that is run with these arguments.

    Raises:
        EngineNotFound: the program does not exist.
        EngineStartFailed: it cannot be run, fails, or does not exit.
    """
    try:
        return await capture(*argv, env=env)
    except ProcessError as error:
        raise engine_error(error) from None


async def _help_and_version(program: str) -> tuple[str, str]:
    """A program's help and its version, from two processes that run in parallel, since the first start waits for them.

    Raises:
        EngineNotFound, EngineStartFailed: as `output_of`.
    """
    outputs: dict[str, str] = {}
    problems: dict[str, SidecarError] = {}

    async def run(flag: str) -> None:
        try:
            outputs[flag] = await output_of(program, flag)
        except SidecarError as problem:
            problems[flag] = problem

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "--help")
        tasks.start_soon(run, "--version")
    if problems:
        raise problems.get("--help") or problems["--version"]
    return outputs["--help"], outputs["--version"]


def program_in(folder: Path) -> Path | None:
    """The program that `in_folder` finds; `None` if there is none. Blocks on the disk."""
    try:
        return next((candidate for candidate in _candidates(folder) if candidate.is_file()), None)
    except OSError:
        return None


def _find_in(folder: str) -> tuple[Path, Identity]:
    try:
        root = path_policy.absolute(folder)
    except PathNotAllowed as problem:
        raise PathNotAllowed(problem.message, hint=_FOLDER_HINT) from None
    try:
        for candidate in _candidates(root):
            if candidate.is_file():
                return candidate, _identity(candidate)
        exists = root.exists()
    except PermissionError:
        raise PathNotAllowed(f"{folder} cannot be read: access is denied.", hint=_FOLDER_HINT) from None
    except OSError as error:  # too long
        raise PathNotAllowed(
            f"{folder!r} is not a valid path on this system: {error.strerror}.", hint=_FOLDER_HINT
        ) from None
    if not exists:
        raise EngineNotFound(f"There is no folder {root}.", hint=_FOLDER_HINT)
    raise EngineNotFound(f"There is no {PROGRAM} in {root}.", hint=_FOLDER_HINT)


def _find_on_path() -> tuple[Path, Identity]:
    program = path_policy.on_path(PROGRAM)
    if program is None:
        raise EngineNotFound(
            f"There is no {PROGRAM} on PATH, and no engines.llama_cpp_path in the config.", hint=_FOLDER_HINT
        )
    return program, _identity(program)


def _identity(program: Path) -> Identity:
    # The folder counts as well: the program may be a stub, and a library beside it may have been built again.
    info, folder = program.stat(), program.parent.stat()
    return info.st_size, info.st_mtime_ns, folder.st_mtime_ns


def _candidates(root: Path) -> Iterator[Path]:
    if root.name == PROGRAM:
        yield root
    for folder in ("", "bin", "build/bin", "build/bin/Release"):
        yield root / folder / PROGRAM


def _devices(text: str) -> Iterator[EngineDevice]:
    _, _, listing = text.partition("Available devices:")
    unified = {f"Vulkan{number}" for number in _UNIFIED.findall(text)}
    for match in _DEVICE.finditer(listing):
        yield EngineDevice(
            name=match["name"],
            description=match["description"],
            total_bytes=int(match["total"]) * _MIB if match["total"] else None,
            free_bytes=int(match["free"]) * _MIB if match["free"] else None,
            shares_main_memory=match["name"] in unified,
        )
