"""The hub: models that can be downloaded."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta, field

from sidecar.contract.errors import DownloadFailed, HubAccessDenied, ModelNotFound, NotSupported
from sidecar.contract.method import Method, Params, Result
from sidecar.contract.models import ModelKind
from sidecar.contract.warnings import ResultWarning

HubReferenceText = Annotated[str, Meta(min_length=1, max_length=2048)]

MAX_VARIANTS = 1000
"""Variants in one answer of list_hub_files: with all their files some hundred KB. The largest repositories have 200."""

Fit = Literal["gpu", "memory", "no"]

HUB_ERRORS = (ModelNotFound, HubAccessDenied, DownloadFailed, NotSupported)
"""Errors of requests to the hub."""


class SearchHubParams(Params, kw_only=True):
    """Search the hub for models that have GGUF files; the most downloaded first.

    The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
    """

    defaults = MappingProxyType({"limit": 20})

    query: Annotated[str, Meta(max_length=500, description="Words of the name; empty for the most downloaded models.")]
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None, Meta(description="Maximum number of results. Default 20.")
    ] = None


class HubModel(Result, kw_only=True):
    """A repository on the hub."""

    repo: Annotated[str, Meta(description="For `repo` of list_hub_files and download_model.")]
    downloads: Annotated[int | None, Meta(description="In the last month.")]
    likes: int | None
    gated: Annotated[
        bool, Meta(description="Whether access requires the owner's approval or the acceptance of a licence.")
    ]
    updated_at: float | None
    tags: list[str]


class ListHubFilesParams(Params, kw_only=True):
    """List the models in a repository of the hub: each quantisation, its size, and whether it fits this machine."""

    defaults = MappingProxyType({"limit": MAX_VARIANTS})

    repo: Annotated[
        HubReferenceText,
        Meta(description="`owner/name`, or the address of its page; optionally with a quantisation after a colon."),
    ]
    revision: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Branch, tag or commit. Default: main."),
    ] = None
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=MAX_VARIANTS)] | None,
        Meta(description=f"Maximum number of variants, and of other files. Default {MAX_VARIANTS}."),
    ] = None
    cursor: Annotated[
        Annotated[str, Meta(max_length=100)] | None, Meta(description="`next_cursor` of the previous page.")
    ] = None


class HubFile(Result, kw_only=True):
    """A file in a repository."""

    path: Annotated[str, Meta(description="Path in the repository, for `file` of download_model.")]
    size_bytes: int | None
    sha256: Annotated[str | None, Meta(description="SHA-256 of the whole file, in hexadecimal.")]


class HubVariant(Result, kw_only=True):
    """One quantisation of a model, with all files if it is split."""

    name: Annotated[str, Meta(description="Name of the first file, without its extension.")]
    quantization: Annotated[str | None, Meta(description="Such as Q4_K_M, from the file name.")]
    files: Annotated[list[HubFile], Meta(description="In order.")]
    size_bytes: Annotated[int | None, Meta(description="Total size of all files.")]
    fits: Annotated[
        Fit | None,
        Meta(
            description="By size alone, compared with the memory that is free now. `gpu`: it fits on the GPUs. "
            "`memory`: it fits in main memory. `no`: it fits in neither. Null if the size is unknown."
        ),
    ]
    default: Annotated[bool, Meta(description="Whether download_model chooses it by default.")]


class HubOtherFile(HubFile, kw_only=True):
    """A GGUF file that is no model by its name. It is downloaded only if `file` names it."""

    kind: Annotated[ModelKind, Meta(description="What it is, by its name.")]


class ListHubFilesResult(Result, kw_only=True):
    """The models in a repository."""

    repo: Annotated[str, Meta(description="The name as the hub spells it.")]
    revision: Annotated[
        str, Meta(description="The commit; give it to download_model to download exactly this version.")
    ]
    gated: bool
    licence: str | None
    variants: Annotated[list[HubVariant], Meta(description="Smallest first.")]
    projectors: Annotated[
        list[HubFile], Meta(description="Projectors for images; download_model also downloads the best one.")
    ]
    others: Annotated[list[HubOtherFile], Meta(description="Drafts, adapters and other files that are no models.")] = (
        field(default_factory=list)
    )
    next_cursor: Annotated[str | None, Meta(description="For the next page of variants; null on the last one.")] = None
    warnings: Annotated[
        list[ResultWarning], Meta(description="What was not honoured: a token that the hub refuses.")
    ] = field(default_factory=list)


METHODS = (
    Method(name="search_hub", params=SearchHubParams, result=list[HubModel], errors=HUB_ERRORS),
    Method(name="list_hub_files", params=ListHubFilesParams, result=ListHubFilesResult, errors=HUB_ERRORS),
)
