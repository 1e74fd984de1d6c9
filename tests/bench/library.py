"""What it takes to list 1,000 models, against doing no more than what the system has to do for it.

The headers have a vocabulary of 2,000 words before the template, as those of models do; times are of the processor,
since what a disk adds is the disk's.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sidecar.models.header_cache import HeaderCache
from sidecar.models.library import Library
from sidecar.models.sources import Sources
from tests.bench.figures import Figure
from tests.models.gguf_files import LLAMA_TENSORS, gguf_bytes, llama_metadata

MODELS, FOLDERS = 1000, 50
LONG_AGO = 1_000_000_000

READ_BYTES = 16 * 1024
"""Of each header, at least: what a quick reading takes in."""

WARM_TARGET = 4.0
"""A listing where nothing has changed costs at most so many times a bare `stat` of every file."""


def run(pairs: int) -> list[Figure]:
    """Listings of the same folder, cold, with the cache file, and where nothing has changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _furnish(folder / "models")
        sources = Sources(folder / "models", list)
        cache = folder / "headers.json"
        library = Library(sources, HeaderCache(cache))
        while library.scan().unread:
            pass

        def read() -> None:
            for path in files:
                with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as bare as can be
                    file.read(READ_BYTES)

        def stat() -> None:
            for path in files:
                os.stat(path)  # noqa: PTH116 - as above

        return [
            _figure(
                "scan of 1,000 models, cold", lambda: Library(sources).scan(), read, "reading 16 KB of each", pairs
            ),
            _figure(
                "first listing after a start", lambda: Library(sources, HeaderCache(cache)).list(), stat, "stat", pairs
            ),
            _figure("listing, nothing changed", library.list, stat, "stat", pairs, WARM_TARGET),
            _figure("scan, nothing changed", library.scan, stat, "stat", pairs),
        ]


def _furnish(folder: Path) -> list[str]:
    paths = []
    vocabulary = [f"token {number}" for number in range(2000)]
    for number in range(MODELS):
        path = folder / f"org{number % FOLDERS}" / f"Model{number}-Q4_K_M.gguf"
        path.parent.mkdir(parents=True, exist_ok=True)
        said = llama_metadata(general__name=f"Model {number}", tokenizer__ggml__tokens=vocabulary)
        path.write_bytes(gguf_bytes(said, LLAMA_TENSORS))
        paths.append(str(path))
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return paths


def _figure(
    name: str,
    ours: Callable[[], object],
    reference: Callable[[], object],
    reference_name: str,
    pairs: int,
    target: float | None = None,
) -> Figure:
    measured = [(_milliseconds(ours), _milliseconds(reference)) for _ in range(pairs)]
    return Figure(name, "ms", [a for a, _ in measured], [b for _, b in measured], reference_name, target)


def _milliseconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return (time.process_time() - started) * 1e3
