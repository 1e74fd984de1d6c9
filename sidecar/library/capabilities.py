"""What a model can do, as its header says.

Pure. Owns the rules: a model can use tools where its chat template asks for them, thinks where its template has words
for thoughts, sees and hears through a projector's encoders, and gives embeddings where it pools. The template is looked
at as text and never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sidecar.contract.models import Capability
from sidecar.library.gguf.header import GgufHeader

TEMPLATE = "tokenizer.chat_template"
"""The key of the template; with `.NAME` behind it, of further ones, such as tool_use."""

_OPENING = re.compile(r"\{[{%#]")
_CLOSINGS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_TOKEN = re.compile(r"""\\.|["']|\btools\b""", re.DOTALL)

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
    """Whether a chat template does something with the tools that a request, or a message of it, brings."""
    return any(map(_names_tools, _blocks(template)))


def _blocks(template: str) -> Iterator[str]:
    """What stands in a template to be carried out. Each letter is looked at once: templates come from anybody."""
    position = 0
    while opening := _OPENING.search(template, position):
        end = template.find(_CLOSINGS[opening[0]], opening.end())
        if end < 0:
            return
        if opening[0] != "{#":
            yield template[opening.end() : end]
        position = end + 2


def _names_tools(block: str) -> bool:
    """Whether `tools` stands in a block, as a name or as the key of one; not in the middle of a text."""
    quote, start = "", 0
    for token in _TOKEN.finditer(block):
        if quote:
            if token[0] == quote:
                if block[start : token.start()] == "tools":
                    return True
                quote = ""
        elif token[0] == "tools":
            return True
        elif token[0] in "\"'":
            quote, start = token[0], token.end()
    return False


def has_thoughts(template: str) -> bool:
    """Whether a chat template knows of a model's thoughts."""
    return any(sign in template for sign in _THOUGHTS)
