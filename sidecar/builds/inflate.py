"""The content of a compressed stream, without trusting it.

Owns the bounds: how much comes out in all, how much is asked for at once, how much memory the packer may take. Reads
gzip and xz, forward only, which is all that a tar file needs. Knows nothing of what is in it.
"""

from __future__ import annotations

import lzma
import zlib
from typing import BinaryIO, Protocol

from sidecar.contract.errors import ArchiveInvalid

READ_BYTES = 256 * 1024
"""Of the packed file at once."""

LARGEST_READ = 1024 * 1024
"""That is asked for at once. Files are read in smaller pieces; a header of a tar file that wants more is none."""

XZ_MEMORY_BYTES = 256 * 1024 * 1024
"""For unpacking xz: its highest level takes 65 MiB, and a header could ask for gigabytes."""

GZIP_HEADER = 16 + zlib.MAX_WBITS
"""Tells zlib to expect gzip's own head and tail."""


class Decoder(Protocol):
    """What unpacks one stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Inflated:
    """What a packed stream holds, as a file that is read forward.

    Args:
        packed: the compressed file, at its beginning.
        kind: how it is compressed.
        limit: bytes that may come out.
    """

    def __init__(self, packed: BinaryIO, kind: str, *, limit: int) -> None:
        self._packed = packed
        self._kind = kind
        self._limit = limit
        self._decoder = self._new_decoder()
        self._waiting = b""
        self._position = 0
        self._over = False

    def tell(self) -> int:
        """Bytes that were read."""
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Read on up to there.

        Raises:
            ArchiveInvalid: it is behind us, or more than may come out.
        """
        if whence != 0 or position < self._position:
            raise ArchiveInvalid("The archive can not be read from its beginning to its end.")
        while self._position < position and self.read(min(LARGEST_READ, position - self._position)):
            continue
        return self._position

    def read(self, count: int = -1) -> bytes:
        """Exactly so many bytes, less at the end.

        Raises:
            ArchiveInvalid: it is damaged, or too much.
            OSError: the file can not be read.
        """
        if not 0 <= count <= LARGEST_READ:
            raise ArchiveInvalid("A header in the archive is larger than any real one.")
        pieces, missing = [], count
        while missing and (piece := self._some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        self._position += count - missing
        if self._position > self._limit:
            raise ArchiveInvalid(f"There is more in the archive than {self._limit:,} bytes.")
        return b"".join(pieces)

    def _some(self, most: int) -> bytes:
        """At most so many bytes; none at the end."""
        while not self._over:
            try:
                data = self._decode(most)
            except (zlib.error, lzma.LZMAError, EOFError) as error:
                raise ArchiveInvalid(f"The archive is damaged: {error}.") from None
            if data:
                return data
        return b""

    def _decode(self, most: int) -> bytes:
        decoder = self._decoder
        if decoder.eof:  # another stream may follow
            self._waiting = decoder.unused_data or self._packed.read(READ_BYTES)
            self._over = not self._waiting.strip(b"\0")
            self._decoder = self._new_decoder()
            return b""
        if isinstance(decoder, lzma.LZMADecompressor):
            packed = self._more() if decoder.needs_input else b""
            return decoder.decompress(packed, most)
        data = decoder.decompress(self._waiting or self._more(), most)
        self._waiting = getattr(decoder, "unconsumed_tail", b"")
        return data

    def _more(self) -> bytes:
        packed, self._waiting = self._waiting or self._packed.read(READ_BYTES), b""
        if not packed:
            raise ArchiveInvalid("The archive is damaged: it ends too early.")
        return packed

    def _new_decoder(self) -> Decoder:
        if self._kind == "xz":
            return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)
        return zlib.decompressobj(GZIP_HEADER)
