"""WebKit's driver, and the one window that it starts and drives (W3C WebDriver over HTTP).

Owns the driver's process and its session. Knows nothing of what the window shows.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.held_port import held_port

PATIENCE_SECONDS = 60.0
"""Longest wait for anything in a window; a test that needs it is broken."""

ANSWER_SECONDS = 120.0
"""Longest wait for the driver itself, which waits for the window; and for the first start on a cold disk."""

LISTENING_SECONDS = 30.0

REPLACED = 5
"""How often an element may be another one by the time it is used: a page in the making does that once or twice."""

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The standard's name for what stands for an element."""


class DriverError(Exception):
    """The driver says that something can not be done; `name` is the standard's word for why."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        super().__init__(f"{value['error']}: {value['message']}")
        self.name = value["error"]


class Driver:
    """A driver with the window that it has started."""

    def __init__(self, app: str, *, env: Mapping[str, str], inside: Sequence[str] = ()) -> None:
        """Start `app` under a driver; `inside` is what both are run by, such as chroot."""
        self._session = ""
        with held_port() as self._port:
            # What it starts gets its environment.
            argv = [*inside, "WebKitWebDriver", "--host=127.0.0.1", f"--port={self._port}"]
            self.process = subprocess.Popen(argv, env=dict(env), stdin=subprocess.DEVNULL)
            try:
                self._wait_until_it_listens()
                self._session = self._begin(app)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the driver, and with it a window that is still there."""
        self.process.terminate()
        try:
            self.process.wait(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def find(self, xpath: str) -> str:
        """The first element that an XPath names; waits for it."""
        found = self._ask("POST", "/element", {"using": "xpath", "value": xpath})
        return str(found[ELEMENT])

    def count(self, xpath: str) -> int:
        """How many elements there are now."""
        return int(self.run("return document.evaluate(`count(${arguments[0]})`, document).numberValue", xpath))

    def text(self, xpath: str) -> str:
        """The text of an element, as it is shown."""
        return str(self._of(xpath, "GET", "text"))

    def click(self, xpath: str) -> None:
        """Click on an element; waits for it."""
        self._of(xpath, "POST", "click", {})

    def type(self, xpath: str, text: str) -> None:
        """Type into an element."""
        self._of(xpath, "POST", "value", {"text": text})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page; what it returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def reload(self) -> None:
        """Load the page anew."""
        self._ask("POST", "/refresh", {})

    def screenshot(self) -> bytes:
        """A picture of the page, as PNG; of the frame after the next, since what was just done is shown by then."""
        frames = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        self._ask("POST", "/execute/async", {"script": frames, "args": []})
        return base64.b64decode(self._ask("GET", "/screenshot"))

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + LISTENING_SECONDS
        while True:
            assert self.process.poll() is None, f"WebKitWebDriver ended with {self.process.returncode}"
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, f"WebKitWebDriver did not listen within {LISTENING_SECONDS} s"
                time.sleep(0.02)
            else:
                return

    def _begin(self, app: str) -> str:
        milliseconds = int(PATIENCE_SECONDS * 1000)
        wanted = {
            # No browserName: what an app may call itself differs between versions of WebKit.
            "webkitgtk:browserOptions": {"binary": app, "args": []},
            "timeouts": {"implicit": milliseconds, "script": milliseconds, "pageLoad": milliseconds},
        }
        begun = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        return f"/session/{begun['sessionId']}"

    def _of(self, xpath: str, method: str, what: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask something of an element, which a page may put another in the place of meanwhile."""
        for _ in range(REPLACED):
            try:
                return self._ask(method, f"/element/{self.find(xpath)}/{what}", body)
            except DriverError as error:
                if error.name != "stale element reference":
                    raise
        raise AssertionError(f"{xpath} was replaced {REPLACED} times while it was asked for its {what}")

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._send(method, self._session + path, body)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            value = json.loads(response.read())["value"]
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise DriverError(value)
        return value
