"""A GGUF header, and what it says about its model: size, quantization, capabilities.

Pure. Owns what keys and numbers of a header mean. A model can use tools where its chat template uses them, reasons
where its template has markers for reasoning, sees and hears through a projector's encoders, and gives embeddings where
it pools. Templates are searched as text and never run. Knows neither the file format (`reader`) nor the library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import prod
from typing import Any, Literal

import msgspec

from sidecar.contract.models import Capability
from sidecar.library.gguf.file_names import PROJECTOR, quantization_in

MAX_COUNT = 2**63 - 1
"""ggml counts in int64, and JSON writers stop there, too."""

TEMPLATE = "tokenizer.chat_template"
"""The key of the template; with `.NAME` behind it, of further ones, such as tool_use."""

# llama.h's llama_ftype, under the names that files are published with
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
_GUESSED_FILE_TYPE = 1024  # a flag in the number: the type was not in the file that this one was made from

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
"""What encloses reasoning, and the switches for it, in the templates of models that reason."""

MAX_NAME_LETTERS = 300
"""Of a model's name in a header; longer ones are no names."""

MAX_BASES = 8
"""Models that an adapter was made for; it is one, hardly ever two."""

_NOT_MODELS = frozenset({"imatrix"})  # values of general.type that no engine can run

_POOLING_RANK = 4
"""llama.h's LLAMA_POOLING_TYPE_RANK; 1 to 3 are kinds of one vector a text, 0 and -1 none."""


class TensorInfo(msgspec.Struct, frozen=True, gc=False):
    """One tensor. `offset` counts from the start of the data; `size_bytes` is null for a type not known here."""

    name: str
    dims: tuple[int, ...]
    type: str
    offset: int
    size_bytes: int | None

    @property
    def elements(self) -> int:
        """How many weights it has."""
        return prod(self.dims)


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header.

    Attributes:
        metadata: every key; long arrays as {"array": type, "length": n}, long texts as {"text_bytes": n}.
        complete: false where a quick reading ended before the tensors: `tensors` is empty then, keys may be missing,
            and it is not known whether the file is cut short.
    """

    version: int
    tensor_count: int
    metadata: dict[str, Any]
    tensors: tuple[TensorInfo, ...]
    file_bytes: int
    complete: bool

    @property
    def parameters(self) -> int | None:
        """Number of weights in this file; null where neither its tensors nor its metadata say it."""
        return sum(tensor.elements for tensor in self.tensors) or self.count("general.parameter_count") or None

    def text(self, key: str) -> str | None:
        """The value of a key, if it is text and not empty."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None

    def count(self, key: str) -> int | None:
        """The value of a key, if it is a number from 0 on; of one with a number a layer, the largest."""
        value = self.metadata.get(key)
        numbers = value if isinstance(value, list) else [value]
        counts = [n for n in numbers if type(n) is int and 0 <= n <= MAX_COUNT]
        return max(counts) if counts and len(counts) == len(numbers) else None

    @property
    def architecture(self) -> str | None:
        """Such as llama or qwen3; `clip` for a projector."""
        return self.text("general.architecture")

    def quantization(self, file_name: str) -> str | None:
        """Such as Q4_K_M: as the file says, else the type most of its weights have, else by its name."""
        file_type = self.count("general.file_type")
        if file_type is not None and (name := _FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
            return name
        weights: dict[str, int] = {}
        for tensor in self.tensors:
            weights[tensor.type] = weights.get(tensor.type, 0) + tensor.elements
        return max(weights, key=weights.__getitem__) if weights else quantization_in(file_name)

    def model_capabilities(self) -> tuple[Capability, ...]:
        """What a model can do by itself. Nothing is known of a header that was not read to its end."""
        templates = [
            value
            for key, value in self.metadata.items()
            if isinstance(value, str) and (key == TEMPLATE or key.startswith(f"{TEMPLATE}."))
        ]
        pooling = self.count(f"{self.architecture}.pooling_type") or 0
        found: list[Capability] = []
        if templates and pooling == 0:
            found.append("chat")
            if f"{TEMPLATE}.tool_use" in self.metadata or any(map(uses_tools, templates)):
                found.append("tools")
            if any(map(has_reasoning, templates)):
                found.append("reasoning")
        if pooling == _POOLING_RANK:
            found.append("reranking")
        elif pooling > 0:
            found.append("embeddings")
        return tuple(found)

    def projector_capabilities(self) -> tuple[Capability, ...]:
        """What a projector adds to its model."""
        sees, hears = (self.metadata.get(f"clip.has_{sense}_encoder") for sense in ("vision", "audio"))
        found: list[Capability] = []
        if sees is True or (sees is None and hears is not True):  # of before there were others than those that see
            found.append("vision")
        if hears is True:
            found.append("audio")
        return tuple(found)


class HeaderFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the library keeps of one header.

    Attributes:
        problem: why it cannot be read; nothing else is known then.
        names: the model's name, and the place it was published at.
        bases: the same of the models that it was made from; an adapter's are those that it is for.
        capabilities: what it adds to a model; `None` where the header was not read so far.
        complete: whether the header was read to its end.
    """

    problem: str | None = None
    kind: Literal["model", "projector", "adapter", "other"] = "model"
    architecture: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    display_name: str | None = None
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...] | None = None
    complete: bool = True


def facts_of(header: GgufHeader, file_name: str) -> HeaderFacts:
    """The facts out of a header."""
    architecture, kind, parameters = header.architecture, _kind(header), header.parameters
    if parameters is None and header.complete and not header.tensors:
        parameters = 0  # the first part of a split model may hold the metadata only
    names = _texts(header, ("general.name", "general.repo_url", "general.source.repo_url"))
    capabilities = header.projector_capabilities() if kind == "projector" else header.model_capabilities()
    return HeaderFacts(
        kind=kind,
        architecture=architecture,
        quantization=header.quantization(file_name),
        parameters=parameters,
        context_length=header.count(f"{architecture}.context_length"),
        display_name=next(iter(_texts(header, ("general.name",))), None),
        names=names,
        bases=_bases(header),
        capabilities=capabilities if header.complete or kind == "projector" else None,
        complete=header.complete,
    )


def _kind(header: GgufHeader) -> Literal["model", "projector", "adapter", "other"]:
    general_type = header.text("general.type")
    if general_type == PROJECTOR or header.architecture == "clip":
        return "projector"
    if general_type == "adapter":
        return "adapter"
    return "other" if general_type in _NOT_MODELS else "model"


def _bases(header: GgufHeader) -> tuple[str, ...]:
    count = min(header.count("general.base_model.count") or 0, MAX_BASES)
    keys = [f"general.base_model.{n}.{what}" for n in range(count) for what in ("name", "repo_url")]
    return _texts(header, keys)


def _texts(header: GgufHeader, keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for key in keys if (text := header.text(key)) and len(text) <= MAX_NAME_LETTERS)


def together(model: Iterable[Capability], projectors: Iterable[Capability]) -> list[Capability]:
    """What a model can do with its projectors, in a steady order."""
    has = {*model, *projectors}
    order: tuple[Capability, ...] = ("chat", "tools", "reasoning", "vision", "audio", "embeddings", "reranking")
    return [one for one in order if one in has]


def uses_tools(template: str) -> bool:
    """Whether a chat template does something with the tools that a request, or a message of it, brings."""
    return any(map(_names_tools, _blocks(template)))


def _blocks(template: str) -> Iterator[str]:
    """The statements of a template. Each letter is read once: templates come from anybody."""
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


def has_reasoning(template: str) -> bool:
    """Whether a chat template treats a model's reasoning."""
    return any(mark in template for mark in _REASONING_MARKS)
