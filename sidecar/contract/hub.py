"""The hub: models that can be downloaded."""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from msgspec import Meta

from sidecar.contract.errors import DownloadFailed, HubAccessDenied, ModelNotFound, NotSupported
from sidecar.contract.method import Method, Params, Result

HubReferenceText = Annotated[str, Meta(min_length=1, max_length=2048)]

Fit = Literal["gpu", "memory", "no"]

HUB_ERRORS = (ModelNotFound, HubAccessDenied, DownloadFailed, NotSupported)
"""What asking the hub can end with."""


class SearchHubParams(Params, kw_only=True):
    """Models on the hub that have GGUF files, the most downloaded first.

    The hub is Hugging Face, or the mirror that the config's `downloads.hub_endpoint` or HF_ENDPOINT names.
    """

    defaults = MappingProxyType({"limit": 20})

    query: Annotated[str, Meta(max_length=500, description="Words of the name; empty for the most downloaded of all.")]
    limit: Annotated[Annotated[int, Meta(ge=1, le=100)] | None, Meta(description="How many at most. Default 20.")] = (
        None
    )


class HubModel(Result, kw_only=True):
    """A repository on the hub."""

    repo: Annotated[str, Meta(description="What `repo` of list_hub_files and download_model takes.")]
    downloads: Annotated[int | None, Meta(description="In the last month.")]
    likes: int | None
    gated: Annotated[bool, Meta(description="Whether its owner has to let you in, or a licence has to be accepted.")]
    updated_at: float | None
    tags: list[str]


class ListHubFilesParams(Params, kw_only=True):
    """The models in a repository of the hub: each quantisation with its size, and whether it fits this machine."""

    repo: Annotated[
        HubReferenceText, Meta(description="`owner/name`, or the address of its page; a quantisation after a colon.")
    ]
    revision: Annotated[
        Annotated[str, Meta(min_length=1, max_length=200)] | None,
        Meta(description="Branch, tag or commit. Default: main."),
    ] = None


class HubFile(Result, kw_only=True):
    """A file in a repository."""

    path: Annotated[str, Meta(description="In the repository; what `file` of download_model takes.")]
    size_bytes: int | None
    sha256: Annotated[str | None, Meta(description="Of the whole file, in hexadecimal.")]


class HubVariant(Result, kw_only=True):
    """One quantisation of a model, whole: all files of a split one."""

    name: Annotated[str, Meta(description="File name of the first file, without its ending.")]
    quantization: Annotated[str | None, Meta(description="Such as Q4_K_M, by the file's name.")]
    files: Annotated[list[HubFile], Meta(description="In their order.")]
    size_bytes: Annotated[int | None, Meta(description="All files together.")]
    fits: Annotated[
        Fit | None,
        Meta(
            description="By its size alone, against what is free now: `gpu` into the memory of the GPUs, `memory` into "
            "the machine's, `no` into neither. Null where the size is not known."
        ),
    ]
    default: Annotated[bool, Meta(description="What download_model takes where no file and no quantisation is named.")]


class ListHubFilesResult(Result, kw_only=True):
    """What a repository has."""

    repo: Annotated[str, Meta(description="As the hub writes it.")]
    revision: Annotated[str, Meta(description="The commit; give it to download_model to get just this.")]
    gated: bool
    licence: str | None
    variants: Annotated[list[HubVariant], Meta(description="Smallest first.")]
    projectors: Annotated[list[HubFile], Meta(description="For images; download_model fetches the best along.")]


METHODS = (
    Method(name="search_hub", params=SearchHubParams, result=list[HubModel], errors=HUB_ERRORS),
    Method(name="list_hub_files", params=ListHubFilesParams, result=ListHubFilesResult, errors=HUB_ERRORS),
)
