"""The embedded engine: llama.cpp's server as a prebuilt Python module (xllamacpp), in a child process of ours.

Owns whether the module is installed and the child's command line; `embedded_child` runs in the child.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import msgspec

import sidecar
from sidecar.contract.engines import EngineName
from sidecar.contract.errors import EngineNotFound
from sidecar.contract.server_settings import FLAGS
from sidecar.engines.kinds.samplers import for_llama_cpp
from sidecar.engines.launch import Endpoint, EngineCommand, Launch, SamplingMembers
from sidecar.engines.setting_checks import BUILT_IN, is_jinja
from sidecar.host.environment import self_command
from sidecar.host.extras import how_to_get
from sidecar.host.sockets import HAS_UNIX_SOCKETS

MODULE = "xllamacpp"

CHILD = "engine-child"
"""The first argument with which this program becomes the child."""

_FORWARDED = (*(name for name, flag in FLAGS.items() if "embedded" in flag.kinds), "extra_args")
_UNSUPPORTED = tuple(name for name, flag in FLAGS.items() if "embedded" not in flag.kinds)


class Embedded(msgspec.Struct, frozen=True):
    """The installed module."""

    version: str | None
    name: EngineName = "embedded"
    path: str = MODULE
    unix_socket: bool = HAS_UNIX_SOCKETS
    refuses_long_prompts: bool = True
    continues_answers: bool = True
    templates: frozenset[str] | None = BUILT_IN
    chooses_flash_attn: bool = True

    def sampling(self, given: Mapping[str, Any], listed: Container[str] | None) -> SamplingMembers:
        return for_llama_cpp(given, listed)

    def command(self, launch: Launch, endpoint: Endpoint) -> EngineCommand:
        settings = {name: getattr(launch.settings, name) for name in _FORWARDED}
        job = {
            "model_path": str(launch.model_path),
            "model_name": launch.model_name,
            "host": str(endpoint.socket_path or endpoint.host),
            "port": endpoint.port,
            "ctx_size": launch.ctx_size,
            "parallel": launch.parallel,
            "n_gpu_layers": launch.n_gpu_layers,
            "jinja": launch.settings.chat_template is None or is_jinja(launch.settings.chat_template),
            **{name: value for name, value in settings.items() if value is not None},
            **({} if launch.cache_ram_mib is None else {"cache_ram_mib": launch.cache_ram_mib}),
        }
        argv = [*self_command(), CHILD, "embedded", json.dumps(job, ensure_ascii=False)]
        # As for llama-server: it reports the progress of the load and exits when its stdin is closed.
        env = {"LLAMA_SERVER_ROUTER_PORT": "0"} | (launch.settings.env or {})
        # With -m, Python imports modules from its working directory first, which must not be that of the host.
        home = Path(sidecar.__file__).parents[1]
        ignored = [name for name in _UNSUPPORTED if getattr(launch.settings, name) not in (None, [])]
        return EngineCommand(argv, env, cwd=home, ignored=ignored)


def find_embedded() -> Embedded:
    """The embedded engine. Its module is located, not imported. Blocks.

    Raises:
        EngineNotFound: the module is not installed.
    """
    if importlib.util.find_spec(MODULE) is None:
        raise EngineNotFound(
            f"The embedded engine's module {MODULE} is not installed.",
            hint=how_to_get("embedded"),
        )
    from importlib.metadata import PackageNotFoundError, version  # late, since it imports the email package

    try:
        return Embedded(version(MODULE))
    except PackageNotFoundError:  # a folder on the path, not installed
        return Embedded(None)
