"""When a server that refuses for now allows the next request.

Pure: from headers to seconds. Owns which header counts: Retry-After (RFC 9110, 10.2.3), then RateLimit with the policy
beside it (draft-ietf-httpapi-ratelimit-headers, which Hugging Face follows), then the older RateLimit-Reset and
X-RateLimit-Reset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

TOO_MANY_REQUESTS = 429

LONGEST_SECONDS = 10**7
"""A reset beyond this is a time of day in seconds since 1970 rather than a duration."""

_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,6})?", re.ASCII)
_ITEM = re.compile(r'"[^"]*"((?:\s*;\s*\w+\s*=\s*[^;,]+)*)')
_MEMBER = re.compile(r"\b([a-z]+)\s*=\s*\"?(\d{1,12})\b", re.ASCII)


def retry_after(status: int, headers: Mapping[str, str]) -> float | None:
    """Seconds until the server allows another request; `None` if it does not say.

    Args:
        status: of its response. Only 429 is about the limit: servers send RateLimit with every response.
        headers: of its response. A time of day counts only beside the server's own, in Date.
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    clock = _date(given.get("date", ""))
    asked = _duration_or_date(given.get("retry-after", ""), clock)
    if asked is not None or status != TOO_MANY_REQUESTS:
        return asked
    limited = _of_rate_limit(given.get("ratelimit", ""))
    if limited is not None:
        return limited
    for name in ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"):
        if (reset := _duration_or_date(given.get(name, ""), clock)) is not None:
            return reset
    windows = [int(value) for key, value in _MEMBER.findall(given.get("ratelimit-policy", "")) if key == "w"]
    return float(max(windows)) if windows else None


def _of_rate_limit(value: str) -> float | None:
    """`"api";r=0;t=55`, of which the exhausted policies count, or the older `limit=5, remaining=0, reset=55`."""
    items = [dict(_MEMBER.findall(members)) for members in _ITEM.findall(value)]
    if not items and value:
        members = dict(_MEMBER.findall(value))
        items = [{"t": members["reset"], "r": members.get("remaining", "0")}] if "reset" in members else []
    timed = [item for item in items if "t" in item]
    exhausted = [item for item in timed if item.get("r") == "0"]
    seconds = [int(item["t"]) for item in exhausted or timed]
    return float(max(seconds)) if seconds else None


def _duration_or_date(value: str, clock: float | None) -> float | None:
    if _SECONDS.fullmatch(value):
        at = float(value)
        if at <= LONGEST_SECONDS:
            return at
    else:
        found = _date(value)
        if found is None:
            return None
        at = found
    return None if clock is None else max(at - clock, 0.0)


def _date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError):
        return None


def in_words(seconds: float | None) -> str:
    """`again in 55 s`, for messages."""
    return "it does not say for how long" if seconds is None else f"again in {seconds:.0f} s"
