"""Requests to the hub, through huggingface_hub.

Owns the requests and the meaning of that library's results and errors; `client` limits it. The library is imported with
the first request.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import DownloadFailed, HubAccessDenied, ModelNotFound, NotSupported, SidecarError
from sidecar.contract.hub import HubModel, SearchHubParams
from sidecar.contract.remedies import call
from sidecar.host.extras import how_to_get
from sidecar.library.hub.client import REQUEST_SECONDS, begin_request, http_library, keep_to
from sidecar.library.hub.token import TokenSource
from sidecar.storage.config import ConfigFile

if TYPE_CHECKING:
    from sidecar.library.hub.variants import RepositoryFile

PUBLIC_HUB = "https://huggingface.co"


ENDPOINT_VARIABLE = "HF_ENDPOINT"

T = TypeVar("T")


class Repository(msgspec.Struct, frozen=True):
    """A repository on the hub.

    Attributes:
        repo: in the hub's spelling.
        commit: of the requested revision.
        gated: whether access must be granted by its owner.
    """

    repo: str
    commit: str
    gated: bool
    licence: str | None
    files: tuple[RepositoryFile, ...]


class Hub:
    """The hub.

    Args:
        config: has its address, read at each request.
        tokens: finds the user's token.
    """

    def __init__(self, config: ConfigFile, tokens: TokenSource) -> None:
        self._config = config
        self._tokens = tokens
        self._limiter = anyio.CapacityLimiter(4)
        self._prepared_for: str | None = None

    @property
    def endpoint(self) -> str:
        """Its address, without a trailing slash."""
        configured = self._config.config.downloads.hub_endpoint
        return (configured or os.environ.get(ENDPOINT_VARIABLE) or PUBLIC_HUB).rstrip("/")

    async def search(self, query: str, limit: int | None = None) -> list[HubModel]:
        """Repositories with GGUF files, the most downloaded first.

        Raises:
            DownloadFailed: the hub did not answer.
            NotSupported: huggingface_hub is not installed.
        """
        count = limit or SearchHubParams.defaults["limit"]

        def search(api: Any) -> list[HubModel]:
            found = api.list_models(
                search=query or None, filter="gguf", sort="downloads", limit=count, expand=list(_EXPANDED)
            )
            return [_model(one) for one in islice(found, count)]

        return await self._call(search, "the search")

    async def repository(self, repo: str, revision: str | None = None) -> Repository:
        """The files of a repository, and their commit.

        Raises:
            ModelNotFound: there is no such repository or revision, or it is private.
            HubAccessDenied: the user has no access.
            DownloadFailed: the hub did not answer.
            NotSupported: huggingface_hub is not installed.
        """
        return await self._call(
            lambda api: _repository(api.model_info(repo, revision=revision, files_metadata=True)), repo
        )

    async def _call(self, request: Callable[[Any], T], what: str) -> T:
        def in_thread() -> T:
            api = self._api()
            begin_request()
            from huggingface_hub import errors

            try:
                return request(api)
            except SidecarError:
                raise
            except Exception as error:
                problem = _meaning(error, errors, what, self.endpoint)
                if problem is None:
                    raise
                raise problem from None

        try:
            with anyio.fail_after(REQUEST_SECONDS):
                return await anyio.to_thread.run_sync(in_thread, limiter=self._limiter, abandon_on_cancel=True)
        except TimeoutError:
            raise DownloadFailed(f"{self.endpoint} has not answered within {REQUEST_SECONDS:.0f} s.") from None

    def _api(self) -> Any:
        # Otherwise it reports other installed packages to the hub, and requests a list of programs to recognise.
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        try:
            import huggingface_hub
        except ImportError:
            raise NotSupported(
                "Access to the hub needs a package that is not installed: huggingface_hub.",
                hint=how_to_get("hub"),
            ) from None
        address = self.endpoint
        if self._prepared_for != address:
            keep_to(address)
            self._prepared_for = address
        token = self._tokens.token() if _is_safe(address) else None
        return huggingface_hub.HfApi(endpoint=address, token=token or False, library_name="llama-sidecar")


_EXPANDED = ("downloads", "likes", "gated", "lastModified", "tags")


def _is_safe(address: str) -> bool:
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in ("127.0.0.1", "::1", "localhost")


def _model(one: Any) -> HubModel:
    updated = one.last_modified
    return HubModel(
        repo=str(one.id),
        downloads=one.downloads,
        likes=one.likes,
        gated=bool(one.gated),
        updated_at=updated.timestamp() if isinstance(updated, datetime) else None,
        tags=[str(tag) for tag in one.tags or ()],
    )


def _repository(found: Any) -> Repository:
    if not found.sha:
        raise DownloadFailed("The hub does not report the commit of the repository.")
    return Repository(
        repo=str(found.id),
        commit=str(found.sha),
        gated=bool(found.gated),
        licence=_licence(found),
        files=tuple(_files(found.siblings or ())),
    )


def _licence(found: Any) -> str | None:
    card = found.card_data
    named = card.get("license") if card is not None else None
    if isinstance(named, str):
        return named
    return next(
        (str(tag).removeprefix("license:") for tag in found.tags or () if str(tag).startswith("license:")), None
    )


def _files(siblings: Iterable[Any]) -> Iterable[RepositoryFile]:
    from sidecar.library.hub.variants import RepositoryFile

    for one in siblings:
        large = one.lfs
        sha256 = getattr(large, "sha256", None)
        size = getattr(large, "size", None) if large is not None else one.size
        yield RepositoryFile(
            str(one.rfilename), size if isinstance(size, int) else None, sha256 if isinstance(sha256, str) else None
        )


def access_denied(repo: str, *, gated: bool) -> HubAccessDenied:
    """The error of a repository that needs the permission of its owner."""
    if gated:
        message = f"{repo} needs the permission of its owner, or the acceptance of its licence."
        hint = f"Request access on the page of {repo} in a browser, create a token there, and set it as HF_TOKEN."
    else:
        message = f"{repo} is private, or the hub rejects the token."
        hint = "Set HF_TOKEN to a token with read access, or log in with: hf auth login."
    return HubAccessDenied(message, hint=hint, repo=repo, gated=gated)


def _meaning(error: Exception, errors: Any, what: str, address: str) -> SidecarError | None:
    """The error on the wire for an error of the library; `None` if it is a defect."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return access_denied(what, gated=True)
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFound(f"{what} has no such revision.", hint="Leave revision out for the newest.")
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return ModelNotFound(
            f"There is no {what} on the hub, or it is private.",
            hint="Search the hub for models; for a private model, set HF_TOKEN to a token with read access.",
            remedies=(call("search_hub"),),
        )
    if isinstance(error, errors.OfflineModeIsEnabled):
        return DownloadFailed(
            "HF_HUB_OFFLINE forbids requests to the hub.", hint="Unset HF_HUB_OFFLINE, and start again."
        )
    if status in (401, 403):
        return access_denied(what, gated=False)
    if status is not None:
        return DownloadFailed(f"The hub does not answer for {what}: HTTP status {status}.", http_status=int(status))
    if isinstance(error, http_library().HTTPError):
        return DownloadFailed(f"{address} cannot be reached: {type(error).__name__}.")
    if type(error) is RuntimeError:
        # All requests share a client, which the library closes for all of them when one cannot connect.
        return DownloadFailed(f"{address} cannot be reached: another request has just lost its connection.")
    if isinstance(error, ValueError | TypeError | KeyError | AttributeError):
        return DownloadFailed(f"{address} sent an invalid response for {what} ({type(error).__name__}).")
    return None
