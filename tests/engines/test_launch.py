"""Where an engine is reached."""

from __future__ import annotations

import pytest

from sidecar.engines.launch import Endpoint


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("192.168.0.7", "http://192.168.0.7:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104 - nothing is bound
        ("::1", "http://[::1]:8080"),
        ("::", "http://[::1]:8080"),
        ("localhost", "http://127.0.0.1:8080"),
    ],
)
def test_the_url_is_one_that_this_machine_can_use(host: str, url: str) -> None:
    assert Endpoint(host=host).base_url(8080) == url
