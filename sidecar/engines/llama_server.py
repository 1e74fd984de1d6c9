"""llama.cpp's own `llama-server`, from a folder or from PATH.

Owns where the program is looked for, what a build is asked, and its command line.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sidecar.contract.errors import EngineNotFound, EngineStartFailed, PathNotAllowed
from sidecar.contract.servers import EngineDevice, EngineName, EngineProbe
from sidecar.engines.arguments import llama_server_arguments
from sidecar.engines.faults import LOG_TAIL_LINES, classify, exit_words
from sidecar.engines.flags import FlagSet, parse_help
from sidecar.engines.launch import Command, Endpoint, Launch
from sidecar.host.environment import child_environment

logger = logging.getLogger(__name__)

PROGRAM = "llama-server.exe" if os.name == "nt" else "llama-server"

ASK_SECONDS = 20.0
"""For `--help` and the like: the first run of a CUDA build may read its libraries from a slow disk."""

_SUPERVISED = {"LLAMA_SERVER_ROUTER_PORT": "0"}
"""Makes llama-server behave as the child of its own router: it tells the progress of loading on stdout and exits when
its stdin ends. Builds that do not know it take no notice (see `output`, which finds out)."""

_VERSION = re.compile(r"version: (?P<version>[^\n]+)")
_DEVICE = re.compile(
    r"^\s+(?P<name>\S+): (?P<description>.+?)(?: \((?P<total>\d+) MiB, (?P<free>\d+) MiB free\))?$", re.MULTILINE
)
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LlamaServer:
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
        return os.name != "nt" and found is not None and ".sock" in found[1].text

    def command(self, launch: Launch, endpoint: Endpoint) -> Command:
        arguments, ignored = llama_server_arguments(launch, endpoint, self.flags)
        return Command([str(self.program), *arguments], _SUPERVISED | (launch.settings.env or {}), ignored)

    def probe(self) -> EngineProbe:
        """What the build is, devices included. Blocks."""
        devices = list(_devices(_ask(self.program, "--list-devices"))) if "--list-devices" in self.flags else []
        backends = {"CPU", *(re.sub(r"\d+$", "", device.name) for device in devices)}
        return EngineProbe(
            path=str(self.program),
            version=self.version or "unknown",
            backends=sorted(backends),
            devices=devices,
            flags=self.flags.long_names,
            unix_socket=self.unix_socket,
        )


class LlamaServers:
    """Finds llama-server programs, and asks each build once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], LlamaServer] = {}

    def in_folder(self, folder: str) -> LlamaServer:
        """The llama-server of a llama.cpp folder: its root, build or bin folder, or the program itself. Blocks.

        Raises:
            PathNotAllowed: the path is not absolute.
            EngineNotFound: there is none.
            EngineStartFailed: it can not be run.
        """
        root = Path(folder).expanduser()
        if not root.is_absolute():
            raise PathNotAllowed(f"llama_cpp_path must be an absolute path, not {folder!r}.")
        for candidate in _candidates(root):
            if candidate.is_file():
                return self._ask_once(candidate)
        if not root.exists():
            raise EngineNotFound(f"There is no folder {root}.", hint="Give the folder of a llama.cpp build.")
        raise EngineNotFound(
            f"There is no {PROGRAM} in {root}.",
            hint=f"Give the folder that holds {PROGRAM}, such as build/bin of a llama.cpp checkout.",
        )

    def on_path(self) -> LlamaServer | None:
        """The llama-server on PATH, if there is one that runs. Blocks."""
        found = shutil.which(PROGRAM)
        if found is None:
            return None
        try:
            return self._ask_once(Path(found))
        except EngineStartFailed as error:
            logger.warning("the llama-server on PATH is left out: %s", error.message)
            return None

    def _ask_once(self, program: Path) -> LlamaServer:
        info = program.stat()
        key = (str(program), info.st_size, info.st_mtime_ns)
        if key not in self._known:
            flags = parse_help(_ask(program, "--help"))
            version = _VERSION.search(_ask(program, "--version"))
            self._known[key] = LlamaServer(program, version["version"] if version else None, flags)
        return self._known[key]


def _candidates(root: Path) -> Iterator[Path]:
    if root.name == PROGRAM:
        yield root
    for folder in ("", "bin", "build/bin", "build/bin/Release"):
        yield root / folder / PROGRAM


def _devices(text: str) -> Iterator[EngineDevice]:
    _, _, listing = text.partition("Available devices:")
    for match in _DEVICE.finditer(listing):
        yield EngineDevice(
            name=match["name"],
            description=match["description"],
            total_bytes=int(match["total"]) * _MIB if match["total"] else None,
            free_bytes=int(match["free"]) * _MIB if match["free"] else None,
        )


def _ask(program: Path, question: str) -> str:
    """What a program prints for a flag; stdout and stderr together, since builds differ in which they use."""
    try:
        done = subprocess.run(
            [str(program), question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ASK_SECONDS,
            env=child_environment(),
            check=False,
        )
    except PermissionError as error:
        raise _cannot_run(program, f"{error.strerror}", None, ["permission denied"]) from None
    except OSError as error:
        raise _cannot_run(program, f"{error.strerror}", None, []) from None
    except subprocess.TimeoutExpired:
        raise _cannot_run(program, f"no answer to {question} in {ASK_SECONDS:.0f} s", None, []) from None
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise _cannot_run(program, exit_words(done.returncode), done.returncode, text.splitlines()[-LOG_TAIL_LINES:])
    return text


def _cannot_run(program: Path, why: str, exit_code: int | None, log_tail: list[str]) -> EngineStartFailed:
    fault = classify(exit_code, log_tail)
    return EngineStartFailed(
        f"{program} can not be run: {fault.message if fault.cause != 'UNKNOWN' else why} ({why}).",
        hint=fault.hint if fault.cause != "UNKNOWN" else "Check that it is a llama.cpp build for this machine.",
        cause=fault.cause,
        exit_code=exit_code,
        log_tail=log_tail,
    )
