"""A GGUF header, and its model's facts: size, quantization, capabilities.

Pure. Owns the meaning of a header's keys and numbers. A model can use tools if its chat template uses them, can reason
if its template has markers for reasoning, has vision and audio through a projector's encoders, and makes embeddings if
it pools. Templates are searched as text and never run. Knows neither the file format (`reader`) nor the library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import msgspec

from sidecar.contract.models import Capability
from sidecar.library.gguf.file_names import quantization_in

MAX_COUNT = 2**63 - 1
"""The limit of ggml's int64, and of JSON writers."""

TEMPLATE = "tokenizer.chat_template"
"""The key of the template; with `.NAME` appended, that of a further one, such as tool_use."""

# llama.h's llama_ftype, with the names of published files
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
_GUESSED_FILE_TYPE = 1024  # a flag in the number: the type was guessed when the file was made

_OPENING = re.compile(r"\{[{%#]")
_CLOSINGS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_TOKEN = re.compile(r"""\\.|["']|\btools\b""", re.DOTALL)

_REASONING_MARKS = (
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
"""Markers of reasoning, and switches for it, in the templates of reasoning models."""

POOLING_RANK = 4
"""llama.h's LLAMA_POOLING_TYPE_RANK; 1 to 3 make one vector for each text, 0 and -1 do not pool."""


class TensorInfo(msgspec.Struct, frozen=True, gc=False):
    """One tensor. `offset` counts from the start of the data; `size_bytes` is `None` for an unknown type."""

    name: str
    dims: tuple[int, ...]
    type: str
    offset: int
    size_bytes: int | None

    @property
    def elements(self) -> int:
        """The number of its weights."""
        return prod(self.dims)


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header.

    Attributes:
        metadata: every key; long arrays as {"array": type, "length": n}, long texts as {"text_bytes": n}.
        complete: False if a quick read ended before the tensors: then `tensors` is empty, keys may be missing, and
            the file may be truncated.
        followed: whether another GGUF file begins where the tensors' data ends.
    """

    version: int
    tensor_count: int
    metadata: dict[str, Any]
    tensors: tuple[TensorInfo, ...]
    file_bytes: int
    complete: bool
    followed: bool = False

    @property
    def parameters(self) -> int | None:
        """Number of weights in this file; `None` if neither its tensors nor its metadata contain it."""
        return sum(tensor.elements for tensor in self.tensors) or self.count("general.parameter_count") or None

    def text(self, key: str) -> str | None:
        """The value of a key, if it is text and not empty."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None

    def count(self, key: str) -> int | None:
        """The value of a key, if it is a non-negative integer; of a list with one for each layer, the largest."""
        value = self.metadata.get(key)
        numbers = value if isinstance(value, list) else [value]
        counts = [n for n in numbers if type(n) is int and 0 <= n <= MAX_COUNT]
        return max(counts) if counts and len(counts) == len(numbers) else None

    @property
    def architecture(self) -> str | None:
        """The architecture, such as llama or qwen3; `clip` for a projector."""
        return self.text("general.architecture")

    @property
    def pooling(self) -> int | None:
        """How it makes one vector of a text, as llama.h's LLAMA_POOLING_TYPE; 0 if it does not."""
        return self.count(f"{self.architecture}.pooling_type")

    def quantization(self, file_name: str) -> str | None:
        """The quantization, such as Q4_K_M: from the metadata, else the type of most weights, else from the name."""
        file_type = self.count("general.file_type")
        if file_type is not None and (name := _FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
            return name
        weights: dict[str, int] = {}
        for tensor in self.tensors:
            weights[tensor.type] = weights.get(tensor.type, 0) + tensor.elements
        return max(weights, key=weights.__getitem__) if weights else quantization_in(file_name)

    def model_capabilities(self) -> tuple[Capability, ...]:
        """The capabilities of the model itself; only valid for a header that was read to its end."""
        templates = [
            value
            for key, value in self.metadata.items()
            if isinstance(value, str) and (key == TEMPLATE or key.startswith(f"{TEMPLATE}."))
        ]
        pooling = self.pooling or 0
        found: list[Capability] = []
        if templates and pooling == 0:
            found.append("chat")
            if f"{TEMPLATE}.tool_use" in self.metadata or any(map(uses_tools, templates)):
                found.append("tools")
            if any(map(has_reasoning, templates)):
                found.append("reasoning")
        if pooling == POOLING_RANK:
            found.append("reranking")
        elif pooling > 0:
            found.append("embeddings")
        return tuple(found)

    def projector_capabilities(self) -> tuple[Capability, ...]:
        """The capabilities that a projector adds to its model."""
        sees, hears = (self.metadata.get(f"clip.has_{sense}_encoder") for sense in ("vision", "audio"))
        found: list[Capability] = []
        if sees is True or (sees is None and hears is not True):  # old files have no flags, and are all for vision
            found.append("vision")
        if hears is True:
            found.append("audio")
        return tuple(found)


def together(model: Iterable[Capability], projectors: Iterable[Capability]) -> list[Capability]:
    """The capabilities of a model with its projectors, in a fixed order."""
    has = {*model, *projectors}
    order: tuple[Capability, ...] = ("chat", "tools", "reasoning", "vision", "audio", "embeddings", "reranking")
    return [one for one in order if one in has]


def uses_tools(template: str) -> bool:
    """Whether a chat template uses the tools of a request or of a message."""
    return any(map(_names_tools, _blocks(template)))


def _blocks(template: str) -> Iterator[str]:
    """The statements of a template. Each character is read once, since templates are not trusted."""
    position = 0
    while opening := _OPENING.search(template, position):
        end = template.find(_CLOSINGS[opening[0]], opening.end())
        if end < 0:
            return
        if opening[0] != "{#":
            yield template[opening.end() : end]
        position = end + 2


def _names_tools(block: str) -> bool:
    """Whether a block contains `tools` as a name or as a key, not as part of a text."""
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


def has_reasoning(template: str) -> bool:
    """Whether a chat template handles a model's reasoning."""
    return any(mark in template for mark in _REASONING_MARKS)
