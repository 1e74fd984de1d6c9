"""Packs a frozen folder into what the launcher carries, byte for byte the same for the same folder.

    python pack.py FOLDER PROGRAM VERSION PAYLOAD

Owns the format, together with launcher/src/payload.rs, which says what it is. Runs in the environment of the freezing,
since Python's own library has no zstd.
"""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import zstandard

# Large enough to be packed well, small enough that some are unpacked side by side.
CHUNK = 4 << 20
# The last one that needs no more memory for unpacking than the chunk itself.
LEVEL = 19


def files_below(folder: Path) -> list[Path]:
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.as_posix())


def frame(chunk: bytes) -> bytes:
    # With a checksum, so that the launcher notices a damaged download.
    packed: bytes = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(chunk)
    return packed


def pack(folder: Path, program: str, version: str) -> bytes:
    lines, contents = [], []
    for path in files_below(folder):
        content = path.read_bytes()
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        lines.append(f"file {mode} {len(content)} {path.relative_to(folder).as_posix()}")
        contents.append(content)
    everything = b"".join(contents)
    chunks = [everything[begin : begin + CHUNK] for begin in range(0, len(everything), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        frames = list(pool.map(frame, chunks))
    lines += [f"chunk {len(packed)} {len(chunk)}" for packed, chunk in zip(frames, chunks, strict=True)]
    rest = "".join(f"{line}\n" for line in [f"program {program}", *lines]).encode() + b"\n" + b"".join(frames)
    digest = hashlib.sha256(rest).hexdigest()[:16]
    return f"llama-sidecar payload 1\nfolder {version}-{digest}\n".encode() + rest


if __name__ == "__main__":
    Path(sys.argv[4]).write_bytes(pack(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
