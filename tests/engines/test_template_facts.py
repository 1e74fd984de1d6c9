"""What a chat template takes, read from its text and from what its engine reports."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.engines.template_facts import TemplateFacts, facts_of

CHATML = """{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '
' + message.content + '<|im_end|>
' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant
' -}}
{%- endif -%}"""

GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{{ message['content'] }}{% endfor %}"
)

MISTRAL = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% endif %}"
    "{% for message in messages %}{% if message.tool_calls is defined %}{% for call in message.tool_calls %}"
    "{% if call.id|length != 9 %}{{ raise_exception('Tool call IDs') }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}{% endif %}"
)

THINKING = "{# tools #}{% if enable_thinking %}<think>{% endif %}{{ message.reasoning_content }} tools"


@pytest.mark.parametrize(
    ("text", "caps", "expected"),
    [
        (CHATML, None, {"substitute": True, "tools": False, "tool_calls": False, "system_role": True}),
        (GEMMA, None, {"system_role": False, "can_refuse": True, "tools": False, "substitute": False}),
        (MISTRAL, None, {"short_call_ids": True, "can_refuse": True, "tools": True, "tool_calls": True}),
        (THINKING, None, {"reasoning": True, "switches": ("enable_thinking",), "tools": False, "can_refuse": False}),
        # What the engine found out itself counts, and what it says of no use is ignored.
        (MISTRAL, {"supports_tools": False, "supports_tool_calls": None}, {"tools": False, "tool_calls": True}),
        (CHATML, {"supports_parallel_tool_calls": False}, {"parallel_tool_calls": False}),
    ],
)
def test_a_template_is_judged_by_its_text_and_by_its_engine(
    text: str, caps: dict[str, Any] | None, expected: dict[str, Any]
) -> None:
    facts = facts_of(text, caps=caps)
    assert facts.known
    assert {name: getattr(facts, name) for name in expected} == expected


def test_of_an_engine_that_reports_no_template_everything_is_assumed() -> None:
    assert facts_of(None, vision=True) == facts_of("", vision=True) == TemplateFacts(vision=True)


@pytest.mark.parametrize("text", ["{%" * 500_000, "{#" * 500_000, "{{ '{%' " * 100_000])
def test_a_template_that_never_ends_is_judged_all_the_same(text: str) -> None:
    assert facts_of(text).known
