"""Requests to the hub, through huggingface_hub.

Owns the requests, with which token each is made, and the meaning of the results; `client` limits the library, and
`meaning` has its errors. The library is imported with
the first request.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import DownloadFailed, NotSupported, SidecarError
from sidecar.contract.hub import HubModel, SearchHubParams
from sidecar.contract.warnings import ResultWarning, warning_of
from sidecar.host.extras import how_to_get
from sidecar.host.proxy_policy import DEFAULT_PORTS, Proxies, ProxyInvalid
from sidecar.library.hub.client import REQUEST_SECONDS, Busy, begin_request, keep_to
from sidecar.library.hub.endpoint import hub_address
from sidecar.library.hub.meaning import busy_error, meaning_of, refusal_in_words, without_token
from sidecar.library.hub.token import TokenSource, blames_token, may_receive
from sidecar.library.network.failures import Route, invalid_proxy
from sidecar.library.network.trust import Trust
from sidecar.storage.config import ConfigFile

if TYPE_CHECKING:
    from sidecar.library.hub.variants import RepositoryFile

UNAUTHORIZED = 401

PATIENCE_SECONDS = 20.0
"""How long a request in all waits for a hub that limits requests, while a person waits; longer times are reported.
Hugging Face's limits are those of five minutes."""

SHORTEST_PAUSE_SECONDS = 0.5
"""Before another request, for hubs that say 0."""

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
        self._trust = Trust(config)
        self._limiter = anyio.CapacityLimiter(4)
        self._prepared_for: object = None
        self._preparing = threading.Lock()

    @property
    def endpoint(self) -> str:
        """Its address, without a trailing slash.

        Raises:
            DownloadFailed: the setting is not an address.
        """
        return hub_address(self._config.config.downloads.hub_endpoint, os.environ)

    @property
    def receives_token(self) -> bool:
        """Whether it is given the user's token. Raises DownloadFailed."""
        return may_receive(self.endpoint, self._config.config.downloads.token_hosts)

    def warnings(self) -> list[ResultWarning]:
        """The tokens that it has refused, and that are left out now."""
        return [warning_of("TOKEN_REFUSED", refusal_in_words(source)) for source in self._tokens.refusals()]

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
        waited = 0.0
        while True:
            try:
                with anyio.fail_after(REQUEST_SECONDS):
                    return await anyio.to_thread.run_sync(
                        self._asked, request, what, limiter=self._limiter, abandon_on_cancel=True
                    )
            except TimeoutError:
                raise DownloadFailed(f"{self.endpoint} has not answered within {REQUEST_SECONDS:.0f} s.") from None
            except Busy as busy:
                seconds = busy.after_seconds
                if seconds is None or waited + seconds > PATIENCE_SECONDS:
                    raise busy_error(busy, self.endpoint) from None
                waited += max(seconds, SHORTEST_PAUSE_SECONDS)
                await anyio.sleep(max(seconds, SHORTEST_PAUSE_SECONDS))

    def _asked(self, request: Callable[[Any], T], what: str) -> T:
        """The answer to a request: with the token, and without it where the hub refuses it. Blocks."""
        address = self.endpoint
        route = self._prepare(address)
        from huggingface_hub import HfApi, errors

        doubted: tuple[str, str] | None = None
        while True:
            token = self._tokens.token() if doubted is None and self.receives_token else None
            begin_request()
            try:
                found = request(HfApi(endpoint=address, token=token or False, library_name="llama-sidecar"))
            except (SidecarError, Busy):
                raise
            except Exception as error:
                response = getattr(error, "response", None)
                if token and getattr(response, "status_code", None) == UNAUTHORIZED:
                    if blames_token(response.headers):  # type: ignore[union-attr] # it has a status
                        self._tokens.refuse(token)
                    else:
                        doubted = (token, self._tokens.source)
                    continue
                problem = meaning_of(error, errors, what, route)
                if problem is None:
                    raise
                refused = self._tokens.refusals() + ([doubted[1]] if doubted else [])
                raise (without_token(problem, what, refused) if refused else problem) from None
            if doubted is not None:
                self._tokens.refuse(doubted[0])
            return found

    def _prepare(self, address: str) -> Route:
        """Set the library up for an address; returns the way to it. Blocks.

        Raises:
            NotSupported: it is not installed.
            DownloadFailed: the proxy or the certificates of the settings cannot be used.
        """
        # Otherwise it reports other installed packages to the hub, and requests a list of programs to recognise.
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        try:
            import huggingface_hub  # noqa: F401
        except ImportError:
            raise NotSupported(
                "Access to the hub needs a package that is not installed: huggingface_hub.",
                hint=how_to_get("hub"),
            ) from None
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        try:
            proxy = Proxies.of_this_machine().proxy_for(parts.scheme, host, port)
        except ProxyInvalid as problem:
            raise invalid_proxy(problem) from None
        context = self._trust.context()
        with self._preparing:
            needed = (address, proxy, context)
            if self._prepared_for != needed:
                keep_to(address, context=context, proxy=proxy)
                self._prepared_for = needed
        return Route(host, port, proxy)


_EXPANDED = ("downloads", "likes", "gated", "lastModified", "tags")


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
