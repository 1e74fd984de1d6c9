"""Where an engine is, and ways there: TLS, and proxies, over real sockets."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sidecar.engines.client.connection import Address, Proxy
from sidecar.engines.client.engine_client import EngineClient, EngineGone
from tests.engines.http_peer import answer
from tests.processes.programs import WAIT_SECONDS

pytestmark = pytest.mark.anyio

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HOST = "engine.example"
"""No machine has this name; a proxy is asked for it, which leads to the test's own server."""


@pytest.fixture(autouse=True)
def no_proxies_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("address", "found", "host"),
    [
        ("unix:///run/a b.sock", Address("/run/a b.sock"), "engine"),
        ("http://127.0.0.1:8080", Address(None, "127.0.0.1", 8080), "127.0.0.1:8080"),
        ("http://[::1]:8080", Address(None, "::1", 8080), "[::1]:8080"),
        (
            "https://b\u00fccher.example/a b",
            Address(None, "b\u00fccher.example", 443, True, "/a%20b"),
            "xn--bcher-kva.example:443",
        ),
        ("http://me:secret@HOST/x\r\nX: y", Address(None, "host", 80, False, "/xX:%20y"), "host:80"),
    ],
)
def test_an_address_says_where_to_connect_and_what_to_say_there(address: str, found: Address, host: str) -> None:
    parsed = Address.parse(address)
    assert (parsed, parsed.host_field) == (found, host)


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", "http://[", "http://", "ftp://host", "host:80", ""])
def test_what_is_no_address_is_an_error(address: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(address)


# --- proxies ---


def test_a_proxy_is_used_for_what_is_elsewhere_and_not_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://p.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "me:s%40cret@q.example")
    monkeypatch.setenv("NO_PROXY", "near.example,.inside.example")
    assert Address.parse("http://far.example").proxy == Proxy("p.example", 3128)
    assert Address.parse("https://far.example").proxy == Proxy("q.example", 80, "Basic bWU6c0BjcmV0")
    for near in ("near.example", "a.inside.example", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "localhost:1"):
        for scheme in ("http", "https"):
            assert Address.parse(f"{scheme}://{near}").proxy is None
    assert Address.parse("unix:///x.sock").proxy is None


@pytest.mark.parametrize("proxy", ["https://p.example", "socks5://p.example", "http://"])
def test_a_proxy_that_speaks_something_else_is_an_error(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    with pytest.raises(ValueError, match=r"proxies|has no host"):
        Address.parse("http://far.example")


class TestProxy:
    """A proxy that leads to one server whatever it is asked for; `heads` are what it was asked."""

    __test__ = False

    def __init__(self, port: int, refusal: bytes = b"") -> None:
        self.heads: list[str] = []
        self._port = port
        self._refusal = refusal

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode())
        if self._refusal:
            writer.write(self._refusal)
            return
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", self._port)
        if head.startswith(b"CONNECT "):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            inner.write(head)
        await asyncio.gather(copy(reader, inner), copy(inner_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def props(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"Host: " in head
    writer.write(answer(200, b'{"total_slots": 7}'))


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server; gives its port. All of its connections have ended with the block."""
    served: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            await handle(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.wait_for(asyncio.gather(*filter(None, served)), WAIT_SECONDS)


async def slots(address: str) -> int:
    """What the engine at an address says of its slots."""
    client = EngineClient(address, "key1")
    try:
        with anyio.fail_after(WAIT_SECONDS):
            return (await client.props()).total_slots
    finally:
        client.close()


async def test_a_plain_request_is_sent_to_the_proxy_with_the_whole_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(props) as port:
        proxy = TestProxy(port)
        async with listening(proxy.handle) as proxy_port:
            monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{proxy_port}")
            assert await slots(f"http://{HOST}/v") == 7
    (head,) = proxy.heads
    assert head.startswith(f"GET http://{HOST}:80/v/props HTTP/1.1\r\nHost: {HOST}:80\r\n")
    assert "Proxy-Authorization: Basic bWU6cHc=\r\n" in head


async def test_tls_goes_through_a_tunnel_and_the_proxy_gets_no_key(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext
) -> None:
    async with listening(props, tls) as port:
        proxy = TestProxy(port)
        async with listening(proxy.handle) as proxy_port:
            monkeypatch.setenv("https_proxy", f"me:pw@127.0.0.1:{proxy_port}")
            assert await slots(f"https://{HOST}") == 7
    assert proxy.heads == [
        f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    ]


@pytest.mark.parametrize(
    "refusal", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)
async def test_a_proxy_that_opens_no_tunnel_leaves_the_engine_unreachable(
    refusal: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = TestProxy(9, refusal)
    async with listening(proxy.handle) as proxy_port:
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy_port}")
        with pytest.raises(EngineGone, match="proxy"):
            await slots(f"https://{HOST}")


# --- TLS ---


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side of TLS, for HOST and this machine, with a certificate that the client's side trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = tmp_path / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, private)
    return context


async def test_an_engine_behind_tls_is_asked_as_any_other(tls: ssl.SSLContext) -> None:
    async with listening(props, tls) as port:
        assert await slots(f"https://127.0.0.1:{port}") == 7


async def test_a_certificate_that_is_not_trusted_or_of_another_host_is_refused(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(props, tls) as port:
        with pytest.raises(EngineGone, match="certificate"):
            await slots(f"https://localhost:{port}")
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(EngineGone, match="certificate"):
            await slots(f"https://127.0.0.1:{port}")
