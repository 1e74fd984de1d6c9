"""`llama-sidecar serve --web`: a sidecar for pages in a browser, in this process.

Owns its output: addresses on stdout, one for each line on stdin and one at the start; everything else on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from sidecar.app import Options, serve_behind
from sidecar.cli import wording
from sidecar.cli.opening import PageFile, on_each_line
from sidecar.contract.errors import NotSupported, SidecarError
from sidecar.host import descriptors
from sidecar.host.extras import how_to_get
from sidecar.host.paths import DataDir

if TYPE_CHECKING:
    from sidecar.transport.web.server import WebTransport

FAILED = 1
"""The exit code where nothing could be served."""


def serve_pages(options: argparse.Namespace, app_options: Options, stdin: int, stdout: int) -> int:
    """Serve pages until shutdown; returns the exit code. `stdin` and `stdout` are descriptors of the original ones."""
    try:
        _serve(options, app_options, stdin, stdout)
    except SidecarError as error:
        for line in wording.lines_of(error):
            print(line, file=sys.stderr)
        return FAILED
    return 0


def _serve(options: argparse.Namespace, app_options: Options, stdin: int, stdout: int) -> None:
    try:
        from sidecar.transport.web.files import PageFiles, page_folder
        from sidecar.transport.web.server import WebTransport, listen
    except ModuleNotFoundError as missing:
        if missing.name != "aiohttp":
            raise
        raise NotSupported("Pages are served with aiohttp, which is not installed.", hint=how_to_get("web")) from None

    page_file = PageFile(DataDir(app_options.data_dir).page_file)

    def announce(transport: WebTransport) -> None:
        print(
            "Open this address in a browser. It admits one tab, once; Enter prints another one. Ctrl-C ends"
            " llama-sidecar.",
            file=sys.stderr,
        )
        _print_link(transport, stdout)
        on_each_line(stdin, lambda: _print_link(transport, stdout))
        if options.open:
            page_file.open(transport.new_link())

    files = PageFiles(page_folder())
    if getattr(sys, "frozen", False) and files.index() is None:
        raise NotSupported("There is no page to serve.", hint=how_to_get("web"))
    listener = listen(options.port)
    try:
        serve_behind(
            app_options,
            lambda: WebTransport(listener, files, max_message_bytes=app_options.max_line_bytes),
            announce,
        )
    finally:
        page_file.close()


def _print_link(transport: WebTransport, stdout: int) -> None:
    """Print an address. It is left out where stdout has no reader: a full pipe would stop the sidecar."""
    is_writable = descriptors.writable_poll(stdout)
    if is_writable is not None and not is_writable(0):
        print("warning: the address could not be written to stdout: no program reads it", file=sys.stderr)
        return
    try:
        os.write(stdout, f"{transport.new_link()}\n".encode())
    except OSError as error:  # no reader: the program that started us may know the address by other means
        print(f"warning: the address could not be written to stdout: {error.strerror}", file=sys.stderr)
