"""Chapter 2 of the reports: what was accepted, and did something else than was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sidecar.contract.errors import InvalidParams
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.embedded import Embedded
from sidecar.engines.kinds.llama_server import LlamaServer
from sidecar.engines.kinds.llama_server_flags import parse_help
from sidecar.engines.setting_checks import BUILT_IN, check_settings, check_template_file, completed
from sidecar.engines.template_facts import facts_of
from tests.engines.recordings import help_text

BUILD = LlamaServer(Path("/bin/llama-server"), None, parse_help(help_text("2026-10")))


def refused(templates: frozenset[str] | None = BUILD.templates, **settings: Any) -> str | None:
    """The path of the setting that is refused; `None` if all are accepted."""
    try:
        check_settings(ServerSettings(**settings), templates)
    except InvalidParams as error:
        return str(error.data["path"]) if error.remedies else "no remedies"
    return None


# --- settings whose meaning another one changes ----------------------------------------------------------------------


def test_a_templates_name_is_that_template_and_not_the_whole_prompt() -> None:
    """ramalama#1106: with `--jinja` the prompt was the word "gemma", and no message reached the model."""
    assert {"gemma", "chatml", "mistral-v7-tekken", "seed_oss"} <= (BUILD.templates or set())
    assert BUILD.templates == Embedded(None).templates == BUILT_IN
    assert [refused(chat_template=one) for one in ("gemma", "{{ messages }}", "{% for m in messages %}")] == [None] * 3
    for neither in ("gema", "", " gemma", "Gemma", "You are a pirate.", "{ messages }"):
        assert refused(chat_template=neither) == "$.chat_template", neither
    assert refused(None, chat_template="llama-2") is None  # only the engine knows its names


def test_a_template_file_without_a_template_is_refused() -> None:
    """ramalama#1106, the same kind: a file that holds a name."""
    check_template_file("{{ messages }}")
    for text in ("gemma\n", "", "<|im_start|>"):
        with pytest.raises(InvalidParams) as caught:
            check_template_file(text)
        assert caught.value.data["path"] == "$.chat_template_file"


def test_a_named_template_takes_roles_and_texts_only() -> None:
    """ramalama#1106: what an engine says of the word "gemma" as a Jinja text is true of no template."""
    facts = facts_of("gemma", caps={"supports_system_role": False, "supports_tools": False}, vision=True)
    assert (facts.known, facts.tools, facts.system_role, facts.vision, facts.switches) == (False, False, True, True, ())


def test_settings_that_undo_each_other_are_refused_by_name() -> None:
    """ramalama#1106, the kind: a setting whose meaning another one changes."""
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"chat_template": "gemma", "chat_template_file": "/t.jinja"}, "$.chat_template"),
        ({"cache_type_v": "q8_0", "flash_attn": "off"}, "$.cache_type_v"),
        ({"cache_type_v": "q8_0", "flash_attn": False}, "$.cache_type_v"),
        ({"cache_type_v": "q8_0"}, None),
        ({"cache_type_v": "bf16", "flash_attn": "off"}, None),
        ({"cache_type_k": "q8_0", "flash_attn": "off"}, None),
        ({"batch_size": 256, "ubatch_size": 512}, "$.ubatch_size"),
        ({"batch_size": 512, "ubatch_size": 512}, None),
    ]
    assert [refused(**settings) for settings, _ in cases] == [path for _, path in cases]


def test_batches_follow_the_settings_that_need_them() -> None:
    """ramalama#1106, the kind: a physical batch was cut to the logical one, and a long text could not be embedded."""
    cases: list[tuple[dict[str, Any], int, tuple[int | None, int | None]]] = [
        ({}, 4096, (None, None)),
        ({"ubatch_size": 512}, 4096, (None, 512)),
        ({"ubatch_size": 4096}, 4096, (4096, 4096)),
        ({"embeddings": True}, 2048, (None, 2048)),
        ({"embeddings": True}, 4096, (4096, 4096)),
        ({"embeddings": True}, 0, (8192, 8192)),
        ({"embeddings": True, "batch_size": 64}, 4096, (64, 64)),
        ({"embeddings": True, "ubatch_size": 512}, 4096, (None, 512)),
    ]
    for settings, ctx_size, batches in cases:
        after = completed(ServerSettings(**settings), ctx_size)
        assert (after.batch_size, after.ubatch_size) == batches, settings
