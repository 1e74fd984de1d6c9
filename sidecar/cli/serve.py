"""`llama-sidecar serve --web`: a sidecar for pages in a browser, in this process.

Owns its output: the address on stdout, everything else on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading

from sidecar.app import Options, serve_behind
from sidecar.cli import wording
from sidecar.contract.errors import NotSupported, SidecarError
from sidecar.host.extras import how_to_get

FAILED = 1
"""The exit code where nothing could be served."""


def serve_pages(options: argparse.Namespace, app_options: Options, stdout: int) -> int:
    """Serve pages until shutdown; returns the exit code. `stdout` is a descriptor of the original stdout."""
    try:
        _serve(options, app_options, stdout)
    except SidecarError as error:
        for line in wording.lines_of(error):
            print(line, file=sys.stderr)
        return FAILED
    return 0


def _serve(options: argparse.Namespace, app_options: Options, stdout: int) -> None:
    try:
        from sidecar.transport.web.files import PageFiles, page_folder
        from sidecar.transport.web.server import WebTransport, listen
    except ModuleNotFoundError as missing:
        if missing.name != "aiohttp":
            raise
        raise NotSupported("Pages are served with aiohttp, which is not installed.", hint=how_to_get("web")) from None

    def announce(transport: WebTransport) -> None:
        address = transport.address
        print("Open this address in a browser. It lets one browser in. Ctrl-C ends llama-sidecar.", file=sys.stderr)
        try:
            os.write(stdout, f"{address}\n".encode())
        except OSError as error:  # no reader: the program that started us may know the address by other means
            print(f"warning: the address could not be written to stdout: {error.strerror}", file=sys.stderr)
        if options.open:
            # On a thread, since opening a browser takes seconds on some systems.
            threading.Thread(target=_open, args=(address,), name="browser", daemon=True).start()

    files = PageFiles(page_folder())
    if getattr(sys, "frozen", False) and files.index() is None:
        raise NotSupported("There is no page to serve.", hint=how_to_get("web"))
    listener = listen(options.port)
    serve_behind(
        app_options,
        lambda: WebTransport(listener, files, max_message_bytes=app_options.max_line_bytes),
        announce,
    )


def _open(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        print("No browser could be opened; open the address above yourself.", file=sys.stderr)
