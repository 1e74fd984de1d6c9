"""The network of real people: tokens, limits, certificates, proxies, several servers of one name, fake addresses.

Hub and proxies are servers of this machine, with and without TLS.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from multidict import CIMultiDict
from yarl import URL

from sidecar.contract.config import DownloadsConfig
from sidecar.contract.downloads import DownloadModelParams
from sidecar.contract.errors import AddressNotAllowed, DownloadFailed, HubAccessDenied, SidecarError
from sidecar.contract.hub import ListHubFilesParams
from sidecar.host.gpus import GpuReader
from sidecar.jobs.progress import Progress
from sidecar.jobs.retry_budget import TryAgain
from sidecar.library.downloads import lookup, transfer
from sidecar.library.downloads.addresses import CheckedResolver, Origin, Rules
from sidecar.library.downloads.answers import Source, Unsteady, refusal
from sidecar.library.downloads.lookup import find, requested, resolve
from sidecar.library.downloads.web import Web
from sidecar.library.hub.api import Hub
from sidecar.library.hub.endpoint import hub_address
from sidecar.library.hub.listing import list_files
from sidecar.library.hub.token import TokenSource, may_receive
from tests.certificates import COMPANY, signed_by_company
from tests.config_files import config_file
from tests.hub_server import HubFile, HubServer, large_model
from tests.library.downloads.fetching import fetching
from tests.library.gguf_files import model_bytes
from tests.proxy_server import ProxyServer

pytestmark = pytest.mark.anyio

REPO = "tests/one-GGUF"
EXPIRED = "hf_expired"
SIZE = 9_000_000


class Client(NamedTuple):
    """The search and the downloads, as a sidecar has them."""

    hub: Hub
    web: Web
    tokens: TokenSource


@asynccontextmanager
async def client(**downloads: object) -> AsyncIterator[Client]:
    config, tokens = config_file(downloads=DownloadsConfig(**downloads)), TokenSource()  # type: ignore[arg-type]
    hub = Hub(config, tokens)
    web = Web(config, hub, tokens)
    try:
        yield Client(hub, web, tokens)
    finally:
        await web.aclose()


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT"):
            monkeypatch.delenv(name)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setattr(lookup, "TRY_SECONDS", 0.0)


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with a public model and a small file beside it; with TLS, too, of which huggingface_hub's rules depend."""
    signed = signed_by_company(tmp_path)
    if request.param == "https":
        monkeypatch.setenv("SSL_CERT_FILE", str(signed.root))
    with HubServer(tls=signed.context if request.param == "https" else None) as server:
        server.add(REPO, {"one-Q4_0.gguf": model_bytes(), "mmproj-F16.gguf": model_bytes()})
        server.repos[REPO].files["mmproj-F16.gguf"].large = False
        yield server


# --- tokens ---


async def test_a_public_model_is_found_with_an_expired_token_which_is_named(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """huggingface/huggingface_hub#1124: with an expired token, a public model was "not on the hub"."""
    server.refused_tokens.add(EXPIRED)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(EXPIRED)
    for variable, source in (("HF_TOKEN", "HF_TOKEN"), (None, f"the file {tmp_path / 'hf' / 'token'}")):
        if variable is not None:
            monkeypatch.setenv(variable, EXPIRED)
        async with client(hub_endpoint=server.url) as (hub, web, tokens):
            assert [model.repo for model in await hub.search("one")] == [REPO]
            listed = await list_files(ListHubFilesParams(repo=REPO), hub=hub, gpus=GpuReader())
            assert [(one.code, source in one.message) for one in listed.warnings] == [("TOKEN_REFUSED", True)]
            assert EXPIRED not in listed.warnings[0].message
            with pytest.raises(HubAccessDenied) as denied:
                await hub.repository("tests/unknown")
            assert source in denied.value.message
        async with client(hub_endpoint=server.url) as (hub, web, tokens):
            tokens.token()
            for file in ("one-Q4_0.gguf", "mmproj-F16.gguf"):
                assert (await find(web, Source(f"{server.url}/{REPO}/resolve/main/{file}", REPO))).size
            assert tokens.refusals() == [source]
        monkeypatch.delenv("HF_TOKEN", raising=False)
    assert "HF_TOKEN" in caplog.text
    assert EXPIRED not in caplog.text


async def test_a_forgotten_token_does_not_hide_the_right_one(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.refused_tokens.add(EXPIRED)
    server.repos[REPO].private = True
    monkeypatch.setenv("HF_TOKEN", EXPIRED)
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(server.token)
    async with client(hub_endpoint=server.url) as (hub, web, _):
        assert (await hub.repository(REPO)).repo == REPO
        assert (await find(web, Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf", REPO))).sha256
    async with client(hub_endpoint=server.url) as (_, web, tokens):
        tokens.token()
        assert (await find(web, Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf", REPO))).sha256


def test_a_mirror_gets_the_token_only_where_the_config_says_so() -> None:
    """A mirror that HF_ENDPOINT named was given the hub's token."""
    for address, hosts, expected in (
        ("https://huggingface.co", [], True),
        ("https://eu.huggingface.co", [], True),
        ("https://hf.co", [], True),
        ("http://127.0.0.1:8800", [], True),
        ("https://localhost:1", [], True),
        ("http://huggingface.co", [], False),
        ("https://hf-mirror.com", [], False),
        ("https://nothuggingface.co", [], False),
        ("https://huggingface.co.example", [], False),
        ("https://localhost.example", [], False),
        ("https://hf-mirror.com", ["HF-Mirror.com"], True),
        ("http://hf-mirror.com", ["hf-mirror.com"], False),
        ("https://a.hf-mirror.com", ["hf-mirror.com"], False),
    ):
        assert (address, may_receive(address, hosts)) == (address, expected)


# --- limits ---


class Shown(Progress):
    """Keeps each reason for waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []

    def wait_for(self, reason: str | None) -> None:
        super().wait_for(reason)
        self.reasons += [reason] if reason else []


async def test_a_limit_is_waited_for_as_long_as_the_hub_says_and_the_progress_says_so(
    server: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """huggingface/huggingface_hub#3553: 429 named its time in RateLimit headers, which were ignored."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)
    limit = (429, {"RateLimit": '"api";r=0;t=55', "RateLimit-Policy": '"fixed window";"api";q=500;w=300'})
    async with client(hub_endpoint=server.url) as (hub, web, _):
        server.statuses.append(limit)
        with pytest.raises(DownloadFailed) as failed:
            await hub.search("one")
        assert "again in 55 s" in failed.value.message
        assert failed.value.data == {"http_status": 429, "retry_after_seconds": 55.0, "network_cause": "rate_limit"}
        server.statuses.append((429, {"RateLimit": '"api";r=0;t=3'}))
        assert await hub.search("one")
        server.statuses += [limit, limit]
        shown = Shown()
        record = requested(DownloadModelParams(repo=REPO), tmp_path, endpoint=server.url)
        await resolve(record, hub=hub, web=web, progress=shown)
        assert record.files
        assert all("again in 55 s" in reason for reason in shown.reasons)
        assert slept == [3.0, 55.0, 55.0]
    limited = refusal(URL("https://cdn.example/f"), *limit)
    assert isinstance(limited, TryAgain)
    assert (limited.after_seconds, "again in 55 s" in limited.reason) == (55.0, True)


# --- what fails before an answer ---


async def both(found: Client, address: str) -> list[SidecarError]:
    """The errors of the search and of a download."""
    with pytest.raises(SidecarError) as searched:
        await found.hub.search("one")
    with pytest.raises(SidecarError) as fetched:
        await find(found.web, Source(f"{address}/{REPO}/resolve/main/one-Q4_0.gguf", REPO))
    return [searched.value, fetched.value]


async def test_a_company_certificate_is_named_and_trusted_where_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LM Studio bug tracker #235: the hub was blamed for a company's certificate, with the name of a class."""
    signed = signed_by_company(tmp_path)
    with HubServer(tls=signed.context) as server:
        server.add(REPO, {"one-Q4_0.gguf": model_bytes()})
        async with client(hub_endpoint=server.url) as found:
            for error in await both(found, server.url):
                assert f"127.0.0.1 is signed by {COMPANY}" in error.message
                assert (error.data["network_cause"], "SSL_CERT_FILE" in error.hint) == ("certificate", True)
        async with client(hub_endpoint=server.url, ca_file=str(signed.root)) as (hub, web, _):
            assert await hub.search("one")
            assert (await find(web, Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf", REPO))).sha256
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            with monkeypatch.context() as environment:
                environment.setenv(variable, str(signed.root))
                async with client(hub_endpoint=server.url) as (hub, web, _):
                    assert await hub.search("one")
                    assert (await find(web, Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf", REPO))).sha256
                environment.setenv(variable, str(tmp_path / "missing.pem"))
                async with client(hub_endpoint=server.url) as found:
                    for error in await both(found, server.url):
                        assert variable in error.message
                        assert "missing.pem" in error.message
        with ProxyServer() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            async with client(hub_endpoint=server.url) as found:
                for error in await both(found, server.url):
                    assert f"127.0.0.1 is signed by {COMPANY}" in error.message
    monkeypatch.delenv("HTTPS_PROXY")
    with HubServer(tls=signed_by_company(tmp_path, days=-1).context) as server:
        async with client(hub_endpoint=server.url, ca_file=str(tmp_path / "root.pem")) as found:
            for error in await both(found, server.url):
                assert "has expired" in error.message


async def test_a_proxy_that_fails_is_named(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """nousresearch/hermes-agent#59667: the hub "cannot be reached", and the proxy was never named."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for variable, value, named in (
        ("ALL_PROXY", f"http://127.0.0.1:{port}", f"127.0.0.1:{port}"),
        ("all_proxy", "socks5://127.0.0.1:1080", "socks5://"),
        ("ALL_PROXY", "http://127.0.0.1: 3128", "a blank"),
        ("all_proxy", "http://127.0.0.1:port", "not an address"),
    ):
        with monkeypatch.context() as environment:
            environment.setenv(variable, value)
            async with client(hub_endpoint=server.url) as found:
                for error in await both(found, server.url):
                    assert (variable in error.message, named in error.message) == (True, True), error.message
                    assert (error.name, error.data["network_cause"]) == ("DOWNLOAD_FAILED", "proxy")
                    assert error.hint
                environment.setenv("NO_PROXY", "127.0.0.0/8")
                assert await found.hub.search("one")
                assert (await find(found.web, Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf"))).sha256


async def test_one_proxy_serves_the_search_and_the_downloads(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cve-bin-tool#5781: ALL_PROXY and NO_PROXY held for the search and not for the downloads."""
    file = Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf", REPO)
    with ProxyServer() as proxy:
        proxy.login = "me:pass word"
        monkeypatch.setenv("ALL_PROXY", f"http://me:pass%20word@127.0.0.1:{proxy.port}")
        async with client(hub_endpoint=server.url) as (hub, web, _):
            assert await hub.search("one")
            assert (await find(web, file)).sha256
            assert len(proxy.asked) >= 3
            for excluded in ("*", "127.0.0.1", f"127.0.0.1:{server.port}", "127.*", "127.0.0.0/8"):
                proxy.asked.clear()
                monkeypatch.setenv("no_proxy", excluded)
                assert await hub.search("one")
                assert (await find(web, file)).sha256
                assert (excluded, proxy.asked) == (excluded, [])
            monkeypatch.delenv("no_proxy")
        for login, status, words in (("me:other", None, "a name and a password"), (None, 403, "does not connect")):
            proxy.login, proxy.status = login, status
            if server.url.startswith("http:") and status is not None:
                continue  # the answer to a request without a tunnel may be the server's own
            async with client(hub_endpoint=server.url) as found:
                for error in await both(found, server.url):
                    assert words in error.message
                    assert (error.data["network_cause"], "pass" in error.message) == ("proxy", "password" in words)


async def test_names_of_this_network_are_not_passed_to_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with ProxyServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with client() as (_, web, _):
            for host in (
                "localhost",
                "router",
                "nas.local",
                "db.corp",
                "x.internal",
                "10.0.0.1",
                "[::1]",
                "198.18.0.1",
            ):
                with pytest.raises(AddressNotAllowed):
                    await web.find(Source(f"https://{host}/a.gguf"))
        assert proxy.asked == []


async def test_an_address_of_a_hub_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a scheme, or with a blank, was an INTERNAL_ERROR, or the hub was blamed."""
    for value, hint in (
        ("hf-mirror.com", "https://hf-mirror.com"),
        ("https://hf mirror.com", "HF_ENDPOINT"),
        ("ftp://hf-mirror.com", "HF_ENDPOINT"),
        ("https://", "HF_ENDPOINT"),
        ("https://hf-mirror.com:99999", "HF_ENDPOINT"),
        (f"https://{'x' * 70}.com", "HF_ENDPOINT"),
        ("https://a..b", "HF_ENDPOINT"),
    ):
        monkeypatch.setenv("HF_ENDPOINT", value)
        async with client() as (hub, _, _):
            with pytest.raises(DownloadFailed) as failed:
                await hub.search("one")
        assert (value, "HF_ENDPOINT" in failed.value.message, hint in failed.value.hint) == (value, True, True)
        assert failed.value.data["network_cause"] == "address"
    assert hub_address(None, {"HF_ENDPOINT": "  https://hf-mirror.com/ \n"}) == "https://hf-mirror.com"
    assert hub_address(None, {"HF_ENDPOINT": " "}) == "https://huggingface.co"


# --- several servers of one name ---


async def test_servers_of_one_name_may_identify_a_file_each_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """background_downloader#541: the ETag differs between the servers, "another file" permanently."""
    monkeypatch.setattr(transfer, "VERSION_PAUSE_SECONDS", 0.0)
    data, date = large_model(SIZE), {"Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}
    changing = tuple(f'"{number}"' for number in range(1000))
    with HubServer() as server:
        for case, etags, headers, outcome in (
            ("weak", ('"a"', 'W/"a"'), {}, None),
            ("date", changing, date, None),
            ("two", ('"a"', '"b"'), {}, None),
            ("none", changing, {}, Unsteady),
        ):
            (tmp_path / case).mkdir()
            async with fetching(server, tmp_path / case, data, private=True) as fetcher:
                server.files["one.gguf"] = HubFile(data)
                server.files["one.gguf"].faults.etags, server.files["one.gguf"].faults.headers = etags, headers
                if outcome is None:
                    await fetcher.fetch(Source(f"{server.url}/files/one.gguf"))
                    assert fetcher.read() == data
                else:
                    with pytest.raises(outcome):
                        await fetcher.fetch(Source(f"{server.url}/files/one.gguf"))
            async with fetching(server, tmp_path / case, data) as fetcher:  # the hub's hash and size agree
                fetcher.file.faults.etags = changing
                await fetcher.fetch()
                assert fetcher.read() == data


async def test_an_answer_with_long_headers_is_read(server: HubServer) -> None:
    """Headers over 8190 bytes: the hub "can not be reached"."""
    server.repos[REPO].files["one-Q4_0.gguf"].faults.headers = {"Content-Security-Policy": "x" * 30_000}
    async with client(hub_endpoint=server.url) as (_, web, _):
        assert (await find(web, Source(f"{server.url}/{REPO}/resolve/main/one-Q4_0.gguf", REPO))).sha256


# --- fake addresses ---


async def test_a_fake_address_of_a_proxy_tool_is_allowed_for_a_public_name_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """openclaw/openclaw#59395: 198.18.0.0/15 was "inside this machine", and the cure allowed all private addresses."""
    answers = {
        "huggingface.co": ["198.18.0.7"],
        "cdn.hf.example": ["198.19.255.1", "fc00::7"],
        "both.example": ["198.18.0.7", "192.168.1.1"],
        "ula.example": ["fc00::7"],
        "nas.local": ["198.18.0.8"],
        "router": ["198.18.0.9"],
    }

    def resolved(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answers[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    rules = Rules(hub=Origin("https", "hub.example", 443))
    resolver = CheckedResolver(lambda: rules, set())
    for host in ("huggingface.co", "cdn.hf.example"):
        assert [one["host"] for one in await resolver.resolve(host, 443)] == answers[host][:1]
    for host in ("both.example", "ula.example", "nas.local", "router"):
        with pytest.raises(AddressNotAllowed) as refused:
            await resolver.resolve(host, 443)
        assert ("fake IP" in refused.value.message) == (host in ("nas.local", "router"))
    for url in ("https://198.18.0.7/a", "http://huggingface.co/a", "https://[::ffff:198.18.0.7]/a"):
        with pytest.raises(AddressNotAllowed):
            rules.check(URL(url))


def test_headers_are_read_without_regard_to_case() -> None:
    found = refusal(URL("https://hub.example/f"), 429, CIMultiDict({"ratelimit": '"api";r=0;t=9'}))
    assert isinstance(found, TryAgain)
    assert found.after_seconds == 9.0
