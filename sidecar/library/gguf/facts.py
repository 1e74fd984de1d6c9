"""The facts of a header that the library stores.

Pure. Owns which facts these are. `header` owns the meaning of single keys, `model_kind` what a file is, `split_check`
the parts of split models, `projector_fit` the widths of projectors.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sidecar.contract.models import Capability, ModelKind, ProblemReason
from sidecar.library.gguf.file_names import split_of, stem_of
from sidecar.library.gguf.header import GgufHeader, together
from sidecar.library.gguf.model_kind import kind_of
from sidecar.library.gguf.projector_fit import Output, output_of
from sidecar.library.gguf.split_check import SplitFacts, split_facts

MAX_NAME_LETTERS = 300
"""The longest name in a header; longer texts are ignored."""

MAX_BASES = 8
"""The most base models of an adapter; usually it has one, rarely two."""


class HeaderFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of one header.

    Attributes:
        problem: why it cannot be read; then the other facts are unknown.
        reason, hint: of the problem.
        kind: what it is; `None` while too little was read.
        tensors: in this file.
        split: what it says of a split model.
        width: the length of the vectors that the model works on.
        output: what a projector makes.
        names: the model's name, and the repositories where it was published.
        bases: the same for the models that it was made from; for an adapter, those that it can be used with.
        capabilities: `None` if the header was not read to its end.
        complete: whether the header was read to its end.
    """

    problem: str | None = None
    reason: ProblemReason | None = None
    hint: str | None = None
    kind: ModelKind | None = None
    architecture: str | None = None
    quantization: str | None = None
    parameters: int | None = None
    tensors: int | None = None
    split: SplitFacts | None = None
    width: int | None = None
    output: Output | None = None
    context_length: int | None = None
    display_name: str | None = None
    names: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...] | None = None
    complete: bool = True

    @property
    def may_pass(self) -> bool:
        """Whether the problem is none of the file's own, so that the next read may find another."""
        return self.reason == "unreadable"


def facts_of(header: GgufHeader, file_name: str) -> HeaderFacts:
    """The facts of a header."""
    architecture, parameters = header.architecture, header.parameters
    split = split_facts(header)
    kind = kind_of(header, whole=split is None and split_of(stem_of(file_name)) is None)
    if parameters is None and header.complete and not header.tensors:
        parameters = 0  # the first part of a split model may hold the metadata only
    names = _texts(header, ("general.name", "general.repo_url", "general.source.repo_url"))
    return HeaderFacts(
        kind=kind,
        architecture=architecture,
        quantization=header.quantization(file_name),
        parameters=parameters,
        tensors=header.tensor_count,
        split=split,
        width=header.count(f"{architecture}.embedding_length"),
        output=output_of(header) if kind == "projector" else None,
        context_length=header.count(f"{architecture}.context_length"),
        display_name=next(iter(_texts(header, ("general.name",))), None),
        names=names,
        bases=_bases(header),
        capabilities=_capabilities(header, kind),
        complete=header.complete,
    )


def _capabilities(header: GgufHeader, kind: ModelKind | None) -> tuple[Capability, ...] | None:
    if kind == "projector":
        return header.projector_capabilities()
    if not header.complete:
        return None
    found = set(header.model_capabilities())
    if kind == "embedding":
        return tuple(together({"embeddings"}, ()))
    if kind == "reranking":
        return tuple(together({"reranking"}, ()))
    return tuple(together(found, ()))


def _bases(header: GgufHeader) -> tuple[str, ...]:
    count = min(header.count("general.base_model.count") or 0, MAX_BASES)
    keys = [f"general.base_model.{n}.{what}" for n in range(count) for what in ("name", "repo_url")]
    return _texts(header, keys)


def _texts(header: GgufHeader, keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for key in keys if (text := header.text(key)) and len(text) <= MAX_NAME_LETTERS)
