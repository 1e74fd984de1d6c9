"""What is known of a model's chat template: which messages it takes, and which it refuses.

Owns the judgement of a template's text and of what its engine reports about it. Pure; the engine's properties are read
once a start (`lifecycle.loading`), and kept with the run.

llama-server analyses the template itself and reports `chat_template_caps` (its common/jinja/caps.cpp). What it does not
report is read from the text: a template that can refuse says so with `raise_exception`, the function that Hugging
Face's templates have for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from sidecar.engines.setting_checks import is_jinja

MAX_TEMPLATE_CHARACTERS = 1_000_000
"""How much of a template is judged. The largest known one has 60,000; a template comes with a model, and is not
trusted."""

_OPENING = re.compile(r"\{[{%#]")
_CLOSINGS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFUSES_SYSTEM = re.compile(r"""system['"]\s*$""")
_NINE_CHARACTERS = re.compile(r"length\s*!=\s*9\b")

_SWITCHES = (
    "enable_thinking",
    "thinking",
    "reasoning_effort",
    "reasoning_strength",
    "thinking_effort",
    "thinking_mode",
    "thinking_budget",
)
"""Variables with which the templates of reasoning models let a request choose."""

_SUBSTITUTE = (
    "{%-formessageinmessages-%}{{-'<|im_start|>'+message.role+''+message.content+'<|im_end|>'-}}{%-endfor-%}"
    "{%-ifadd_generation_prompt-%}{{-'<|im_start|>assistant'-}}{%-endif-%}"
)
"""The ChatML template that llama.cpp uses for a model without one (CHATML_TEMPLATE_SRC), without white space."""


class TemplateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's template, and the engine around it, can take. Where nothing is known, everything is assumed.

    Attributes:
        text: the template; "" if the engine does not report it.
        known: whether anything is known of the template.
        substitute: whether it is the engine's own, because the model has none.
        can_refuse: whether it raises errors about messages that it does not expect: two of one role in a row, a first
            message of the assistant, an unknown role.
        tools: whether it shows the model the tools of a request.
        tool_calls: whether it renders calls of tools, and their results, in earlier messages.
        parallel_tool_calls: whether one message may have several calls.
        short_call_ids: whether the ids of calls must have 9 letters and digits (Mistral).
        system_role: whether it takes a system message.
        reasoning: whether it handles reasoning in earlier answers.
        switches: the variables of a request with which reasoning is chosen, in the order of `_SWITCHES`.
        vision, audio: whether the engine takes images and sound; `None` if it does not report that.
        samplers: the parameters of sampling that the engine lists; `None` if it lists none.
    """

    text: str = ""
    known: bool = False
    substitute: bool = False
    can_refuse: bool = False
    tools: bool = True
    tool_calls: bool = True
    parallel_tool_calls: bool = True
    short_call_ids: bool = False
    system_role: bool = True
    reasoning: bool = True
    switches: tuple[str, ...] = ()
    vision: bool | None = None
    audio: bool | None = None
    samplers: frozenset[str] | None = None


def facts_of(
    text: str | None,
    *,
    tool_use_text: str | None = None,
    caps: Mapping[str, Any] | None = None,
    vision: bool | None = None,
    audio: bool | None = None,
) -> TemplateFacts:
    """The facts of a template.

    Args:
        text: the template; `None` if the engine does not report it.
        tool_use_text: a second template that the engine uses for requests with tools.
        caps: what the engine found out about the template by itself.
        vision, audio: what the engine reports of its inputs.
    """
    if not text:
        return TemplateFacts(vision=vision, audio=audio)
    if not is_jinja(text):  # the name of a built-in template: roles and texts only
        return TemplateFacts(tools=False, tool_calls=False, reasoning=False, vision=vision, audio=audio)
    blocks = [*_blocks(text[:MAX_TEMPLATE_CHARACTERS]), *_blocks((tool_use_text or "")[:MAX_TEMPLATE_CHARACTERS])]
    names = {name for block in blocks for name in _NAME.findall(block)}
    caps = {name: value for name, value in (caps or {}).items() if isinstance(value, bool)}
    return TemplateFacts(
        text=text,
        known=True,
        substitute="".join(text.replace("\\n", "").split()) == _SUBSTITUTE,
        can_refuse="raise_exception" in names,
        tools=caps.get("supports_tools", "tools" in names),
        tool_calls=caps.get("supports_tool_calls", "tool_calls" in names),
        parallel_tool_calls=caps.get("supports_parallel_tool_calls", True),
        short_call_ids=any(map(_NINE_CHARACTERS.search, blocks)),
        system_role=caps.get("supports_system_role", True) and not _refuses_system(blocks),
        reasoning="reasoning_content" in names or "thinking" in names,
        switches=tuple(name for name in _SWITCHES if name in names),
        vision=vision,
        audio=audio,
    )


def _blocks(text: str) -> Iterator[str]:
    """The statements and expressions of a template. Each character is read once, since templates are not trusted."""
    position = 0
    while opening := _OPENING.search(text, position):
        end = text.find(_CLOSINGS[opening[0]], opening.end())
        if end < 0:
            return
        if opening[0] != "{#":
            yield text[opening.end() : end].strip("-+ \t\r\n")
        position = end + 2


def _refuses_system(blocks: Sequence[str]) -> bool:
    """Whether the first thing that a template does with a system message is to raise an error (Gemma)."""
    return any(_REFUSES_SYSTEM.search(a) and b.startswith("raise_exception") for a, b in pairwise(blocks))
