"""What models can do: by the shapes of templates that are published, and by what projectors say."""

# ruff: noqa: E501, RUF001 - templates are as they are published

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.contract.models import Capability
from sidecar.library.gguf.header import has_reasoning, together, uses_tools
from sidecar.library.gguf.reader import read_header

from .gguf_files import gguf_bytes, llama_metadata

CHATML = (
    """{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content']}}{% endfor %}"""
)

GEMMA_3 = """{{ bos_token }}{%- for message in messages -%}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}{%- endif -%}
{{ '<start_of_turn>' + role + '\\n' }}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- endif -%}{%- endfor -%}"""

LLAMA_3_1 = """{{- bos_token }}{%- if custom_tools is defined %}{%- set tools = custom_tools %}{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if tools is not none %}{{- "Environment: ipython\\n" }}{%- for t in tools %}{{- t | tojson(indent=4) }}{%- endfor %}{%- endif %}"""

QWEN_3 = """{%- if tools %}{{- '<|im_start|>system\\n' }}{{- "# Tools\\n\\n<tools>" }}{%- for tool in tools %}{{- tool | tojson }}
{%- endfor %}{%- endif %}{%- if message.reasoning_content is string %}{%- set reasoning_content = message.reasoning_content %}{%- endif %}
{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"""

DEEPSEEK_R1_DISTILL = """{% for message in messages %}{% if 'tool_calls' in message %}{% for tool in message['tool_calls'] %}
{{'<｜tool▁calls▁begin｜>' + tool['type']}}{% endfor %}{% endif %}{% set content = message['content'] %}
{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{% endfor %}
{% if add_generation_prompt %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"""

GPT_OSS = """{%- macro render_tool_namespace(namespace_name, tools) -%}{%- for tool in tools %}{%- endfor %}{%- endmacro -%}
{{- "# Valid channels: analysis, commentary, final." }}{{- "<|start|>assistant<|channel|>analysis<|message|>" }}"""

MISTRAL_7B_V3 = """{%- if tools is not none and (message == user_messages[-1]) %}{{- "[AVAILABLE_TOOLS] [" }}{%- for tool in tools %}
{%- set tool = tool.function %}{%- endfor %}{%- endif %}"""

MAGISTRAL = (
    """{%- set default_system_message = 'First draft your thinking process: [THINK]...[/THINK]' %}{{- bos_token }}"""
)

PHI_4_MINI = """{% for message in messages %}{% if message['role'] == 'system' and 'tools' in message and message['tools'] is not none %}
{{ '<|' + message['role'] + '|>' + message['content'] + '<|tool|>' + message['tools'] + '<|/tool|>' }}{% endif %}{% endfor %}"""

REFUSES_TOOLS = """{# tools are not for this one #}{% if message.role == 'tool' %}{{ raise_exception('no tools, please') }}{% endif %}
You may use tools as you like: {{ messages[0].content }}"""

TEMPLATES: dict[str, tuple[str, bool, bool]] = {
    "ChatML": (CHATML, False, False),
    "Gemma 3": (GEMMA_3, False, False),
    "Llama 3.1": (LLAMA_3_1, True, False),
    "Qwen 3": (QWEN_3, True, True),
    "DeepSeek R1 distilled": (DEEPSEEK_R1_DISTILL, False, True),
    "gpt-oss": (GPT_OSS, True, True),
    "Mistral 7B v0.3": (MISTRAL_7B_V3, True, False),
    "Magistral": (MAGISTRAL, False, True),
    "Phi-4 mini": (PHI_4_MINI, True, False),
    "one that refuses tools": (REFUSES_TOOLS, False, False),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_says_whether_its_model_uses_tools_and_thinks(name: str) -> None:
    template, tools, thinks = TEMPLATES[name]
    assert (uses_tools(template), has_reasoning(template)) == (tools, thinks)


@pytest.mark.parametrize(
    "template", ["{%" * 50_000, "{{ '" + "\\" * 100_000, "{#" * 50_000, "{{ \"'" * 30_000, "}}" * 9]
)
def test_a_hostile_template_is_looked_at_quickly(template: str) -> None:
    started = time.process_time()
    uses_tools(template)
    assert time.process_time() - started < 1  # one that went back and forth in it would take minutes


def can(path: Path, **changes: Any) -> list[Capability]:
    path.write_bytes(gguf_bytes(llama_metadata(**changes)))
    header = read_header(path)
    return list(header.projector_capabilities() if header.architecture == "clip" else header.model_capabilities())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["chat"]),
        ({"tokenizer__chat_template": None}, []),
        ({"tokenizer__chat_template": QWEN_3}, ["chat", "tools", "reasoning"]),
        ({"tokenizer__chat_template__tool_use": CHATML}, ["chat", "tools"]),  # Command R
        ({"general__architecture": "bert", "bert__pooling_type": 2, "tokenizer__chat_template": None}, ["embeddings"]),
        ({"general__architecture": "qwen3", "qwen3__pooling_type": 3}, ["embeddings"]),
        ({"general__architecture": "qwen3", "qwen3__pooling_type": 4}, ["reranking"]),
        ({"general__architecture": "qwen3", "qwen3__pooling_type": 0}, ["chat"]),
        ({"general__architecture": "clip"}, ["vision"]),
        ({"general__architecture": "clip", "clip__has_vision_encoder": True}, ["vision"]),
        ({"general__architecture": "clip", "clip__has_audio_encoder": True}, ["audio"]),
        (
            {"general__architecture": "clip", "clip__has_vision_encoder": True, "clip__has_audio_encoder": True},
            ["vision", "audio"],
        ),
        (
            {"general__architecture": "clip", "clip__has_vision_encoder": False, "clip__has_audio_encoder": True},
            ["audio"],
        ),
    ],
)
def test_a_header_says_what_its_model_can_do(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    assert can(tmp_path / "a.gguf", **changes) == expected


def test_capabilities_come_in_one_order() -> None:
    assert together(["reasoning", "chat"], ["audio", "vision", "vision"]) == ["chat", "reasoning", "vision", "audio"]
