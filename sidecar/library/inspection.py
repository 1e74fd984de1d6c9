"""The facts of GGUF headers, for display, and a check of two files that are to be loaded together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sidecar.contract.errors import ModelInvalid, SidecarError
from sidecar.contract.models import InspectModelResult, ModelDetails, ModelPart
from sidecar.contract.remedies import change_params
from sidecar.library.catalogue import Model
from sidecar.library.gguf.facts import facts_of
from sidecar.library.gguf.header import TEMPLATE
from sidecar.library.gguf.projector_fit import width_mismatch
from sidecar.library.gguf.reader import read_header

_FROM_HEADER = ["layers", "embedding_length", "heads", "kv_heads", "experts", "vocabulary", "chat_template", "licence"]


def inspect(path: Path) -> InspectModelResult:
    """The facts of a GGUF file's header.

    Raises:
        ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary, readable file.
        ModelInvalid: it is damaged or not a GGUF file.
    """
    header = read_header(path)
    architecture = header.architecture
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    heads = header.count(f"{architecture}.attention.head_count")
    kv_heads = header.count(f"{architecture}.attention.head_count_kv")
    return InspectModelResult(
        path=str(path),
        size_bytes=header.file_bytes,
        gguf_version=header.version,
        tensor_count=header.tensor_count,
        name=header.text("general.name"),
        architecture=architecture,
        quantization=header.quantization(path.name),
        parameters=header.parameters,
        context_length=header.count(f"{architecture}.context_length"),
        layers=header.count(f"{architecture}.block_count"),
        embedding_length=header.count(f"{architecture}.embedding_length"),
        heads=heads,
        kv_heads=heads if kv_heads is None else kv_heads,  # the format's default: no grouped-query attention
        experts=header.count(f"{architecture}.expert_count"),
        vocabulary=_length(tokens) or header.count(f"{architecture}.vocab_size"),
        chat_template=header.text(TEMPLATE),
        licence=header.text("general.license"),
        metadata=header.metadata,
        kind=facts_of(header, path.name).kind,
    )


def check_projector(model: Path, projector: Path) -> None:
    """Check a projector that was named for a model, before an engine is started with both.

    Only the widths are compared, which the engine compares as well: whoever names a file may know more than a table of
    architectures does. Files that cannot be read are left to the engine.

    Raises:
        ModelInvalid: the projector is for models of another width.
    """
    try:
        facts = [facts_of(read_header(path, full=False), path.name) for path in (model, projector)]
    except SidecarError:
        return
    if facts[1].output and (problem := width_mismatch(facts[1].output, width=facts[0].width)):
        raise ModelInvalid(
            f"{projector.name} is no projector for {model.name}: {problem}.",
            hint="Name the projector that was made for this model, or start it without one.",
            remedies=(change_params("mmproj_path", "projector"),),
            reason="wrong_form",
        )


def details(model: Model) -> ModelDetails:
    """A model in the library, in detail."""
    try:
        header = inspect(model.parts[0].path)
    except SidecarError:  # its `problem` says why
        header = None
    values: dict[str, Any] = {name: getattr(header, name, None) for name in _FROM_HEADER}
    values |= msgspec.structs.asdict(model.info)
    values["parts"] = [ModelPart(path=str(part.path), size_bytes=part.size_bytes) for part in model.parts]
    values["projectors"] = [str(file.path) for file in model.projectors]
    return ModelDetails(**values)


def _length(value: object) -> int | None:
    if isinstance(value, dict):
        return value.get("length")
    return len(value) if isinstance(value, list) else None
