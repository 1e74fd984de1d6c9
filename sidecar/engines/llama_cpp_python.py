"""llama-cpp-python's `llama_cpp.server`, in a child process of ours.

Owns which Python has it and the child's command line; `llama_cpp_python_child` is what runs in the child. That file
runs under whatever Python has the package, so it imports nothing of ours.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sidecar.contract.servers import EngineName
from sidecar.engines.launch import Command, Endpoint, Launch
from sidecar.host.environment import child_environment

logger = logging.getLogger(__name__)

MODULE = "llama_cpp"
CHILD = Path(__file__).with_name("llama_cpp_python_child.py")

ASK_SECONDS = 20.0
"""For a Python to say which version it has: it imports the package, native library and all."""

_HANDED_OVER = (
    "threads",
    "batch_size",
    "ubatch_size",
    "flash_attn",
    "cache_type_k",
    "cache_type_v",
    "chat_template",
    "chat_template_file",
    "lora",
    "embeddings",
    "mmproj_path",
    "rpc_servers",
    "extra_args",
)
_NOT_KNOWN = ("n_cpu_moe", "reasoning_budget")

_LIBRARY_VARIABLES = ("LLAMA_CPP_LIB_PATH",)
"""Where the package finds its native library when it was installed without one."""


@dataclass(frozen=True, slots=True)
class LlamaCppPython:
    """A Python that has the package."""

    python: str
    version: str | None
    name: EngineName = "llama-cpp-python"
    unix_socket: bool = os.name != "nt"
    refuses_long_prompts: bool = False

    @property
    def path(self) -> str:
        return self.python

    def command(self, launch: Launch, endpoint: Endpoint) -> Command:
        settings = {name: getattr(launch.settings, name) for name in _HANDED_OVER}
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
        ignored = [name for name in _NOT_KNOWN if getattr(launch.settings, name) is not None]
        if launch.parallel > 1:
            ignored.append("parallel")  # it answers one message at a time
        env = {name: os.environ[name] for name in _LIBRARY_VARIABLES if name in os.environ}
        argv = [self.python, str(CHILD), json.dumps(job, ensure_ascii=False)]
        return Command(argv, env | (launch.settings.env or {}), ignored)


def find_llama_cpp_python(python: str | None) -> LlamaCppPython | None:
    """The engine of a named Python, else of our own, if the package is installed there. Blocks."""
    if python is not None:
        version = _ask_version(python)
        return LlamaCppPython(python, version) if version else None
    if getattr(sys, "frozen", False) or importlib.util.find_spec(MODULE) is None:
        return None
    return LlamaCppPython(sys.executable, importlib.metadata.version("llama-cpp-python"))


def _ask_version(python: str) -> str | None:
    question = "import importlib.metadata as m; print(m.version('llama-cpp-python'))"
    try:
        done = subprocess.run(
            [python, "-c", question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASK_SECONDS,
            env=child_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("engines.python (%s) can not be run: %s", python, error)
        return None
    return done.stdout.decode().strip() or None
