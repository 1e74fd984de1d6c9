"""The time after which a busy server may be asked again, in each of the headers that name it."""

from __future__ import annotations

from sidecar.library.network.rate_limits import retry_after

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"

HEADERS: list[tuple[int, dict[str, str], float | None]] = [
    (429, {}, None),
    (429, {"RateLimit": '"api";r=0;t=55', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'}, 55.0),
    (429, {"ratelimit": '"api"; r=0; t=55'}, 55.0),
    (429, {"RateLimit": '"api";r=0;t=55, "resolvers";r=0;t=90, "pages";r=9;t=300'}, 90.0),
    (429, {"RateLimit": '"api";r=9;t=20'}, 20.0),
    (429, {"RateLimit": "limit=100, remaining=0, reset=50"}, 50.0),
    (429, {"RateLimit-Reset": "7"}, 7.0),
    (429, {"X-RateLimit-Reset": "1792567690", "Date": DATE}, 10.0),
    (429, {"X-RateLimit-Reset": "1792567690"}, None),
    (429, {"RateLimit-Policy": '"fixed window";"api";q=500;w=300'}, 300.0),
    (429, {"RateLimit-Policy": "100;w=60"}, 60.0),
    (429, {"Retry-After": "3", "RateLimit": '"api";r=0;t=55'}, 3.0),
    (429, {"Retry-After": "soon", "RateLimit": '"api";r=0;t=55'}, 55.0),
    (503, {"RateLimit": '"api";r=9;t=20'}, None),
    (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:10 GMT", "Date": DATE}, 10.0),
    (429, {"RateLimit": "nonsense;;=", "RateLimit-Policy": "w"}, None),
]


def test_the_time_is_read_from_the_header_that_names_it() -> None:
    for status, headers, expected in HEADERS:
        assert (headers, retry_after(status, headers)) == (headers, expected)
