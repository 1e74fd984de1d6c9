"""The files of a repository on the hub, as models to choose from, with their fit into memory.

Knows nothing of downloads.
"""

from __future__ import annotations

import anyio.to_thread

from sidecar.contract.errors import InvalidParams
from sidecar.contract.hub import (
    MAX_VARIANTS,
    Fit,
    HubFile,
    HubOtherFile,
    HubVariant,
    ListHubFilesParams,
    ListHubFilesResult,
)
from sidecar.host.gpus import GpuReader
from sidecar.host.memory import free_bytes
from sidecar.library.hub.api import Hub
from sidecar.library.hub.reference import HOW_TO_NAME, FileUrl, parse
from sidecar.library.hub.variants import RepositoryFile, Variant, default_of, fit, others, projectors, variants


async def list_files(params: ListHubFilesParams, *, hub: Hub, gpus: GpuReader) -> ListHubFilesResult:
    """The models of a repository.

    Raises:
        InvalidParams: it is not a repository.
        SidecarError: as `Hub.repository`.
    """
    reference = parse(params.repo, endpoint=hub.endpoint)
    if isinstance(reference, FileUrl):
        raise InvalidParams("This is not the address of a repository on the hub.", path="$.repo", hint=HOW_TO_NAME)
    repository = await hub.repository(reference.repo, params.revision or reference.revision)
    free_memory = await anyio.to_thread.run_sync(free_bytes)
    free_gpu_memory = [gpu.free_bytes for gpu in (await gpus.read()).gpus if gpu.free_bytes is not None]
    found = variants(repository.files)
    default = default_of(found, repository.repo)
    limit = params.limit or ListHubFilesParams.defaults["limit"]
    first = _first(params.cursor)
    page, later = found[first : first + limit], first + limit
    return ListHubFilesResult(
        repo=repository.repo,
        revision=repository.commit,
        gated=repository.gated,
        warnings=hub.warnings(),
        licence=repository.licence,
        variants=[
            _variant(
                one, fit(one.size, free_memory=free_memory, free_gpu_memory=free_gpu_memory), default=one == default
            )
            for one in page
        ],
        projectors=[_file(one) for one in projectors(repository.files)[:MAX_VARIANTS]],
        others=[
            HubOtherFile(path=one.path, size_bytes=one.size, sha256=one.sha256, kind=kind)
            for one, kind in others(repository.files)[:MAX_VARIANTS]
        ],
        next_cursor=str(later) if later < len(found) else None,
    )


def _first(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()):
        raise InvalidParams("This is not a `next_cursor`.", path="$.cursor", hint="Leave it out for the first page.")
    return int(cursor)


def _variant(one: Variant, fits: Fit | None, *, default: bool) -> HubVariant:
    return HubVariant(
        name=one.name,
        quantization=one.quantization,
        files=[_file(file) for file in one.files],
        size_bytes=one.size,
        fits=fits,
        default=default,
    )


def _file(file: RepositoryFile) -> HubFile:
    return HubFile(path=file.path, size_bytes=file.size, sha256=file.sha256)
