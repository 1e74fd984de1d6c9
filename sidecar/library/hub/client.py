"""The HTTP client of huggingface_hub, by its public members, with our limits.

Owns that the library sends requests only to the hub's own origin, through the proxy and with the certificates of our
own policy, a limited number of times, and reads responses of a limited size in a limited time. A server that is busy is
reported rather than waited for: the library would sleep for as long as the server asks. Does not know the requests. The
library is imported with the first request.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from sidecar.contract.errors import DownloadFailed
from sidecar.contract.remedies import open_settings
from sidecar.host.proxy_policy import Proxy
from sidecar.library.network.rate_limits import TOO_MANY_REQUESTS, retry_after

if TYPE_CHECKING:
    import ssl

REQUEST_SECONDS = 60.0
"""Timeout of a whole request with all of its pages. Large repositories take the hub some seconds."""

SILENCE_SECONDS = 20.0
"""Idle timeout within a response."""

MAX_TRIES = 2
"""Attempts for one page. The library would retry for half a minute, while a user waits."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest response; the list of the largest repository has a few MB."""

RETRIED = (408, 500, 502, 503, 504)
"""Further statuses after which the library would wait for as long as the server asks."""

_tries = threading.local()
"""What this thread has tried in its present request: each address (`made`), and the connections that failed."""


def begin_request() -> None:
    """Reset the counts of attempts of this thread for a new request."""
    _tries.made, _tries.failures = Counter(), 0


@cache
def _defaults() -> tuple[Any, dict[str, Any]]:
    """The class of the library's HTTP client, which depends on its version, and the client's default hooks."""
    from huggingface_hub import get_session

    client = get_session()
    # At level info it logs every address with its query.
    logging.getLogger(http_library().__name__).setLevel(logging.WARNING)
    return type(client), dict(client.event_hooks)


def http_library() -> Any:
    """The HTTP library that huggingface_hub uses: httpx, or httpx2 in newer versions."""
    from huggingface_hub.errors import HfHubHTTPError

    error = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    return sys.modules[error.__module__.partition(".")[0]]


class Busy(Exception):
    """The hub refuses for now.

    Attributes:
        status: the HTTP status.
        after_seconds: after how long it allows the next request, if it says so.
    """

    def __init__(self, status: int, after_seconds: float | None) -> None:
        super().__init__(status)
        self.status, self.after_seconds = status, after_seconds


class Unreachable(Exception):
    """There was no answer, and another attempt is not worth it. `__cause__` is the HTTP library's exception."""


def keep_to(address: str, *, context: ssl.SSLContext, proxy: Proxy | None) -> None:
    """Restrict the library to the hub's origin, and to responses of a limited time and size.

    Args:
        address: the hub's.
        context: for TLS.
        proxy: to connect through.
    """
    from urllib.parse import urlsplit

    from huggingface_hub import set_client_factory

    mine = urlsplit(address)
    client_class, hooks = _defaults()

    def allowed(request: Any) -> None:
        target = urlsplit(str(request.url))
        if (target.scheme, target.hostname, target.port) != (mine.scheme, mine.hostname, mine.port):
            raise DownloadFailed(
                f"The hub redirects a request to {target.hostname}; only {mine.hostname} is allowed.",
                hint="Check the hub's address in the settings, and HF_ENDPOINT.",
                remedies=(open_settings("downloads.hub_endpoint"),),
            )

        _tries.made[str(request.url)] += 1
        if _tries.made[str(request.url)] > MAX_TRIES:
            raise DownloadFailed(f"{address} cannot be reached, or does not answer.")

    def bounded(response: Any) -> None:
        seconds = retry_after(response.status_code, response.headers)
        if response.status_code == TOO_MANY_REQUESTS or (response.status_code in RETRIED and seconds is not None):
            raise Busy(response.status_code, seconds)
        response.stream = _bounded(response.stream)

    def send(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return client_class.send(self, *args, **options)
        except http_library().TransportError as error:
            # The library tries again after any of these, and would end with ours, which does not say what it was.
            _tries.failures += 1
            if _tries.failures >= MAX_TRIES or not _may_pass(error):
                raise Unreachable from error
            raise

    bounded_class = type("HubClient", (client_class,), {"send": send})

    def client() -> Any:
        return bounded_class(
            verify=context,
            proxy=None if proxy is None else proxy.url,
            trust_env=False,  # True would also read NO_PROXY, in the library's own way
            event_hooks={
                "request": [*hooks.get("request", ()), allowed],
                "response": [*hooks.get("response", ()), bounded],
            },
            follow_redirects=True,
            timeout=SILENCE_SECONDS,
        )

    set_client_factory(client)


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed: not where a certificate or a proxy refuses."""
    import ssl

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return False
        cause = cause.__cause__ or cause.__context__
    return not isinstance(error, http_library().ProxyError | http_library().UnsupportedProtocol)


def _bounded(stream: Any) -> Any:
    """A body that raises an error if it is too long or takes too long."""

    def pieces(_: Any) -> Iterator[bytes]:
        received, until = 0, time.monotonic() + REQUEST_SECONDS
        for piece in stream:
            received += len(piece)
            if received > MAX_ANSWER_BYTES or time.monotonic() > until:
                raise DownloadFailed("The hub's response is too long or too slow.")
            yield piece

    # The library accepts only streams of its own class.
    streams = (http_library().SyncByteStream,)
    return type("Bounded", streams, {"__iter__": pieces, "close": lambda _: stream.close()})()
