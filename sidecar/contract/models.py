"""Models: the GGUF files that can be run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from sidecar.contract.errors import ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied
from sidecar.contract.method import Method, Params, Result


class ListModels(Params):
    """The models in the library: the sidecar's own folder and those of the config."""


class ModelInfo(Result, kw_only=True):
    """A model in the library."""

    name: Annotated[str, Meta(description="What `model` parameters take.")]
    path: Annotated[str, Meta(description="The file; the first of a split model.")]
    size_bytes: Annotated[int, Meta(description="All files of the model together.")]
    files: Annotated[int, Meta(description="How many files it is split into.")]
    modified_at: float
    origin: Annotated[
        Literal["own", "folder"],
        Meta(description="`own`: in the sidecar's models folder. `folder`: in one of the config's."),
    ]
    mmproj_path: Annotated[str | None, Meta(description="A projector beside it, for images.")]
    valid: Annotated[bool, Meta(description="Whether its header could be read.")]
    problem: Annotated[str | None, Meta(description="Why not, in words.")]
    architecture: str | None
    quantization: Annotated[str | None, Meta(description="Such as Q4_K_M.")]
    parameters: Annotated[int | None, Meta(description="Number of weights.")]
    context_length: Annotated[int | None, Meta(description="Context the model was trained for, tokens.")]


class InspectModel(Params, kw_only=True):
    """What a GGUF file says of itself. Only its header is read."""

    path: Annotated[str, Meta(min_length=1, description="Absolute path.")]


class ModelInspection(Result, kw_only=True):
    """A GGUF header."""

    path: str
    size_bytes: int
    gguf_version: int
    tensor_count: int
    name: str | None
    architecture: str | None
    quantization: str | None
    parameters: int | None
    context_length: int | None
    layers: int | None
    embedding_length: int | None
    heads: int | None
    kv_heads: int | None
    experts: int | None
    vocabulary: Annotated[int | None, Meta(description="Number of tokens.")]
    chat_template: str | None
    licence: str | None
    metadata: Annotated[
        dict[str, Any],
        Meta(
            description='Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in all '
            'as {"text_bytes": n}.'
        ),
    ]


METHODS = (
    Method(name="list_models", params=ListModels, result=list[ModelInfo]),
    Method(
        name="inspect_model",
        params=InspectModel,
        result=ModelInspection,
        errors=(ModelNotFound, ModelInvalid, PathNotAllowed, PermissionDenied),
    ),
)
