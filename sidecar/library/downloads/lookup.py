"""The files of a download: their addresses, sizes and hashes.

Owns the step from a request to files, which is taken once for each download: the result is pinned (the commit, the
sizes, the hashes), so that a download that is resumed days later fetches the same files.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from msgspec import UNSET

from sidecar.contract.downloads import DownloadModelParams
from sidecar.contract.errors import DownloadFailed, InvalidParams, ModelNotFound, NotSupported
from sidecar.host import path_policy
from sidecar.jobs.progress import Progress
from sidecar.jobs.retry_budget import RetryBudget, TryAgain
from sidecar.library.downloads.answers import Remote, Source
from sidecar.library.downloads.files import DownloadRecord, FileRecord
from sidecar.library.downloads.web import Web
from sidecar.library.gguf.file_names import is_gguf
from sidecar.library.hub.api import Hub, Repository
from sidecar.library.hub.reference import HubReference, parse, with_choice
from sidecar.library.hub.variants import (
    RepositoryFile,
    choose,
    local_names,
    others,
    projector_for,
    projectors,
    variants,
)

TRY_SECONDS = 15.0
"""The retry budget of the first request: nothing has been fetched yet that would be lost, and a user waits."""

MAIN = "main"


def requested(params: DownloadModelParams, models: Path, *, endpoint: str) -> DownloadRecord:
    """The record of a new download, without files.

    Args:
        params: the request.
        models: the sidecar's own models folder, used if the request names no other.
        endpoint: the hub's address.

    Raises:
        InvalidParams: parameters are missing or contradict each other.
        PathNotAllowed: the folder's path is not absolute.
    """
    given = [text for text in (params.repo, params.url) if text is not None]
    if len(given) != 1:
        raise InvalidParams("Give either `repo` or `url`.", path="$.repo")
    reference = with_choice(parse(given[0], endpoint=endpoint), file=params.file, revision=params.revision)
    root = models if params.target_dir is None else path_policy.absolute(params.target_dir)
    record = DownloadRecord(root=str(root), request=f"{reference} into {root}")
    if isinstance(reference, HubReference):
        record.repo, record.file, record.tag = reference.repo, reference.file, reference.tag
        record.revision = reference.revision
        record.own_folder = params.target_dir is None
    elif params.repo is not None:
        raise InvalidParams("This is the address of a file; give it as `url`.", path="$.repo")
    else:
        record.url = reference.url
    return record


async def resolve(record: DownloadRecord, *, hub: Hub, web: Web, progress: Progress | None = None) -> None:
    """Fill in the files of a download. `progress` shows why it waits.

    Raises:
        SidecarError: they cannot be found, or not now.
    """
    if record.repo is None:
        remote = await find(web, Source(record.url or ""), progress)
        name = remote.name or ""
        if not is_gguf(name):
            raise NotSupported(
                f"The server's file is {name[:200]!r}, and models are GGUF files.",
                hint="Give the address of a .gguf file.",
            )
        file = FileRecord(url=record.url or "", name=name, size=remote.size)
        file.validator, file.modified = remote.validator, remote.modified or UNSET
        record.files = [file]
        return
    try:
        repository = await _repository(hub, record.repo, record.revision, progress)
    except NotSupported:
        if record.file is None:
            raise
        await _take_one_file(record, record.file, web, hub.endpoint)
    else:
        await _take(record, repository, web, hub.endpoint)


async def _take(record: DownloadRecord, repository: Repository, web: Web, endpoint: str) -> None:
    """Choose the requested files of a repository."""
    found = projectors(repository.files)
    no_models = [*found, *(file for file, _ in others(repository.files))]
    alone = [file for file in no_models if record.file in (file.path, file.name)]
    if alone:  # a projector, a draft or an adapter is fetched where it is named, and never chosen
        chosen = alone[:1]
    else:
        variant = choose(variants(repository.files), file=record.file, tag=record.tag, repo=repository.repo)
        projector = projector_for(variant, found)
        chosen = [*variant.files, *([projector] if projector else ())]
    names = local_names(chosen, repository.files)
    files = []
    for file, name in zip(chosen, names, strict=True):
        url = _address(endpoint, repository.repo, repository.commit, file.path)
        validator = modified = None
        if file.sha256 is None:  # a small file in the repository itself, which has no SHA-256
            remote = await find(web, Source(url, repository.repo))
            file, validator = RepositoryFile(file.path, remote.size, remote.sha256), remote.validator
            modified = remote.modified
        record_of_file = FileRecord(url=url, name=name, size=file.size, sha256=file.sha256)
        record_of_file.validator, record_of_file.modified = validator, modified or UNSET
        files.append(record_of_file)
    record.repo, record.commit, record.files = repository.repo, repository.commit, files


async def _take_one_file(record: DownloadRecord, path: str, web: Web, endpoint: str) -> None:
    """Find a file by its path, without a list of the repository: the headers of its response are enough."""
    repo = record.repo or ""
    if not is_gguf(path):
        raise ModelNotFound(f"{path[:200]!r} is not a GGUF file.", hint="Give the address of a .gguf file.")
    remote = await find(web, Source(_address(endpoint, repo, record.revision or MAIN, path), repo))
    record.commit = remote.commit
    url = _address(endpoint, repo, remote.commit or record.revision or MAIN, path)
    [name] = local_names([RepositoryFile(path)], ())
    found = FileRecord(url=url, name=name, size=remote.size, sha256=remote.sha256)
    found.validator, found.modified = remote.validator, remote.modified or UNSET
    record.files = [found]


async def _repository(hub: Hub, repo: str, revision: str | None, progress: Progress | None) -> Repository:
    """The files of a repository; waits for as long as a busy hub asks, within the bounds of `RetryBudget`."""
    retries = RetryBudget(progress)
    while True:
        try:
            return await hub.repository(repo, revision)
        except DownloadFailed as problem:
            seconds = problem.data.get("retry_after_seconds")
            if seconds is None:
                raise
            again = TryAgain(problem.message, after_seconds=seconds, error=problem)
            await retries.wait(again, within=TRY_SECONDS)


async def find(web: Web, source: Source, progress: Progress | None = None) -> Remote:
    """Find a file on its server; retries while the server is busy, within TRY_SECONDS. `progress` shows why it waits.

    Raises:
        SidecarError: it cannot be downloaded, or not now.
    """
    retries = RetryBudget(progress)
    while True:
        try:
            return await web.find(source)
        except TryAgain as problem:
            await retries.wait(problem, within=TRY_SECONDS)


def _address(endpoint: str, repo: str, revision: str, path: str) -> str:
    return f"{endpoint}/{repo}/resolve/{quote(revision, safe='')}/{quote(path)}"
