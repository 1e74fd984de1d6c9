"""The hash of a file that is still coming.

Owns reading it again, from its beginning, as far as it has come without a gap: what the disk has kept is what counts,
so blocks that are not what was written are found here, and only they are fetched again. After a restart it begins anew
beside the transfer: reading is some ten times faster than what comes over a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import anyio
import anyio.to_thread

from sidecar.contract.errors import ModelInvalid, StorageError
from sidecar.library.downloads.blocks import BLOCK_BYTES
from sidecar.library.downloads.partial import PartialFile

BLOCKS_AT_ONCE = 8
"""Read in one go: a hundredth of a second, after which a pause or a cancel is noticed."""

SYNC_EVERY_BLOCKS = 64
"""So that a power cut takes little, and the end does not wait for the whole file to be written out."""

MAX_BAD_BLOCKS = 16
"""A disk that does not keep more than that will not keep the file either."""

MAGIC = b"GGUF"

CheckHead = Callable[[str, bytes], None]
"""Looks at a file's name and its first block; raises SidecarError where the file is not of the kind that is wanted."""


def must_be_gguf(name: str, head: bytes) -> None:
    """See that a file begins as a model does.

    Raises:
        ModelInvalid: it does not.
    """
    if head[: len(MAGIC)] != MAGIC:
        raise ModelInvalid(
            f"What the server sends as {name} is no GGUF model.",
            hint="Open the address in a browser: perhaps one has to log in there first.",
        )


class Checker:
    """Follows one file to its end.

    Attributes:
        position: bytes that have been read.
    """

    def __init__(self, partial: PartialFile, name: str, check_head: CheckHead) -> None:
        self._partial = partial
        self._name = name
        self._check_head = check_head
        self._hash = hashlib.sha256()
        self._next = 0
        self._unsynced = 0
        self._bad = 0
        self.position = 0

    @property
    def done(self) -> bool:
        """Whether all of the file was read."""
        return self.position == self._partial.blocks.size

    @property
    def ready(self) -> bool:
        """Whether there is more to read."""
        return not self.done and self._partial.blocks.whole(self._next)

    def hexdigest(self) -> str:
        """The SHA-256 of what was read."""
        return self._hash.hexdigest()

    async def advance(self, limiter: anyio.CapacityLimiter) -> None:
        """Read on a little. A block that is not what was written is missing then.

        Raises:
            SidecarError: the file does not begin as it should.
            StorageError: the disk does not keep what is written.
            OSError: the disk refuses.
        """
        await anyio.to_thread.run_sync(self._advance, limiter=limiter)

    def _advance(self) -> None:
        for _ in range(BLOCKS_AT_ONCE):
            if not self.ready:
                break
            data = self._partial.read_block(self._next)
            if not self._partial.blocks.fits(self._next, data):
                self._put_back()
                break
            if self._next == 0:
                self._check_head(self._name, data)
            self._hash.update(data)
            self._next += 1
            self.position += len(data)
            self._unsynced += 1
        if self._unsynced >= SYNC_EVERY_BLOCKS:
            self._unsynced = 0
            self._partial.sync()

    def _put_back(self) -> None:
        self._bad += 1
        if self._bad > MAX_BAD_BLOCKS:
            raise StorageError(
                f"The disk does not keep what is written to it: {self._bad} pieces of {BLOCK_BYTES:,} bytes of "
                f"{self._name} were others when they were read again.",
                hint="Check the disk, or give another target_dir.",
            )
        self._partial.drop(self._next)
