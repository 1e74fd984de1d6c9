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
"""Other programs whose models are found where they lie."""

FOREIGN: tuple[ForeignOrigin, ...] = get_args(ForeignOrigin)

ModelOrigin = Literal["own", "folder", ForeignOrigin]

Capability = Literal["chat", "tools", "reasoning", "vision", "audio", "embeddings", "reranking"]

_MODEL = Meta(min_length=1, description="Name, file name or path, as in list_models.")


class ListModelsParams(Params):
    """The models in the library: the sidecar's own, those in the config's folders, and what other programs keep.

    Those of other programs are used where they lie: nothing is copied, and nothing of theirs is ever written to.
    """


class ModelInfo(Result, kw_only=True):
    """A model in the library."""

    name: Annotated[str, Meta(description="What `model` parameters take.")]
    path: Annotated[str, Meta(description="The file; the first of a split model.")]
    size_bytes: Annotated[int, Meta(description="All files of the model together.")]
    files: Annotated[int, Meta(description="How many files it is split into.")]
    modified_at: float
    origin: Annotated[
        ModelOrigin,
        Meta(
            description="`own`: in the sidecar's models folder. `folder`: in one of the config's. "
            "The others: kept by the program of that name, `huggingface` by its cache."
        ),
    ]
    mmproj_path: Annotated[str | None, Meta(description="A projector beside it, for images.")]
    valid: Annotated[bool, Meta(description="Whether its header could be read.")]
    problem: Annotated[str | None, Meta(description="Why not, in words.")]
    architecture: str | None
    quantization: Annotated[str | None, Meta(description="Such as Q4_K_M.")]
    parameters: Annotated[int | None, Meta(description="Number of weights.")]
    context_length: Annotated[int | None, Meta(description="Context the model was trained for, tokens.")]
    display_name: Annotated[str | None, Meta(description="What its program or its header calls it.")] = None
    repo: Annotated[str | None, Meta(description="Where it came from, such as ORG/NAME, where that is known.")] = None
    capabilities: Annotated[
        list[Capability] | None,
        Meta(
            description="As header, chat template and projector say. null until the header has been read to its end, "
            "which the next listing may have done."
        ),
    ] = None
    adapters: Annotated[
        list[str],
        Meta(description="LoRA files made for it, as they say themselves; for `lora` of start_llama_server."),
    ] = field(default_factory=list)
    other_paths: Annotated[
        list[str], Meta(description="Where else the same content lies: links to it, and copies known to be some.")
    ] = field(default_factory=list)
    aliases: Annotated[
        list[str], Meta(description="Other names that find it, such as those of a copy in another program.")
    ] = field(default_factory=list)


class GetModelParams(Params, kw_only=True):
    """A model with what its header says, read to its end."""

    model: Annotated[str, _MODEL]


class ModelPart(Result, kw_only=True):
    """A file of a model."""

    path: str
    size_bytes: int


class ModelDetails(ModelInfo, kw_only=True):
    """A model in the library, in detail. What a damaged one does not say is null."""

    parts: list[ModelPart]
    projectors: Annotated[list[str], Meta(description="All that fit, the one that is used first.")]
    layers: int | None
    embedding_length: int | None
    heads: int | None
    kv_heads: int | None
    experts: int | None
    vocabulary: Annotated[int | None, Meta(description="Number of tokens.")]
    chat_template: str | None
    licence: str | None


class ScanModelsParams(Params, kw_only=True):
    """Look at all places, as list_models does, and say what is in each and what was left out there."""

    verify: Annotated[
        bool | None,
        Meta(
            description="Also read all headers to their end, and whole files where two may be copies of each other: "
            "such as are copies are one model afterwards. Takes minutes for large ones. Default: false."
        ),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class LibrarySource(Result, kw_only=True):
    """A place where models are looked for."""

    origin: ModelOrigin
    path: str
    found: Annotated[bool, Meta(description="Whether there is such a place.")]
    files: Annotated[int, Meta(description="GGUF files there, each once.")]
    models: Annotated[int, Meta(description="Models listed as being there; copies count where they are listed.")]
    problems: Annotated[list[str], Meta(description="What was left out there, and why; 20 at most.")]


class ScanModelsResult(Result, kw_only=True):
    """What was found."""

    models: int
    damaged: int
    unread: Annotated[int, Meta(description="Models whose headers have not been read to their end so far.")]
    sources: list[LibrarySource]
    possible_copies: Annotated[
        list[list[str]],
        Meta(description="Names of models of one size that begin alike; `verify` finds out whether they are copies."),
    ]
    took_ms: Annotated[float, Meta(description="Of the look itself, without what `verify` read.")]


class ModelWork(Event, tag="working", kw_only=True):
    """Bytes are read or copied."""

    merge = PROGRESS

    done_bytes: int
    total_bytes: int


class ScanDone(Event, tag="done", kw_only=True):
    """The scan's result is in the response."""

    models: int


class ImportModelParams(Params, kw_only=True):
    """Bring a GGUF file into the sidecar's own models folder, with the other parts of a split model and its projector.

    Nothing there is ever overwritten. A model of another program can be linked or copied, never moved.
    """

    path: Annotated[str, Meta(min_length=1, description="Absolute path of the file.")]
    mode: Annotated[
        Literal["link", "copy", "move"] | None,
        Meta(
            description="`link` (default): a further name of the same file, which takes no room; a link to it where "
            "file systems differ, which ends when the file does. `copy`: a file of its own. `move`: the file itself."
        ),
    ] = None
    name: Annotated[
        Annotated[str, Meta(min_length=1, max_length=150)] | None,
        Meta(description="What to call it. Default: as its file is called, or as its program calls it."),
    ] = None
    channel: Annotated[Channel | None, CHANNEL] = None


class ImportDone(Event, tag="done", kw_only=True):
    """It is in the library; the response has it."""

    model: str


class DeleteModelParams(Params, kw_only=True):
    """Delete a model in the sidecar's own folder. It can be brought back with restore_model until it is purged.

    Files of other programs and of the config's folders are never touched: of a link in our folder, only the link goes.
    """

    model: Annotated[str, _MODEL]
    permanently: Annotated[bool | None, Meta(description="At once and for ever. Default: false.")] = None
    dry_run: Annotated[bool | None, Meta(description="Only say what would happen. Default: false.")] = None


class DeletedFile(Result, kw_only=True):
    """A file that goes."""

    path: str
    size_bytes: int
    frees_bytes: Annotated[int, Meta(description="0 where it is a link, or the content has another name as well.")]
    link: Annotated[bool, Meta(description="Whether it is a link, whose target stays.")]


class KeptFile(Result, kw_only=True):
    """A file that stays although it goes with the model."""

    path: str
    used_by: Annotated[list[str], Meta(description="Other models that need it.")]


class DeletedModel(Result, kw_only=True):
    """What goes, or would go."""

    model: str
    deleted: Annotated[bool, Meta(description="false for a dry run.")]
    files: list[DeletedFile]
    frees_bytes: Annotated[
        int, Meta(description="Room on the disk that this makes: at once if permanent, else purged.")
    ]
    kept: list[KeptFile]
    other_paths: Annotated[list[str], Meta(description="Where the same content stays.")]
    used_by_servers: Annotated[list[str], Meta(description="Ids of running servers that have it loaded.")]
    trash_id: Annotated[str | None, Meta(description="For restore_model; null if permanent or a dry run.")]
    purged_at: Annotated[float | None, Meta(description="Until when it can be brought back.")]


class TrashedModel(Result, kw_only=True):
    """A deleted model that can be brought back."""

    trash_id: str
    model: str
    path: Annotated[str, Meta(description="Where it was.")]
    files: int
    size_bytes: int
    deleted_at: float
    purged_at: Annotated[float, Meta(description="When it goes for ever: `models.deleted_retention_days` later.")]


class ListDeletedModelsParams(Params):
    """The deleted models that can be brought back, the last deleted first."""


class RestoreModelParams(Params, kw_only=True):
    """Undo delete_model: the files go back to where they were."""

    model: Annotated[str, Meta(min_length=1, description="`trash_id`, or the name of the model deleted last under it.")]


class EmptyTrashParams(Params, kw_only=True):
    """Delete for ever what restore_model could bring back."""

    model: Annotated[str | None, Meta(description="Only this one: `trash_id` or name. Default: everything.")] = None


class EmptyTrashResult(Result, kw_only=True):
    """What is gone."""

    models: int
    freed_bytes: int


class InspectModelParams(Params, kw_only=True):
    """What a GGUF file says of itself. Only its header is read."""

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
            description='Every key and value; long arrays as {"array": type, "length": n}, texts beyond 2 MiB in all '
            'as {"text_bytes": n}.'
        ),
    ]


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
