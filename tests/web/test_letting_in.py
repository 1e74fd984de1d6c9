"""Who is admitted, over a real server: the right page, by our own name, with the right key."""

from __future__ import annotations

import signal
import socket

import aiohttp
import anyio
import pytest

from sidecar.transport.web.guest import MAX_BYTES, without_cookies
from tests.web.browser import BOUND_SECONDS, Key, Page, Served, shake_hands
from tests.web.conftest import StartServed

pytestmark = pytest.mark.anyio


async def test_a_link_admits_one_page_once_and_that_page_again_and_again(start_served: StartServed) -> None:
    served = start_served()
    link = served.key
    for _ in range(3):  # and reload the page
        async with served.page() as page:
            assert await page.call("ping") == "pong"
    await refused(served, link)
    async with served.page() as page:
        other = Key.of(served.another_link())
        async with aiohttp.ClientSession() as session, served.socket(session) as socket:  # another browser
            await shake_hands(socket, other, served.host)
            assert await Page(socket).call("ping") == "pong"
        async with aiohttp.ClientSession() as session, served.socket(session) as socket:  # another tab
            tab = await shake_hands(socket, served.key, served.host, "link")
            assert (await socket.receive()).data == 4200
        async with aiohttp.ClientSession() as session, served.socket(session) as socket:
            await shake_hands(socket, tab, served.host)
            assert await Page(socket).call("ping") == "pong"
        assert await page.call("ping") == "pong"

    served.process.send_signal(signal.SIGHUP)  # the terminal is closed
    assert served.process.wait(timeout=10) == 0


async def refused(served: Served, key: Key) -> None:
    """A page with this key is refused."""
    async with aiohttp.ClientSession() as session, served.socket(session) as socket:
        await socket.send_json({"key": key.name, "nonce": "n"})
        with anyio.fail_after(BOUND_SECONDS):
            message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4401)


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc":"2.0","id":1,"method":"ping"}',
        '{"key":"guess","nonce":"n"}',
        '{"key":"{name}","nonce":""}',
        '{"key":"{name}","nonce":"n","purpose":"else"}',
        '{"key":"{name}","nonce":"n","more":1}',
        "[]",
        "no JSON",
    ],
)
async def test_a_page_that_says_anything_else_first_is_refused_by_a_close_code(served: Served, text: str) -> None:
    async with aiohttp.ClientSession() as session, served.socket(session) as socket:
        await socket.send_str(text.replace("{name}", served.key.name))
        with anyio.fail_after(BOUND_SECONDS):
            message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4401)


@pytest.mark.case(41)
async def test_a_page_that_cannot_prove_its_key_is_refused_and_the_key_stays_valid(served: Served) -> None:
    async with served.page() as page:
        for proof in ('{"proof":"guess"}', "{}", '{"jsonrpc":"2.0","id":1,"method":"ping"}'):
            async with aiohttp.ClientSession() as session, served.socket(session) as socket:
                await socket.send_json({"key": served.key.name, "nonce": "n"})
                assert set(await socket.receive_json()) == {"nonce", "proof"}
                await socket.send_str(proof)
                assert (await socket.receive()).data == 4401
        assert await page.call("ping") == "pong"
    async with served.page() as page:
        assert await page.call("ping") == "pong"


async def test_a_page_that_is_not_admitted_cannot_send_much(served: Served) -> None:
    async with aiohttp.ClientSession() as session, served.socket(session) as socket:
        await socket.send_str("x" * (MAX_BYTES + 1))
        with anyio.fail_after(BOUND_SECONDS):
            message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)


async def test_cookies_of_other_ports_keep_nobody_out(served: Served) -> None:
    cookie = "; ".join(f"tossed{number}={'x' * 4000}" for number in range(180))
    assert served.get("/rpc", Cookie=cookie)[0] == 403
    assert served.get("/rpc", Cookie="llama-sidecar=1")[0] == 403
    assert without_cookies(b"GET / HTTP/1.1\r\nHost: a\r\nCOOKIE: b\r\nAccept: c") == (
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept: c"
    )


def test_a_request_ends_its_connection(served: Served) -> None:
    host, _, port = served.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=BOUND_SECONDS) as connection:
        connection.sendall(f"GET /nowhere HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "https://{host}",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "http://{host}.evil",
    ],
)
async def test_no_other_page_may_connect(served: Served, origin: str | None) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.socket(session, origin=origin and origin.format(host=served.host))
    assert refused.value.status == 403


@pytest.mark.parametrize("path", ["/", "/rpc", "/assets/index.js", "/?token=x"])
@pytest.mark.parametrize(
    "host", ["localhost:{port}", "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.2:{port}", ""]
)
async def test_nothing_is_answered_under_another_name(served: Served, path: str, host: str) -> None:
    port = served.host.rpartition(":")[2]
    status, headers, _ = served.get(path, Host=host.format(port=port))
    assert status == 403
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("protocols", [(), ("llama-sidecar.v1",), ("mqtt", "llama-sidecar.v2x")])
async def test_another_way_of_talking_is_refused(served: Served, protocols: tuple[str, ...]) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await served.socket(session, protocols=protocols)
    assert refused.value.status == 400


async def test_everything_has_the_headers_that_a_browser_obeys(served: Served) -> None:
    for path in ("/", "/nowhere", "/rpc"):
        headers = served.get(path)[1]
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["script-src"] == "'self'"
        for name in ("default-src", "object-src", "frame-src", "frame-ancestors", "base-uri", "form-action"):
            assert policy[name] == "'none'"
        assert policy["connect-src"] == f"'self' ws://{served.host}"
        assert headers["Set-Cookie"] is None
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Access-Control-Allow-Origin"] is None
