"""The models that other programs keep: found where they lie, never copied, never written to.

One module a program, which owns how it lays out its files; all have the same two functions:

    roots(look)       the folders where it keeps models, whether or not they are there
    find(root, look)  the files in one of them, and what the program says of each

What they read was written by others, so everything is read through a `DiskScan`: bounded, and what does not fit is
reported as a problem of that source and left out. The layouts are described in the modules, with their sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from sidecar.contract.models import ForeignOrigin
from sidecar.library.scan.disk_scan import DiskScan
from sidecar.library.scan.model_files import ModelFile
from sidecar.library.scan.stores import huggingface, jan, llama_cpp, lm_studio, ollama


class Store(msgspec.Struct, frozen=True):
    """A program that keeps models."""

    origin: ForeignOrigin
    roots: Callable[[DiskScan], list[Path]]
    find: Callable[[Path, DiskScan], Iterator[ModelFile]]


STORES: tuple[Store, ...] = (
    Store("huggingface", huggingface.roots, huggingface.find),
    Store("lm_studio", lm_studio.roots, lm_studio.find),
    Store("ollama", ollama.roots, ollama.find),
    Store("jan", jan.roots, jan.find),
    Store("llama_cpp", llama_cpp.roots, llama_cpp.find),
)
"""All of them, in the order in which a file that several have is shown."""
