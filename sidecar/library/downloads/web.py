"""The HTTP client for files: redirects, ranges, and stalled connections.

Owns the connections and every rule about them: which addresses are allowed, which server receives the token, how many
redirects are followed, when a connection has stalled. The proxy, the certificates and the words for failures are those
of the search (`host.proxy_policy`, `library.network`). Knows nothing of files on this machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import AddressNotAllowed, DownloadFailed, NotSupported, SidecarError
from sidecar.host.extras import how_to_get
from sidecar.host.proxy_policy import Proxies, Proxy, ProxyInvalid
from sidecar.jobs.retry_budget import Expired, TryAgain
from sidecar.library.downloads.addresses import CheckedResolver, Origin, Rules, shown
from sidecar.library.downloads.answers import (
    GONE,
    REDIRECTS,
    Changed,
    Remote,
    Source,
    address,
    check_range,
    described,
    refusal,
    with_hub_facts,
)
from sidecar.library.hub.api import Hub
from sidecar.library.hub.meaning import without_token
from sidecar.library.hub.token import TokenSource, blames_token
from sidecar.library.network.failures import (
    PROXY_NEEDS_LOGIN,
    Route,
    address_failure,
    invalid_proxy,
    refused_by_proxy,
)
from sidecar.library.network.trust import Trust
from sidecar.storage.config import ConfigFile

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 60.0
"""Timeout for the head of a response; the hub takes some seconds for files that are rarely requested."""

STALL_SECONDS = 20.0
STALL_BYTES = 4096
"""A connection that transfers less than this in that time is replaced by another one."""

MAX_REDIRECTS = 8
"""The hub needs two."""

MAX_HEADER_BYTES = 64 * 1024
"""The longest header of an answer. Signed addresses and policies of content networks have more than aiohttp's 8190."""

UNAUTHORIZED = 401

BUFFER_BYTES = 128 * 1024
"""The buffer of one connection, which may hold twice as much; its content is lost when the connection breaks."""


class Web:
    """A client for files.

    Args:
        config: read at each connection.
        hub: its origin is trusted as configured.
        tokens: the user's token, which is sent to the hub only.
        stall_seconds: default: STALL_SECONDS.
    """

    def __init__(
        self, config: ConfigFile, hub: Hub, tokens: TokenSource, *, stall_seconds: float = STALL_SECONDS
    ) -> None:
        self._config = config
        self._hub = hub
        self._tokens = tokens
        self._trust = Trust(config)
        self._stall_seconds = stall_seconds
        self._proxies: set[tuple[str, int]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._opening = anyio.Lock()

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def find(self, source: Source) -> Remote:
        """Follow the redirects to a file, and read the facts about it.

        Raises:
            TryAgain: there was no response, or a temporary refusal.
            AddressNotAllowed: the address, or one it redirects to, is not allowed.
            ModelNotFound, HubAccessDenied, DownloadFailed: the server refuses.
            NotSupported: a package is missing.
        """
        await self._opened()  # raises NotSupported
        url = address(source.url)
        found, withheld, redirects = Remote(url), False, 0
        while redirects <= MAX_REDIRECTS:
            token = None if withheld else self._token_for(url)
            async with self._ask(url, {"Range": "bytes=0-0"}, token) as response:
                on_hub = Origin.of(url) == self._rules().hub
                if on_hub:
                    found = with_hub_facts(found, response.headers)
                if response.status in REDIRECTS:
                    redirects += 1
                    url = url.join(address(response.headers.get("Location", ""), absolute=False))
                    continue
                if response.status == UNAUTHORIZED and token is not None:
                    # A public file needs none, and a hub answers an expired one in this way for every file.
                    if blames_token(response.headers):
                        await self._refuse(token)
                    else:
                        withheld = True
                    continue
                if response.status not in (200, 206):
                    repo = source.repo if on_hub else None
                    problem = refusal(url, response.status, response.headers, repo=repo)
                    refused = self._tokens.refusals() if on_hub else []
                    if refused and isinstance(problem, SidecarError):
                        problem = without_token(problem, source.repo or shown(url), refused)
                    raise problem
                return described(msgspec.structs.replace(found, url=url), response.status, response.headers)
        raise DownloadFailed(f"{shown(address(source.url))} redirects more than {MAX_REDIRECTS} times.")

    @asynccontextmanager
    async def part(self, remote: Remote, start: int, end: int | None) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes of a file from `start` up to `end`; the whole file if the server supports no ranges.

        Raises:
            TryAgain: there was no response, or a temporary refusal.
            Expired: the address has expired, so the file must be found again.
            Changed: the server has another file now.
            OtherVersion: a TryAgain, since the next server of the same name may have the right one.
            DownloadFailed: the server refuses.
        """
        headers: dict[str, str] = {}
        if remote.ranges and end is not None:
            headers["Range"] = f"bytes={start}-{end - 1}"
        async with self._ask(remote.url, headers, self._token_for(remote.url)) as response:
            if response.status in (*REDIRECTS, *GONE):
                raise Expired(f"{shown(remote.url)} no longer returns the file.", status=response.status)
            if response.status == 416 or (response.status == 200 and headers):
                raise Changed
            if response.status not in (200, 206):
                raise refusal(remote.url, response.status, response.headers)
            if headers and end is not None:
                check_range(remote, response.headers, start, end)
            yield response.content

    async def chunks(self, content: aiohttp.StreamReader, most: Callable[[], int]) -> AsyncIterator[bytes]:
        """The data of a response as it arrives, until its end.

        Raises:
            TryAgain: the connection broke, or has stalled.
        """
        waited, received = 0.0, 0
        while True:
            began = anyio.current_time()
            with _breaking("The connection broke"):
                with anyio.move_on_after(max(self._stall_seconds - waited, 0.01)) as scope:
                    data = await content.read(most())
                if scope.cancelled_caught:
                    raise TryAgain(f"The server has sent nothing for {self._stall_seconds:.0f} s.")
            if not data:
                return
            received += len(data)
            waited += anyio.current_time() - began
            if received >= STALL_BYTES:
                waited, received = 0.0, 0
            elif waited >= self._stall_seconds:
                raise TryAgain("The server sends hardly any data.")
            yield data

    def _token_for(self, url: URL) -> str | None:
        """The token, if this is the hub's own origin and the hub may have it."""
        return self._tokens.last if Origin.of(url) == self._rules().hub and self._hub.receives_token else None

    async def _refuse(self, token: str) -> None:
        """Leave out a token, and search for that of another place."""
        self._tokens.refuse(token)
        await anyio.to_thread.run_sync(self._tokens.token, abandon_on_cancel=True)

    @asynccontextmanager
    async def _ask(
        self, url: URL, headers: Mapping[str, str], token: str | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        rules = self._rules()
        rules.check(url)
        session = await self._opened()
        given = {"Accept-Encoding": "identity", **headers}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        proxy = self._proxy(url)
        if proxy is not None:
            rules.check_behind_proxy(url)
        context = await anyio.to_thread.run_sync(self._trust.context)
        try:
            with anyio.fail_after(ANSWER_SECONDS):
                response = await session.get(
                    url,
                    headers=given,
                    allow_redirects=False,
                    proxy=None if proxy is None else proxy.url,
                    ssl=context,
                )
        except Exception as error:
            problem = await self._explained(error, url, proxy)
            if problem is None:
                raise
            raise problem from None
        try:
            if proxy is not None and response.status == PROXY_NEEDS_LOGIN:
                raise refused_by_proxy(proxy, url.host or "", response.status).error
            if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                raise DownloadFailed(f"{shown(url)} sends the file with an encoding that was not requested.")
            yield response
        finally:
            response.close()

    async def _explained(self, error: Exception, url: URL, proxy: Proxy | None) -> Exception | None:
        """The error for what aiohttp raises before there is an answer; `None` if it is a defect, or one of ours."""
        import aiohttp

        if isinstance(error, TryAgain | SidecarError):
            return None
        if not isinstance(error, aiohttp.ClientError | OSError | ValueError):
            return None
        host, port = url.raw_host or "", url.port or 0
        if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
            return DownloadFailed(f"{host} sends an answer that is not valid HTTP, or has too long headers.")
        if isinstance(error, aiohttp.InvalidURL):
            return address_failure(f"{shown(url)} is not a valid address", "Check the address.")
        status = error.status if isinstance(error, aiohttp.ClientHttpProxyError) else None
        route = Route(host, port, proxy, await self._connected_to(host, port) if proxy is None else None)
        failure = await anyio.to_thread.run_sync(
            lambda: route.explain(error, proxy_status=status), abandon_on_cancel=True
        )
        return TryAgain(failure.error.message, error=failure.error) if failure.temporary else failure.error

    async def _connected_to(self, host: str, port: int) -> str | None:
        """An allowed address of a host, for the second connection that a message may need."""
        try:
            found = await CheckedResolver(self._rules, self._proxies).resolve(host, port)
        except (OSError, AddressNotAllowed, ValueError):
            return None
        return found[0]["host"] if found else None

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                await anyio.to_thread.run_sync(_import_aiohttp)
                self._session = self._new_session()
            return self._session

    def _rules(self) -> Rules:
        from yarl import URL

        try:
            hub = Origin.of(URL(self._hub.endpoint))
        except DownloadFailed:  # requests to the hub report it; files elsewhere do not need one
            hub = None
        return Rules(hub=hub, private=self._config.config.downloads.allow_private_addresses)

    def _new_session(self) -> aiohttp.ClientSession:
        import aiohttp

        resolver: Any = CheckedResolver(self._rules, self._proxies)  # has the methods of aiohttp's class
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=resolver, use_dns_cache=False, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=BUFFER_BYTES,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            trust_env=False,  # True would also read passwords from ~/.netrc
            headers={"User-Agent": "llama-sidecar"},
        )

    def _proxy(self, url: URL) -> Proxy | None:
        """The proxy for an address, which resolves the host's name itself. Raises DownloadFailed."""
        try:
            proxy = Proxies.of_this_machine().proxy_for(url.scheme, url.raw_host or "", url.port)
        except ProxyInvalid as problem:
            raise invalid_proxy(problem) from None
        if proxy is not None:
            self._proxies.add((proxy.host, proxy.port))
        return proxy


def _import_aiohttp() -> None:
    """Import aiohttp in a thread: it takes a third of a second, and only downloads need it.

    Raises:
        NotSupported: it is not installed.
    """
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise NotSupported("Downloads need a package that is not installed: aiohttp.", hint=how_to_get("hub")) from None


class _breaking:  # noqa: N801 - reads as a statement
    """Converts the errors of a connection that breaks within an answer to TryAgain."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, TryAgain):
            return
        import aiohttp

        if isinstance(error, aiohttp.ClientError | OSError):
            why = getattr(error, "strerror", None) or (
                "no answer in time" if isinstance(error, TimeoutError) else "the server ended it early"
            )
            raise TryAgain(f"{self._what}: {why}.") from None
