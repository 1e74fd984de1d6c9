"""The HTTP client of huggingface_hub, by its public members, with our limits.

Owns that the library sends requests only to the hub's own origin, a limited number of times, and reads responses of a
limited size in a limited time. Does not know the requests. The library is imported with the first request.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from sidecar.contract.errors import DownloadFailed
from sidecar.contract.remedies import open_settings

REQUEST_SECONDS = 60.0
"""Timeout of a whole request with all of its pages. Large repositories take the hub some seconds."""

SILENCE_SECONDS = 20.0
"""Idle timeout within a response."""

MAX_TRIES = 2
"""Attempts for one page. The library would retry for half a minute, while a user waits."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The largest response; the list of the largest repository has a few MB."""

_tries = threading.local()
"""How often this thread has tried each address in its present request."""


def begin_request() -> None:
    """Reset the count of attempts of this thread for a new request."""
    _tries.made = Counter()


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


def keep_to(address: str) -> None:
    """Restrict the library to the hub's origin, and to responses of a limited time and size."""
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
        response.stream = _bounded(response.stream)

    def client() -> Any:
        return client_class(
            event_hooks={
                "request": [*hooks.get("request", ()), allowed],
                "response": [*hooks.get("response", ()), bounded],
            },
            follow_redirects=True,
            timeout=SILENCE_SECONDS,
        )

    set_client_factory(client)


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
