"""What a model can do, as its header says.

Pure. Owns the rules: a model can use tools where its chat template asks for them, thinks where its template has words
for thoughts, sees and hears through a projector's encoders, and gives embeddings where it pools. The template is looked
at as text and never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sidecar.contract.models import Capability
from sidecar.models.gguf import GgufHeader

TEMPLATE = "tokenizer.chat_template"
"""The key of the template; with `.NAME` behind it, of further ones, such as tool_use."""

_BLOCK = re.compile(r"\{[{%](.*?)[}%]\}", re.DOTALL)
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_OTHER_TEXT = re.compile(r"""(["'])(?!tools\1)(?:\\.|(?!\1).)*\1""", re.DOTALL)
"""A text inside a block; that of the name alone stands where a template takes the tools out of a message."""

_TOOLS = re.compile(r"\btools\b")

_THOUGHTS = (
    "<think>",
    "</think>",
    "reasoning_content",
    "enable_thinking",
    "<|channel|>",  # gpt-oss
    "<|START_THINKING|>",  # Command A
    "[THINK]",  # Magistral
    "<seed:think>",
    "<|channel>thought",  # Gemma 4
)
"""What thoughts stand between, and the switches for them, in the templates of models that think."""

_POOLING_RANK = 4
"""llama.h's LLAMA_POOLING_TYPE_RANK; 1 to 3 are kinds of one vector a text, 0 and -1 none."""


def of_model(header: GgufHeader) -> tuple[Capability, ...]:
    """What a model can do by itself. Nothing of it is known of a header that was not read to its end."""
    templates = [
        value
        for key, value in header.metadata.items()
        if isinstance(value, str) and (key == TEMPLATE or key.startswith(f"{TEMPLATE}."))
    ]
    pooling = header.count(f"{header.architecture}.pooling_type") or 0
    can: list[Capability] = []
    if templates and pooling == 0:
        can.append("chat")
        if f"{TEMPLATE}.tool_use" in header.metadata or any(map(asks_for_tools, templates)):
            can.append("tools")
        if any(map(has_thoughts, templates)):
            can.append("reasoning")
    if pooling == _POOLING_RANK:
        can.append("reranking")
    elif pooling > 0:
        can.append("embeddings")
    return tuple(can)


def of_projector(header: GgufHeader) -> tuple[Capability, ...]:
    """What a projector adds to its model."""
    sees, hears = (header.metadata.get(f"clip.has_{sense}_encoder") for sense in ("vision", "audio"))
    can: list[Capability] = []
    if sees is True or (sees is None and hears is not True):  # of before there were others than those that see
        can.append("vision")
    if hears is True:
        can.append("audio")
    return tuple(can)


def together(model: Iterable[Capability], projectors: Iterable[Capability]) -> list[Capability]:
    """What a model can do with what is tied to it, in a steady order."""
    has = {*model, *projectors}
    order: tuple[Capability, ...] = ("chat", "tools", "reasoning", "vision", "audio", "embeddings", "reranking")
    return [one for one in order if one in has]


def asks_for_tools(template: str) -> bool:
    """Whether a chat template does something with the tools that a request brings."""
    blocks = _BLOCK.findall(_COMMENT.sub("", template))
    return any(_TOOLS.search(_OTHER_TEXT.sub("", block)) for block in blocks)


def has_thoughts(template: str) -> bool:
    """Whether a chat template knows of a model's thoughts."""
    return any(sign in template for sign in _THOUGHTS)
