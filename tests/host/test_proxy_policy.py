"""Which proxy a request goes through: one table for every client."""

from __future__ import annotations

import pytest

from sidecar.host.proxy_policy import Proxies, ProxyInvalid, is_excluded, parse_proxy

CHOICES: list[tuple[dict[str, str], str, str | None]] = [
    ({}, "https://hub.example", None),
    ({"HTTPS_PROXY": "http://p:1"}, "https://hub.example", "http://p:1"),
    ({"HTTPS_PROXY": "http://p:1"}, "http://hub.example", None),
    ({"HTTP_PROXY": "http://p:1"}, "http://hub.example", "http://p:1"),
    ({"ALL_PROXY": "http://p:1"}, "https://hub.example", "http://p:1"),
    ({"all_proxy": "p:1"}, "http://hub.example", "http://p:1"),
    ({"ALL_PROXY": "http://a:1", "https_proxy": "http://p:2"}, "https://hub.example", "http://p:2"),
    ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, "https://hub.example", "http://lower:1"),
    ({"HTTPS_PROXY": "http://upper:1", "https_proxy": ""}, "https://hub.example", None),
    ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http://hub.example", None),
    ({"HTTPS_PROXY": "  http://p:1 \n"}, "https://hub.example", "http://p:1"),
    ({"HTTPS_PROXY": "proxy.corp"}, "https://hub.example", "http://proxy.corp:80"),
    ({"HTTPS_PROXY": "https://proxy.corp/"}, "https://hub.example", "https://proxy.corp:443"),
    ({"HTTPS_PROXY": "http://me:p%40ss@p:1"}, "https://hub.example", "http://me:p%40ss@p:1"),
    ({"HTTPS_PROXY": "http://[::1]:3128"}, "https://hub.example", "http://[::1]:3128"),
    ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "hub.example"}, "https://hub.example", None),
    ({"HTTPS_PROXY": "http://p:1", "no_proxy": "", "NO_PROXY": "*"}, "https://hub.example", "http://p:1"),
    ({"HTTPS_PROXY": "socks5://p:1", "NO_PROXY": "hub.example"}, "https://hub.example", None),
]

EXCLUSIONS: list[tuple[str, int, str, bool]] = [
    ("hub.example", 443, "*", True),
    ("hub.example", 443, "a, *", True),
    ("hub.example", 443, "HUB.Example", True),
    ("HUB.example.", 443, "hub.example.", True),
    ("a.hub.example", 443, "hub.example", True),
    ("nothub.example", 443, "hub.example", False),
    *((host, 443, entry, True) for entry in (".corp", "*.corp", "corp") for host in ("x.corp", "y.x.corp", "corp")),
    *(("xcorp", 443, entry, False) for entry in (".corp", "*.corp", "corp")),
    ("hub.example", 8080, "hub.example:8080", True),
    ("hub.example", 443, "hub.example:8080", False),
    ("a.corp", 8080, ".corp:8080", True),
    ("10.1.2.3", 443, "10.0.0.0/8", True),
    ("11.1.2.3", 443, "10.0.0.0/8", False),
    ("10.1.2.3", 443, "10.1.2.0/33 10.1.2.3/32", True),
    ("10.1.2.3", 443, "10.*", True),
    ("fd00::1", 443, "fd00::/8", True),
    ("[fd00::1]", 443, "fd00::1", True),
    ("::1", 443, "[::1]:443", True),
    ("::1", 80, "[::1]:443", False),
    ("10.1.2.3", 443, "2.3", False),
    ("hub.example", 443, "10.0.0.0/8", False),
    ("hub.example", 443, "a b;hub.example", True),
    ("hub.example", 443, "https://hub.example/", True),
    ("nas", 443, "<local>", True),
    ("nas.example", 443, "<local>", False),
    ("mirror-7.example", 443, "mirror-*.example", True),
    ("hub.example", 443, " , ;; . :8080 [ ", False),
]


def test_the_variables_mean_the_same_to_every_client() -> None:
    for environ, address, expected in CHOICES:
        scheme, _, host = address.partition("://")
        found = Proxies.of(environ).proxy_for(scheme, host)
        assert (environ, found and found.url) == (environ, expected)


def test_hosts_are_excluded_by_names_networks_ports_and_stars() -> None:
    for host, port, excluded, expected in EXCLUSIONS:
        assert (host, port, excluded, is_excluded(host, port, excluded)) == (host, port, excluded, expected)


def test_a_proxy_that_cannot_be_used_names_its_variable_and_never_its_password() -> None:
    for value in (
        "socks5://me:hunter2@p:1",
        "socks://p:1",
        "ftp://p:1",
        "http://me:hunter2@p :1",
        '"http://p:1"',
        "http://",
        "http://p:99999",
        "http://p:x",
        "http://[::1",
    ):
        with pytest.raises(ProxyInvalid) as refused:
            parse_proxy(value, "HTTPS_PROXY")
        assert refused.value.source == "HTTPS_PROXY"
        assert "HTTPS_PROXY" in refused.value.hint
        assert "hunter2" not in f"{refused.value} {refused.value.hint}"


def test_a_proxy_is_shown_without_its_password() -> None:
    assert parse_proxy("http://me:hunter2@proxy.corp:3128", "https_proxy").shown == "proxy.corp:3128 (https_proxy)"
