"""Who gets in, over a real server: the right browser, by our own name, with our own page."""

from __future__ import annotations

import signal

import aiohttp
import anyio
import pytest

from sidecar.transport.web.server import COOKIE_SECONDS
from tests.web.browser import BOUND_SECONDS, Page, Served
from tests.web.conftest import StartServed

pytestmark = pytest.mark.anyio


async def test_the_token_lets_one_browser_in_once(start_served: StartServed) -> None:
    served = start_served(enter=False)
    path = served.address.removeprefix(served.origin)
    assert served.get(path + "x")[0] == 403
    status, headers, _ = served.get(path)
    cookie = headers["Set-Cookie"]
    assert (status, headers["Location"]) == (303, "/")
    # Also after the browser was closed and opened again.
    assert {"HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={COOKIE_SECONDS}"} <= {
        part.strip() for part in cookie.split(";")
    }
    status, headers, told = served.get(path)
    assert (status, headers["Set-Cookie"], "has been used" in told) == (403, None, True)

    served.cookie = cookie.split(";")[0]
    assert served.get(path, Cookie=served.cookie)[:1] == (303,)  # who has come in may reload even that address
    for _ in range(2):  # and reload the page
        async with served.page() as page:
            assert await page.call("ping") == "pong"

    served.process.send_signal(signal.SIGHUP)  # the terminal is closed
    assert served.process.wait(timeout=10) == 0


@pytest.mark.parametrize("cookie", [None, "llama-sidecar=", "other=1", "{name}=guess", "{name}=ä"])
async def test_a_browser_that_was_not_let_in_is_told_by_a_close_code(served: Served, cookie: str | None) -> None:
    name = served.cookie.split("=")[0]
    cookie = cookie and cookie.format(name=name)
    async with aiohttp.ClientSession() as session, served.socket(session, cookie=cookie) as socket:
        await socket.send_str('{"jsonrpc":"2.0","id":1,"method":"ping"}')
        with anyio.fail_after(BOUND_SECONDS):
            message = await socket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4401)


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
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.2:{port}", ""])
async def test_nothing_is_answered_under_another_name(served: Served, path: str, host: str) -> None:
    port = served.host.rpartition(":")[2]
    status, headers, _ = served.get(path, Host=host.format(port=port))
    assert status == 403
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_a_page_under_the_name_localhost_is_ours_as_well(served: Served) -> None:
    port = served.host.rpartition(":")[2]
    async with aiohttp.ClientSession() as session:
        headers = {"Host": f"localhost:{port}"}
        headers |= {"Origin": f"http://localhost:{port}", "Cookie": served.cookie}
        async with session.ws_connect(
            f"ws://{served.host}/rpc", protocols=("llama-sidecar.v1",), headers=headers
        ) as socket:
            assert await Page(socket).call("ping") == "pong"
        headers["Origin"] = served.origin  # ours, but not the one that was asked
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"ws://{served.host}/rpc", protocols=("llama-sidecar.v1",), headers=headers)


@pytest.mark.parametrize("protocols", [(), ("llama-sidecar.v2",), ("mqtt", "llama-sidecar.v1x")])
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
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Access-Control-Allow-Origin"] is None
