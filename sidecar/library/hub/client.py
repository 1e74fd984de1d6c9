"""The HTTP client of huggingface_hub, by its public members, with our bounds.

Owns that the library asks only the hub's own origin, a bounded number of times, and reads answers of a bounded size in
a bounded time. Knows no question. The library is imported when the hub is asked for the first time.
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

ASK_SECONDS = 60.0
"""For a whole question, all pages of it. Large repositories take the hub some seconds."""

SILENCE_SECONDS = 20.0
"""Within an answer."""

MAX_TRIES = 2
"""Of one page. The library would try for half a minute, and somebody waits for an answer."""

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The list of the largest repository has a few MB."""

_tries = threading.local()
"""How often each address was asked in the question that this thread works on."""


def begin_question() -> None:
    """Count the tries of a new question, on this thread."""
    _tries.made = Counter()


@cache
def _defaults() -> tuple[Any, dict[str, Any]]:
    """The class of the library's HTTP client, which depends on its version, and the hooks that it gives one."""
    from huggingface_hub import get_session

    client = get_session()
    # At "info" it logs every address with its question.
    logging.getLogger(http_library().__name__).setLevel(logging.WARNING)
    return type(client), dict(client.event_hooks)


def http_library() -> Any:
    """The HTTP library that huggingface_hub uses: httpx, or httpx2 in newer versions."""
    from huggingface_hub.errors import HfHubHTTPError

    error = next(kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError")
    return sys.modules[error.__module__.partition(".")[0]]


def keep_to(address: str) -> None:
    """Let the library ask only the hub, wait for each answer a bounded time, and read it to a bounded size."""
    from urllib.parse import urlsplit

    from huggingface_hub import set_client_factory

    mine = urlsplit(address)
    client_class, hooks = _defaults()

    def allowed(request: Any) -> None:
        asked = urlsplit(str(request.url))
        if (asked.scheme, asked.hostname, asked.port) != (mine.scheme, mine.hostname, mine.port):
            raise DownloadFailed(
                f"The hub sends us to {asked.hostname} with a question; only {mine.hostname} is asked.",
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
    """A body that is read to an end: where it is too long or takes too long, by an error."""

    def pieces(_: Any) -> Iterator[bytes]:
        came, until = 0, time.monotonic() + ASK_SECONDS
        for piece in stream:
            came += len(piece)
            if came > MAX_ANSWER_BYTES or time.monotonic() > until:
                raise DownloadFailed("The hub's answer has no end.")
            yield piece

    # The library takes only what is of its own class.
    streams = (http_library().SyncByteStream,)
    return type("Bounded", streams, {"__iter__": pieces, "close": lambda _: stream.close()})()
