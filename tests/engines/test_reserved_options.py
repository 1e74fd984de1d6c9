"""What a host may not say to an engine past the sidecar."""

from __future__ import annotations

import re

import pytest
import xllamacpp

from sidecar.engines.kinds.llama_server_help import parse_help
from sidecar.engines.reserved_options import reserved_flag, reserved_variable
from tests.engines.recordings import help_text

OPENING = re.compile(
    r"untrusted environments|API key|IP addresses to listen|bind to the same port|CORS|SSL"
    r"|serve static|the server serves|download url|repository|access token|model path to load"
    r"|router server|port to listen|ssh:"
)
"""What llama-server's help says of flags that would open it, or have it run another model."""

NOT_OPENING = {"--spec-draft-hf", "--mmproj-url", "--mmproj-auto", "--hf-repo-draft", "--no-cors-credentials"}
"""Of those: a draft model or a projector, which `--offline` keeps from being fetched; and what closes more."""


@pytest.mark.parametrize(
    ("extra_args", "flag"),
    [
        ([], None),
        (["--seed", "1"], None),
        (["--grammar", "host"], None),
        (["--spec-default"], None),
        (["--no-webui", "--no-agent", "--slots", "--metrics"], None),
        (["--seed", "1", "--api-key", "s"], "--api-key"),
        (["--port=1"], "--port"),
        (["-m", "/other.gguf"], "-m"),
        (["--api_key_file", "/k"], "--api_key_file"),
        (["--hostnames", "::"], "--hostnames"),
        (["--fim-qwen-7b-spec"], "--fim-qwen-7b-spec"),
        (["--gpt-oss-20b-default"], "--gpt-oss-20b-default"),
        (["---host", "::"], "---host"),
    ],
)
def test_flags_that_are_not_for_a_host_to_give_are_found(extra_args: list[str], flag: str | None) -> None:
    found = reserved_flag(extra_args)
    assert (found and found[0]) == flag
    assert found is None or found[1].endswith(".")


def test_every_flag_whose_help_says_that_it_opens_the_engine_is_reserved() -> None:
    flags = parse_help(help_text("2026-10"))
    opening = {
        spelling
        for name in flags.long_names
        if (found := flags.get(name)) and OPENING.search(found[1].text)
        for spelling in found[1].names
        if not spelling.startswith(("--no-", "-no-")) and not NOT_OPENING & set(found[1].names)
    }
    assert {"--host", "--port", "--api-key", "--model"} <= opening
    assert [name for name in sorted(opening) if reserved_flag([name]) is None] == []


def test_every_parameter_of_the_embedded_engine_that_opens_it_is_reserved() -> None:
    opening = re.compile(r"host|port$|api|ssl|cors|tools|mcp|proxy|public|token$|models_|server_base|offline")
    names = [name for name in dir(xllamacpp.CommonParams()) if opening.search(name) and name != "no_host"]
    assert "api_keys" in names
    assert [name for name in names if reserved_flag([f"--{name}"]) is None] == []


@pytest.mark.parametrize(
    ("names", "reserved"),
    [
        ([], None),
        (["HF_TOKEN", "CUDA_VISIBLE_DEVICES", "LLAMA_CACHE", "LLAMA_CPP_LIB_PATH"], None),
        (["X", "LLAMA_API_KEY"], "LLAMA_API_KEY"),
        (["LLAMA_ARG_HOST"], "LLAMA_ARG_HOST"),
        (["llama_arg_tools"], "llama_arg_tools"),
        (["LLAMA_SERVER_ROUTER_PORT"], "LLAMA_SERVER_ROUTER_PORT"),
        (["CONFIG_FILE"], "CONFIG_FILE"),
    ],
)
def test_variables_that_are_not_for_a_host_to_give_are_found(names: list[str], reserved: str | None) -> None:
    assert reserved_variable(names) == reserved
