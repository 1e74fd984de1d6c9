"""The stdio transport: the event loop never blocks on the host, neither in writing nor in reading.

Owns the two descriptors of the wire, and that no requests are read from a host that does not read. Knows nothing of
JSON: lines go in and out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.dispatch.hosts import Hosts
from sidecar.events.outbox import Outbox
from sidecar.host import descriptors
from sidecar.transport.framing import MAX_LINE_BYTES, LineFramer
from sidecar.transport.reading import LineReader
from sidecar.transport.writing import LineWriter


class StdioTransport:
    """The wire over a pair of descriptors. Made and used in the event loop."""

    has_single_host = True
    page_address: str | None = None

    def __init__(self, read_fd: int, write_fd: int, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        for fd in (read_fd, write_fd):
            descriptors.make_blocking(fd)  # some hosts pass non-blocking pipes, and our threads have to block
        self.outbox = Outbox()
        self._read_fd = read_fd
        self._framer = LineFramer(max_line_bytes)
        self._reader: LineReader | None = None
        self._writer = LineWriter(write_fd, self.outbox, on_room=self._resume, on_gone=self.stop_reading)
        self._ended = asyncio.Event()

    async def serve(self, hosts: Hosts) -> None:
        """Serve the host until it closes its end. Returns at end-of-file or a broken pipe."""
        host = hosts.join(self.outbox)
        await self.read(host.handle, host.handle_oversize)

    async def read(self, on_line: Callable[[bytes], None], on_oversize: Callable[[], None]) -> None:
        """Pass every line to `on_line` until the host closes its end."""
        if self._ended.is_set():
            return
        self._reader = LineReader(
            self._read_fd,
            self._framer,
            self.outbox,
            on_line=on_line,
            on_oversize=on_oversize,
            on_end=self._ended.set,
        )
        self._reader.start()
        await self._ended.wait()

    async def drain(self) -> None:
        """Wait until everything in the outbox has been written, or the host is gone."""
        await self._writer.drain()

    def stop_reading(self) -> None:
        """Make `read` return, as if the host had closed its end."""
        if self._reader is not None:
            self._reader.stop()
        self._ended.set()

    def _resume(self) -> None:
        if self._reader is not None:
            self._reader.resume()
