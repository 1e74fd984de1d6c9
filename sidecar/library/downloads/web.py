"""The HTTP client for files: redirects, ranges, and stalled connections.

Owns the connections and every rule about them: which addresses are allowed, which server receives the token, how many
redirects are followed, when a connection has stalled. Knows nothing of files on this machine.
"""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import msgspec

from sidecar.contract.errors import DownloadFailed, NotSupported
from sidecar.host.extras import how_to_get
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
from sidecar.library.hub.token import TokenSource
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

MAX_NAME_CHARACTERS = 1000

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
        found = Remote(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._ask(url, {"Range": "bytes=0-0"}) as response:
                on_hub = Origin.of(url) == self._rules().hub
                if on_hub:
                    found = with_hub_facts(found, response.headers)
                if response.status in REDIRECTS:
                    url = url.join(address(response.headers.get("Location", ""), absolute=False))
                    continue
                if response.status not in (200, 206):
                    repo = source.repo if on_hub else None
                    raise refusal(url, response.status, response.headers, repo=repo)
                return described(msgspec.structs.replace(found, url=url), response.status, response.headers)
        raise DownloadFailed(f"{shown(address(source.url))} redirects more than {MAX_REDIRECTS} times.")

    @asynccontextmanager
    async def part(self, remote: Remote, start: int, end: int | None) -> AsyncIterator[aiohttp.StreamReader]:
        """The bytes of a file from `start` up to `end`; the whole file if the server supports no ranges.

        Raises:
            TryAgain: there was no response, or a temporary refusal.
            Expired: the address has expired, so the file must be found again.
            Changed: the server has another file now.
            DownloadFailed: the server refuses.
        """
        headers: dict[str, str] = {}
        if remote.ranges and end is not None:
            headers["Range"] = f"bytes={start}-{end - 1}"
            if remote.validator is not None and remote.sha256 is None:
                headers["If-Range"] = remote.validator
        async with self._ask(remote.url, headers) as response:
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

    @asynccontextmanager
    async def _ask(self, url: URL, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        rules = self._rules()
        rules.check(url)
        session = await self._opened()
        given = {"Accept-Encoding": "identity", **headers}
        if Origin.of(url) == rules.hub and (token := self._tokens.last) and _is_safe_for_tokens(url):
            given["Authorization"] = f"Bearer {token}"
        proxy = self._proxy(url)
        with _breaking(f"{url.host} cannot be reached"):
            with anyio.fail_after(ANSWER_SECONDS):
                response = await session.get(url, headers=given, allow_redirects=False, proxy=proxy)
        try:
            if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                raise DownloadFailed(f"{shown(url)} sends the file with an encoding that was not requested.")
            yield response
        finally:
            response.close()

    async def _opened(self) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None:
                await anyio.to_thread.run_sync(_import_aiohttp)
                self._session = self._new_session()
            return self._session

    def _rules(self) -> Rules:
        from yarl import URL

        private = self._config.config.downloads.allow_private_addresses
        return Rules(hub=Origin.of(URL(self._hub.endpoint)), private=private)

    def _new_session(self) -> aiohttp.ClientSession:
        import aiohttp

        resolver: Any = CheckedResolver(self._rules, self._proxies)  # has the methods of aiohttp's class
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=resolver, use_dns_cache=False, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=BUFFER_BYTES,
            trust_env=False,  # True would also read passwords from ~/.netrc
            headers={"User-Agent": "llama-sidecar"},
        )

    def _proxy(self, url: URL) -> str | None:
        """The proxy of this machine's settings for an address; a proxy resolves the host name itself."""
        from yarl import URL

        if url.host is None or urllib.request.proxy_bypass(url.host):
            return None
        proxy = urllib.request.getproxies().get(url.scheme)
        if proxy:
            address = URL(proxy if "://" in proxy else f"http://{proxy}")
            self._proxies.add((address.raw_host or "", address.port or 0))
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
    """Converts the errors of a broken connection to TryAgain."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, TryAgain):
            return
        import aiohttp

        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            raise DownloadFailed(
                f"{self._what}: its certificate is not valid.",
                hint="Check the clock of this machine, and whether a proxy intercepts the connection.",
            ) from None
        if isinstance(error, aiohttp.ClientError | OSError):
            why = getattr(error, "strerror", None) or (
                "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            )
            raise TryAgain(f"{self._what}: {why}.") from None


def _is_safe_for_tokens(url: URL) -> bool:
    return url.scheme == "https" or url.host in ("127.0.0.1", "::1", "localhost")
