"""Opens the page in the browser, and prints another address where one is asked for.

Owns the file that the browser is given: an address in an argument could be read by every program of this machine, and
the key in it taken. The file can be read by its owner only, and is deleted soon.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from html import escape
from pathlib import Path

from sidecar.host import descriptors

FILE_SECONDS = 60.0
"""For a browser to start and read the file."""

BACKGROUND_SECONDS = 1.0
"""Between two checks whether we are in the terminal's foreground again, where its keys are meant for us."""

READ_BYTES = 4096

_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>llama-sidecar</title>
<p><a href="{address}">Open the page</a></p>
</html>
"""


class PageFile:
    """The file that leads a browser to the page.

    Args:
        path: where it is; its folder is its owner's only.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended = threading.Event()
        self._is_ours = False

    def open(self, address: str) -> None:
        """Write the file and open it on a thread, since opening a browser takes seconds on some systems."""
        self._is_ours = True
        threading.Thread(target=self._open, args=(address,), name="browser", daemon=True).start()

    def close(self) -> None:
        """Delete the file, if there is one of ours."""
        self._ended.set()
        if self._is_ours:
            self._path.unlink(missing_ok=True)

    def _open(self, address: str) -> None:
        import webbrowser

        try:
            write_private(self._path, _PAGE.format(address=escape(address)))
            opened = webbrowser.open(self._path.absolute().as_uri())
        except OSError as error:
            print(f"The page's file could not be written: {error.strerror}.", file=sys.stderr)
            opened = False
        if not opened:
            print("No browser could be opened; open the address above yourself.", file=sys.stderr)
        self._ended.wait(FILE_SECONDS)
        self._path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner may read, in place of one of this name.

    Raises:
        OSError: it could not be written.
    """
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def on_each_line(fd: int, act: Callable[[], None]) -> None:
    """Call `act` in this event loop for a line on a pipe or terminal, until its end; once for what comes together.

    Nothing is read while another program is in the terminal's foreground: the system would stop us. On Windows nothing
    is read at all, since no event loop can wait for a terminal there.
    """
    if not descriptors.is_watchable(fd):
        return
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not descriptors.is_in_foreground(fd):
            loop.remove_reader(fd)
            loop.call_later(BACKGROUND_SECONDS, loop.add_reader, fd, read)
            return
        try:
            data = os.read(fd, READ_BYTES)
        except OSError:  # the terminal is gone
            data = b""
        if not data:
            loop.remove_reader(fd)
        if b"\n" in data:
            act()

    loop.add_reader(fd, read)
