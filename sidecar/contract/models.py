"""Models: the GGUF files that can be run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, field

from sidecar.contract.errors import (
    DeleteNotAllowed,
    DiskFull,
    ModelInUse,
    ModelInvalid,
    ModelNotFound,
    PathNotAllowed,
    PermissionDenied,
    StorageError,
)
from sidecar.contract.method import PROGRESS, CancelledEvent, ErrorEvent, Event, Method, Params, Result
from sidecar.contract.servers import CHANNEL, Channel

ForeignOrigin = Literal["huggingface", "lm_studio", "ollama", "jan", "llama_cpp"]
"""Other programs whose models are found and used in place."""

FOREIGN: tuple[ForeignOrigin, ...] = get_args(ForeignOrigin)

ModelOrigin = Literal["own", "folder", ForeignOrigin]

Capability = Literal["chat", "tools", "reasoning", "vision", "audio", "embeddings", "reranking"]

ModelKind = Literal[
    "chat",
    "completion",
    "embedding",
    "reranking",
    "draft",
    "projector",
    "adapter",
    "control_vector",
    "imatrix",
    "vocabulary",
    "merged",
    "diffusion",
    "text_encoder",
    "speech",
    "other",
]
"""What a GGUF file is, by its header.

- chat: a language model with a chat template. completion: one without, most likely a base model.
- embedding, reranking: it makes vectors or scores of texts, and writes none.
- draft: the head of a larger model that guesses ahead for it (MTP, EAGLE, DFlash); it cannot run alone.
- projector: gives a model eyes or ears. adapter: LoRA. control_vector, imatrix: made for, or from, a model.
- vocabulary: a tokenizer without weights.
- merged: a language model and its projector in one file, which Ollama makes and llama.cpp does not load.
- diffusion: a generator of images or video or a part of one, or a language model that writes by diffusion.
- text_encoder: the text encoder of another model, such as T5 or CLIP. speech: for speech, such as Whisper.
- other: a GGUF file of none of these, without the tensors that a language model has.
"""

ProblemReason = Literal["damaged", "incomplete", "wrong_form", "not_a_model", "unreadable"]
"""Why a file cannot be run. `damaged`: another download helps. `incomplete`: files of a split model are missing.
`wrong_form`: it is sound, and another format, or renamed, or joined. `not_a_model`: it is a GGUF file of another kind.
`unreadable`: it could not be read this time."""

_KIND = Meta(description="What it is, by its header; null until the whole header has been read.")

_MODEL = Meta(min_length=1, description="Name, file name or path, as in list_models.")


class ListModelsParams(Params, kw_only=True):
    """List the models in the library: the sidecar's own, those in the config's folders, and those of other programs.

    Models of other programs are used in place: their files are never copied or written to. The list is in the order of
    names, and an answer has at most 8 MiB: a host with more than ten thousand models asks for the next page until one
    is empty.
    """

    limit: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Maximum number of models. Default: all that fit.")
    ] = None
    cursor: Annotated[
        Annotated[str, Meta(max_length=10_000)] | None,
        Meta(description="`name` of the last model of the previous page; the list continues after it."),
    ] = None


class ModelInfo(Result, kw_only=True):
    """A model in the library."""

    name: Annotated[str, Meta(description="For `model` parameters.")]
    path: Annotated[str, Meta(description="The file; the first file of a split model.")]
    size_bytes: Annotated[int, Meta(description="Total size of all files of the model.")]
    files: Annotated[int, Meta(description="Number of files it is split into.")]
    modified_at: float
    origin: Annotated[
        ModelOrigin,
        Meta(
            description="`own`: in the sidecar's models folder. `folder`: in one of the config's folders. "
            "Others: stored by the program of that name; `huggingface` is its cache."
        ),
    ]
    mmproj_path: Annotated[str | None, Meta(description="The projector beside it, for images or audio.")]
    valid: Annotated[bool, Meta(description="Whether an engine can run it, by its header.")]
    problem: Annotated[str | None, Meta(description="Why it is not valid, in a sentence.")]
    architecture: str | None
    quantization: Annotated[str | None, Meta(description="Such as Q4_K_M.")]
    parameters: Annotated[int | None, Meta(description="Number of weights.")]
    context_length: Annotated[int | None, Meta(description="Context the model was trained for, tokens.")]
    display_name: Annotated[str | None, Meta(description="Its name in its program or its header.")] = None
    repo: Annotated[str | None, Meta(description="The repository it came from, such as ORG/NAME, if known.")] = None
    capabilities: Annotated[
        list[Capability] | None,
        Meta(
            description="From header, chat template and projector. null until the whole header has been read; a later "
            "listing then has them."
        ),
    ] = None
    adapters: Annotated[
        list[str],
        Meta(description="LoRA files whose headers name this model, for `lora` of start_llama_server."),
    ] = field(default_factory=list)
    other_paths: Annotated[list[str], Meta(description="Other paths of the same content: links, and known copies.")] = (
        field(default_factory=list)
    )
    aliases: Annotated[
        list[str], Meta(description="Other names for it, such as that of a copy in another program.")
    ] = field(default_factory=list)
    kind: Annotated[ModelKind | None, _KIND] = None
    problem_reason: Annotated[ProblemReason | None, Meta(description="Why it is not valid, as a word.")] = None
    hint: Annotated[str | None, Meta(description="What to do about its problem, in a sentence.")] = None
    no_projector: Annotated[
        str | None,
        Meta(description="Why a projector that lies near it is not used for it, in a sentence; null if none does."),
    ] = None


class GetModelParams(Params, kw_only=True):
    """Return a model with the details in its header, which is read completely."""

    model: Annotated[str, _MODEL]


class ModelPart(Result, kw_only=True):
    """A file of a model."""

    path: str
    size_bytes: int


class ModelDetails(ModelInfo, kw_only=True):
    """A model in the library, in detail. Values that a damaged header does not provide are null."""

    parts: list[ModelPart]
    projectors: Annotated[list[str], Meta(description="Matching projectors; the first is used.")]
    layers: int | None
    embedding_length: int | None
    heads: int | None
    kv_heads: int | None
    experts: int | None
    vocabulary: Annotated[int | None, Meta(description="Number of tokens.")]
    chat_template: str | None
    licence: str | None


class ScanModelsParams(Params, kw_only=True):
    """Scan all sources, as list_models does, and report what each one has and what was skipped."""

    verify: Annotated[
        bool | None,
        Meta(
            description="Also read all headers completely, and hash whole files that may be copies of each other: "
            "copies are then listed as one model. Takes minutes for large models. Default: false."
        ),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class LibrarySource(Result, kw_only=True):
    """A place that is scanned for models."""

    origin: ModelOrigin
    path: str
    found: Annotated[bool, Meta(description="Whether the place exists.")]
    files: Annotated[int, Meta(description="GGUF files there, each counted once.")]
    models: Annotated[int, Meta(description="Models listed as being there; copies count where they are listed.")]
    problems: Annotated[list[str], Meta(description="What was skipped there, and why; at most 20.")]


class ScanModelsResult(Result, kw_only=True):
    """The result of a scan."""

    models: int
    damaged: Annotated[int, Meta(description="Models that are not valid, for whatever reason.")]
    unread: Annotated[int, Meta(description="Models whose headers have not been read completely yet.")]
    sources: list[LibrarySource]
    possible_copies: Annotated[
        list[list[str]],
        Meta(description="Names of models with the same size and beginning; `verify` checks whether they are copies."),
    ]
    took_ms: Annotated[float, Meta(description="Duration of the scan, without the reads of `verify`.")]


class ModelWork(Event, tag="working", kw_only=True):
    """Bytes are being read or copied."""

    merge = PROGRESS

    done_bytes: int
    total_bytes: int


class ScanDone(Event, tag="done", kw_only=True):
    """The scan's result is in the response."""

    models: int


class ImportModelParams(Params, kw_only=True):
    """Import a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.

    Existing files are never overwritten. A model of another program can be linked or copied, not moved.
    """

    path: Annotated[str, Meta(min_length=1, description="Absolute path of the file.")]
    mode: Annotated[
        Literal["link", "copy", "move"] | None,
        Meta(
            description="`link` (default): a hard link, which uses no disk space; a symbolic link across file systems, "
            "which breaks if the file is removed. `copy`: a separate file. `move`: the file itself."
        ),
    ] = None
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=150)] | None,
        Meta(description="Name of the model. Default: the file's name, or its name in its program."),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class ImportDone(Event, tag="done", kw_only=True):
    """The model is in the library; the response describes it."""

    model: str


class DeleteModelParams(Params, kw_only=True):
    """Delete a model in the sidecar's own folder. restore_model can restore it until it is purged.

    Files of other programs and in the config's folders are never deleted: of a link in our folder, only the link is.
    """

    model: Annotated[str, _MODEL]
    permanently: Annotated[bool | None, Meta(description="Delete immediately and permanently. Default: false.")] = None
    dry_run: Annotated[bool | None, Meta(description="Only report what would be deleted. Default: false.")] = None


class DeletedFile(Result, kw_only=True):
    """A file that is deleted."""

    path: str
    size_bytes: int
    frees_bytes: Annotated[int, Meta(description="0 if it is a link, or the content has another hard link.")]
    link: Annotated[bool, Meta(description="Whether it is a link; its target is kept.")]


class KeptFile(Result, kw_only=True):
    """A file of the model that is kept."""

    path: str
    used_by: Annotated[list[str], Meta(description="Other models that use it.")]


class DeletedModel(Result, kw_only=True):
    """What was or would be deleted."""

    model: str
    deleted: Annotated[bool, Meta(description="false for a dry run.")]
    files: list[DeletedFile]
    frees_bytes: Annotated[int, Meta(description="Disk space freed: immediately if permanent, otherwise when purged.")]
    kept: list[KeptFile]
    other_paths: Annotated[list[str], Meta(description="Paths where the same content is kept.")]
    used_by_servers: Annotated[list[str], Meta(description="Ids of running servers that use it.")]
    trash_id: Annotated[str | None, Meta(description="For restore_model; null if permanent or a dry run.")]
    purged_at: Annotated[float | None, Meta(description="Until when it can be restored.")]


class TrashedModel(Result, kw_only=True):
    """A deleted model that can be restored."""

    trash_id: str
    model: str
    path: Annotated[str, Meta(description="Its path before it was deleted.")]
    files: int
    size_bytes: int
    deleted_at: float
    purged_at: Annotated[
        float, Meta(description="When it is deleted permanently: `models.deleted_retention_days` later.")
    ]


class ListDeletedModelsParams(Params):
    """List the deleted models that can be restored, the last deleted first."""


class RestoreModelParams(Params, kw_only=True):
    """Undo delete_model: the files are moved back to where they were."""

    model: Annotated[
        str, Meta(min_length=1, description="`trash_id`, or a name: of models with this name, the last deleted.")
    ]


class EmptyTrashParams(Params, kw_only=True):
    """Delete permanently what restore_model could restore."""

    model: Annotated[str | None, Meta(description="Only this model: `trash_id` or name. Default: everything.")] = None


class EmptyTrashResult(Result, kw_only=True):
    """What was deleted."""

    models: int
    freed_bytes: int


class InspectModelParams(Params, kw_only=True):
    """Return the header of a GGUF file. Nothing else of the file is read."""

    path: Annotated[str, Meta(min_length=1, description="Absolute path.")]


class InspectModelResult(Result, kw_only=True):
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
            description='Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in total '
            'as {"text_bytes": n}.'
        ),
    ]
    kind: Annotated[ModelKind | None, _KIND] = None


SCAN_EVENTS = (ModelWork, ScanDone, ErrorEvent, CancelledEvent)
IMPORT_EVENTS = (ModelWork, ImportDone, ErrorEvent, CancelledEvent)

_FILE_ERRORS = (ModelNotFound, PathNotAllowed, PermissionDenied, DiskFull, StorageError)

METHODS = (
    Method(name="list_models", params=ListModelsParams, result=list[ModelInfo]),
    Method(
        name="get_model",
        params=GetModelParams,
        result=ModelDetails,
        errors=(ModelNotFound, PathNotAllowed, PermissionDenied),
    ),
    Method(
        name="scan_models",
        params=ScanModelsParams,
        result=ScanModelsResult,
        events=SCAN_EVENTS,
    ),
    Method(
        name="inspect_model",
        params=InspectModelParams,
        result=InspectModelResult,
        errors=(ModelNotFound, ModelInvalid, PathNotAllowed, PermissionDenied),
    ),
    Method(
        name="import_model",
        params=ImportModelParams,
        result=ModelInfo,
        errors=(*_FILE_ERRORS, ModelInvalid),
        events=IMPORT_EVENTS,
    ),
    Method(
        name="delete_model",
        params=DeleteModelParams,
        result=DeletedModel,
        errors=(*_FILE_ERRORS, DeleteNotAllowed, ModelInUse),
    ),
    Method(name="list_deleted_models", params=ListDeletedModelsParams, result=list[TrashedModel]),
    Method(name="restore_model", params=RestoreModelParams, result=ModelInfo, errors=_FILE_ERRORS),
    Method(name="empty_trash", params=EmptyTrashParams, result=EmptyTrashResult, errors=_FILE_ERRORS),
)
