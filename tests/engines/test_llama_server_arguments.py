"""Settings as flags of builds of different ages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_flags import llama_server_arguments
from sidecar.engines.kinds.llama_server_help import parse_help
from sidecar.engines.launch import Endpoint, Launch
from tests.engines.recordings import help_text

BUILDS = {build: parse_help(help_text(build)) for build in ("2026-10", "2024-10", "2024-01")}

HOUSE = {
    "2026-10": [
        *(
            "--jinja",
            "--kv-unified",
            "--offline",
            "--no-ui",
            "--no-cors-credentials",
            "--log-prefix",
            "--log-timestamps",
        ),
        *("--cors-origins", "localhost", "--verbosity", "4"),
    ],
    "2024-10": ["--no-webui", "--log-prefix", "--log-timestamps"],
    "2024-01": [],
}


def arguments(
    build: str, *, endpoint: Endpoint | None = None, name: str = "Tiny", layers: int = -1, **settings: Any
) -> tuple[list[str], list[str]]:
    launch = Launch(
        engine=LlamaServer(Path("/bin/llama-server"), None, BUILDS[build]),
        model_name=name,
        model_path=Path("/models/tiny.gguf"),
        ctx_size=1024,
        parallel=2,
        n_gpu_layers=layers,
        settings=ServerSettings(**settings),
    )
    return llama_server_arguments(launch, endpoint or Endpoint(), BUILDS[build])


def plain(build: str, *, layers: list[str]) -> list[str]:
    """What a start with no settings gets."""
    alias = ["--alias", "Tiny"]
    address = ["--host", "127.0.0.1", "--port", "0"]
    size = ["--ctx-size", "1024", "--parallel", "2"]
    return [*HOUSE[build], "--model", "/models/tiny.gguf", *alias, *address, *size, *layers]


@pytest.mark.parametrize(
    ("build", "n_gpu_layers", "layers"),
    [
        ("2026-10", -1, ["--n-gpu-layers", "auto"]),
        ("2026-10", 0, ["--n-gpu-layers", "0"]),
        ("2026-10", 7, ["--n-gpu-layers", "7"]),
        ("2024-10", -1, ["--n-gpu-layers", "999"]),
        ("2024-01", 3, ["--n-gpu-layers", "3"]),
    ],
)
def test_a_plain_start_says_what_the_build_understands(build: str, n_gpu_layers: int, layers: list[str]) -> None:
    assert arguments(build, layers=n_gpu_layers) == (plain(build, layers=layers), [])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"threads": 3}, ["--threads", "3"]),
        ({"batch_size": 64}, ["--batch-size", "64"]),
        ({"ubatch_size": 32}, ["--ubatch-size", "32"]),
        ({"cache_type_k": "q8_0"}, ["--cache-type-k", "q8_0"]),
        ({"cache_type_v": "q4_0"}, ["--cache-type-v", "q4_0"]),
        ({"n_cpu_moe": 4}, ["--n-cpu-moe", "4"]),
        ({"chat_template": "{{ messages }}"}, ["--chat-template", "{{ messages }}"]),
        ({"chat_template_file": "/t.jinja"}, ["--chat-template-file", "/t.jinja"]),
        ({"reasoning_budget": 0}, ["--reasoning-budget", "0"]),
        ({"mmproj_path": "/p.gguf"}, ["--mmproj", "/p.gguf"]),
        ({"flash_attn": "auto"}, ["--flash-attn", "auto"]),
        ({"flash_attn": True}, ["--flash-attn", "on"]),
        ({"flash_attn": False}, ["--flash-attn", "off"]),
        ({"embeddings": True}, ["--embeddings"]),
        ({"embeddings": False}, []),
        ({"lora": ["/a.gguf"]}, ["--lora", "/a.gguf"]),
        ({"lora": ["/a,b.gguf", '"c".gguf', '/d"e.gguf']}, ["--lora", '"/a,b.gguf","""c"".gguf",/d"e.gguf']),
        ({"lora": []}, []),
        ({"rpc_servers": ["10.0.0.1:1", "b:2"]}, ["--rpc", "10.0.0.1:1,b:2"]),
        ({"rpc_servers": []}, []),
        ({"extra_args": ["--seed", "1"]}, ["--seed", "1"]),
    ],
)
def test_each_setting_is_its_flag(settings: dict[str, Any], words: list[str]) -> None:
    assert arguments("2026-10", **settings) == (plain("2026-10", layers=["--n-gpu-layers", "auto"]) + words, [])


@pytest.mark.parametrize(
    ("build", "settings", "words", "ignored"),
    [
        ("2024-10", {"flash_attn": "on"}, ["--flash-attn"], []),
        ("2024-10", {"flash_attn": "auto"}, [], []),
        ("2024-10", {"flash_attn": "off"}, [], []),
        ("2024-10", {"lora": ["/a.gguf", "/b.gguf"]}, ["--lora", "/a.gguf", "--lora", "/b.gguf"], []),
        ("2024-10", {"n_cpu_moe": 1, "reasoning_budget": 0}, [], ["n_cpu_moe", "reasoning_budget"]),
        ("2024-10", {"rpc_servers": ["a:1"], "mmproj_path": "/p.gguf"}, [], ["mmproj_path", "rpc_servers"]),
        ("2024-01", {"embeddings": True}, ["--embedding"], []),
        ("2024-01", {"flash_attn": "on", "ubatch_size": 1}, [], ["ubatch_size", "flash_attn"]),
        ("2024-01", {"extra_args": ["--no-such"]}, ["--no-such"], []),
    ],
)
def test_older_builds_are_spoken_to_in_their_own_words(
    build: str, settings: dict[str, Any], words: list[str], ignored: list[str]
) -> None:
    assert arguments(build, **settings) == (plain(build, layers=["--n-gpu-layers", "999"]) + words, ignored)


def test_the_name_of_a_template_counts_since_jinja_is_off() -> None:
    new, _ = arguments("2026-10", chat_template="gemma")
    assert ("--no-jinja" in new, "--jinja" in new, new[-2:]) == (True, False, ["--chat-template", "gemma"])
    old, _ = arguments("2024-10", chat_template="gemma")
    assert (old[-2:], "--jinja" in old, "--no-jinja" in old) == (["--chat-template", "gemma"], False, False)


def test_a_unix_socket_is_a_host_without_a_port() -> None:
    words, _ = arguments("2026-10", endpoint=Endpoint(socket_path=Path("/run/x.sock")))
    assert words[words.index("--host") :][:2] == ["--host", "/run/x.sock"]
    assert "--port" not in words


def test_a_name_that_would_be_taken_for_two_is_not_told() -> None:
    words, ignored = arguments("2026-10", name="one,two")
    assert ("--alias" in words, ignored) == (False, [])


def test_templates_come_after_the_switch_that_lets_them_be_jinja() -> None:
    words, _ = arguments("2026-10", chat_template="{{ messages }}")
    assert words.index("--jinja") < words.index("--chat-template")
