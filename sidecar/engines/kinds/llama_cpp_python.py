"""llama-cpp-python's `llama_cpp.server`, in a child process of ours.

Owns which Python has the package and the child's command line; `llama_cpp_python_child` runs in the child. That file
runs under any Python that has the package, so it imports nothing of ours.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec

from sidecar.contract.engines import EngineName
from sidecar.contract.errors import EngineNotFound, EngineStartFailed
from sidecar.contract.remedies import open_settings
from sidecar.contract.server_settings import FLAGS
from sidecar.engines.kinds.llama_server import output_of
from sidecar.engines.kinds.samplers import for_llama_cpp_python
from sidecar.engines.launch import Endpoint, EngineCommand, Launch, SamplingMembers
from sidecar.host import path_policy
from sidecar.host.sockets import HAS_UNIX_SOCKETS

MODULE, PACKAGE = "llama_cpp", "llama-cpp-python"
VERSION_FLAG = "--version"
CHILD = Path(__file__).with_name("llama_cpp_python_child.py")

_FORWARDED = (*(name for name, flag in FLAGS.items() if "llama-cpp-python" in flag.kinds), "extra_args")
_UNSUPPORTED = tuple(name for name, flag in FLAGS.items() if "llama-cpp-python" not in flag.kinds)

_LIBRARY_VARIABLES = ("LLAMA_CPP_LIB_PATH",)
"""The variable that names the package's native library if it was installed without one."""


class LlamaCppPython(msgspec.Struct, frozen=True):
    """A Python that has the package."""

    python: str
    version: str | None
    name: EngineName = "llama-cpp-python"
    unix_socket: bool = HAS_UNIX_SOCKETS
    refuses_long_prompts: bool = False
    continues_answers: bool = False
    templates: frozenset[str] | None = None
    chooses_flash_attn: bool = False

    @property
    def path(self) -> str:
        return self.python

    def sampling(self, given: Mapping[str, Any], listed: Container[str] | None) -> SamplingMembers:
        return for_llama_cpp_python(given)

    def command(self, launch: Launch, endpoint: Endpoint) -> EngineCommand:
        settings = {name: getattr(launch.settings, name) for name in _FORWARDED}
        job = {
            "model_path": str(launch.model_path),
            "model_name": launch.model_name,
            "socket_path": str(endpoint.socket_path) if endpoint.socket_path else None,
            "host": endpoint.host,
            "port": endpoint.port,
            "ctx_size": launch.ctx_size,
            "n_gpu_layers": launch.n_gpu_layers,
            **{name: value for name, value in settings.items() if value is not None},
        }
        ignored = [name for name in _UNSUPPORTED if getattr(launch.settings, name) is not None]
        if launch.parallel > 1:
            ignored.append("parallel")  # it answers one message at a time
        env = {name: os.environ[name] for name in _LIBRARY_VARIABLES if name in os.environ}
        argv = [self.python, str(CHILD), json.dumps(job, ensure_ascii=False)]
        return EngineCommand(argv, env | (launch.settings.env or {}), ignored=ignored)


async def find_llama_cpp_python(python: str | None) -> LlamaCppPython:
    """The engine of a named Python, else of our own.

    Raises:
        EngineNotFound: the package is not installed there, or there is no such Python.
        EngineStartFailed: that Python cannot be run.
    """
    if python is None:
        return LlamaCppPython(sys.executable, await anyio.to_thread.run_sync(_own_version))
    python = await anyio.to_thread.run_sync(path_policy.program, python)
    try:
        return LlamaCppPython(python, (await output_of(python, str(CHILD), VERSION_FLAG)).strip())
    except EngineStartFailed as error:
        if error.data["exit_code"] is None:
            raise
        raise _not_installed(f"{python} has no {PACKAGE}") from None


def _own_version() -> str | None:
    if getattr(sys, "frozen", False) or importlib.util.find_spec(MODULE) is None:
        raise _not_installed(f"{PACKAGE} is not installed")
    from importlib.metadata import PackageNotFoundError, version  # late, since it imports the email package

    try:
        return version(PACKAGE)
    except PackageNotFoundError:  # a folder on the path, not installed
        return None


def _not_installed(problem: str) -> EngineNotFound:
    return EngineNotFound(
        f"{problem}.",
        hint=f"Install it with: pip install '{PACKAGE}[server]'; or set a Python that has it in the settings.",
        remedies=(open_settings("engines.python"),),
    )
