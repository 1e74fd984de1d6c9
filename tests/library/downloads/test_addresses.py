"""Which addresses are connected to, however they are written and wherever they lead."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from yarl import URL

from sidecar.contract.errors import AddressNotAllowed
from sidecar.library.downloads.addresses import CheckedResolver, Origin, Rules, is_public, shown

HUB = Origin("http", "127.0.0.1", 8800)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *[(a, True) for a in ("8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::")],
        *[(a, False) for a in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1")],
        *[(a, False) for a in ("100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.0.1")],
        *[(a, False) for a in ("::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "2001::1")],
        *[(a, False) for a in ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::a9fe:a9fe")],
        *[(a, False) for a in ("2002:7f00:1::", "64:ff9b:1::7f00:1", "::ffff:0:7f00:1")],
    ],
)
def test_an_address_is_public_or_it_is_inside(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/a", "ftp://example.com/a", "file:///etc/passwd", "/a", "https://user@example.com/a"),
        *("https://user:hunter2@example.com/a", "https://127.0.0.1/a", "https://127.1/a", "https://2130706433/a"),
        *("https://[::1]/a", "https://[fe80::1%25eth0]/a", "https://10.0.0.1/a", "https://0/a", "http://127.0.0.1:1/a"),
        *("http://127.0.0.1:8801/a", "https://[::ffff:7f00:1]/a"),
    ],
)
def test_what_is_not_https_of_a_public_server_is_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed) as refused:
        Rules(hub=HUB).check(URL(url, encoded=True))
    assert refused.value.hint
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("url", ["https://example.com/a", "https://8.8.8.8/a", "http://127.0.0.1:8800/any"])
def test_https_and_the_hub_s_own_origin_are_allowed(url: str) -> None:
    Rules(hub=HUB).check(URL(url))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        *[(u, True) for u in ("http://127.0.0.1:9/a", "http://nas/a", "http://nas.local/a", "https://10.0.0.1/a")],
        *[(u, False) for u in ("http://example.com/a", "http://8.8.8.8/a", "ftp://nas/a")],
    ],
)
def test_the_local_network_is_allowed_where_that_is_said_and_then_without_tls(url: str, allowed: bool) -> None:
    rules = Rules(private=True)
    if allowed:
        rules.check(URL(url))
    else:
        with pytest.raises(AddressNotAllowed):
            rules.check(URL(url))


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert shown(URL("https://u:p@example.com/a.gguf?Signature=s#f")) == "https://example.com/a.gguf"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server of the test's own."""
    known: dict[str, list[str]] = {}

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.mark.anyio
async def test_a_name_that_leads_inside_is_refused_even_with_a_public_address_beside(
    names: dict[str, list[str]],
) -> None:
    names["rebound.example"] = ["8.8.8.8", "127.0.0.1"]
    names["good.example"] = ["8.8.8.8"]
    resolver = CheckedResolver(lambda: Rules(hub=HUB), set())
    assert [one["host"] for one in await resolver.resolve("good.example", 443)] == ["8.8.8.8"]
    with pytest.raises(AddressNotAllowed):
        await resolver.resolve("rebound.example", 443)


@pytest.mark.anyio
async def test_a_proxy_that_this_machine_is_set_up_with_may_be_inside(names: dict[str, list[str]]) -> None:
    names["proxy.corp"] = ["10.0.0.1"]
    resolver = CheckedResolver(Rules, {("proxy.corp", 3128)})
    assert [one["host"] for one in await resolver.resolve("proxy.corp", 3128)] == ["10.0.0.1"]
    with pytest.raises(AddressNotAllowed):
        await resolver.resolve("proxy.corp", 443)
