"""The models in a repository's files, and the choice of one.

Pure. Owns how files are grouped (the parts of a split model, projectors) and chosen (by a quantization, by a file, by
default), and the simple rule for what fits this machine. Knows nothing of the hub's API.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

import msgspec

from sidecar.contract.errors import ModelNotFound
from sidecar.contract.hub import Fit
from sidecar.contract.remedies import call, change_params
from sidecar.library.gguf.file_names import is_gguf, is_projector, projector_rank, quantization_in, split_of, stem_of

_NO_MODEL = re.compile(r"imatrix", re.IGNORECASE)
"""Files with the suffix of models that are none: importance matrices for quantization."""

PREFERRED = (
    *("Q4_K_M", "Q4_K_S", "Q4_K_XL", "IQ4_XS", "IQ4_NL", "MXFP4_MOE", "MXFP4", "Q4_0", "Q4_1", "Q4_K_L"),
    *("Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q6_K", "Q8_0", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q3_K_S"),
)
"""The default choice, in this order: 4 bits lose little quality and have half the size of 8; fewer bits lose much."""

NEEDED_BESIDE = 1.1
"""Memory of a loaded model relative to the size of its files: caches and buffers of a short context."""

NEEDED_AT_LEAST = 300_000_000
"""Memory of the engine itself, in bytes."""

MAX_SHOWN = 12
"""Choices in an error's message."""


class RepositoryFile(msgspec.Struct, frozen=True):
    """A file as the hub lists it."""

    path: str
    size: int | None = None
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.path).name


class Variant(msgspec.Struct, frozen=True):
    """One complete model in a repository."""

    files: tuple[RepositoryFile, ...]

    @property
    def name(self) -> str:
        """The name of the first file, without its suffix."""
        return stem_of(self.files[0].name)

    @property
    def quantization(self) -> str | None:
        split = split_of(self.name)
        return quantization_in(split.stem if split else self.name) or quantization_in(
            self.files[0].path.replace("/", " ")
        )

    @property
    def size(self) -> int | None:
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def variants(files: Iterable[RepositoryFile]) -> list[Variant]:
    """The complete models, the smallest first."""
    groups: defaultdict[tuple[str, int], dict[int, RepositoryFile]] = defaultdict(dict)
    for file in files:
        if is_gguf(file.name) and not is_projector(file.name) and not _NO_MODEL.search(file.name):
            stem = stem_of(file.path)
            if split := split_of(stem):
                groups[split.stem, split.count][split.number] = file
            else:
                groups[stem, 0][0] = file
    whole = [
        Variant(tuple(parts[number] for number in sorted(parts)))
        for (_, count), parts in groups.items()
        if not count or sorted(parts) == list(range(1, count + 1))
    ]
    return sorted(whole, key=lambda one: (one.size is None, one.size or 0, one.files[0].path))


def projectors(files: Iterable[RepositoryFile]) -> list[RepositoryFile]:
    """The projectors, by name."""
    return sorted((f for f in files if is_gguf(f.name) and is_projector(f.name)), key=lambda file: file.path)


def choose(found: Sequence[Variant], *, file: str | None = None, tag: str | None = None) -> Variant:
    """The requested model: the one with this file or quantization, else the default.

    Raises:
        ModelNotFound: there is none; the message lists the existing ones.
    """
    if not found:
        raise ModelNotFound(
            "There is no complete GGUF model in this repository.",
            hint="Search for the model's name followed by GGUF: most models are published in this format as well.",
        )
    if file is not None:
        fitting = [one for one in found if any(file in (part.path, part.name) for part in one.files)]
    elif tag is not None:
        fitting = [one for one in found if _has_tag(one, tag)]
    else:
        return _default(found)
    if not fitting:
        names = sorted({one.quantization or one.name for one in found})
        more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        raise ModelNotFound(
            f"There is no {file or tag} in this repository, but {', '.join(names[:MAX_SHOWN])}{more}.",
            hint="Choose one of these.",
            remedies=(change_params("file"), call("list_hub_files")),
        )
    return min(fitting, key=lambda one: (len(one.files[0].path), one.files[0].path))


def default_of(found: Sequence[Variant]) -> Variant | None:
    """The model that is chosen by default."""
    return _default(found) if found else None


def projector_for(variant: Variant, found: Sequence[RepositoryFile]) -> RepositoryFile | None:
    """The projector of a model: by similarity of the names, then by preferred precision."""
    return min(found, key=lambda file: (projector_rank(file.name, variant.name), file.path), default=None)


def local_names(chosen: Sequence[RepositoryFile], all_files: Iterable[RepositoryFile]) -> list[str]:
    """The local names of files: without the repository's folders, so that a model and its projector are side by side;
    with them only if two files have the same name."""
    same = Counter(file.name for file in all_files if is_gguf(file.name))
    return [file.path if same[file.name] > 1 else file.name for file in chosen]


def fit(size: int | None, *, free_memory: int, free_gpu_memory: Collection[int]) -> Fit | None:
    """Whether a model fits now on the GPUs, else into memory, estimated from its size alone."""
    if size is None:
        return None
    needed = max(size * NEEDED_BESIDE, size + NEEDED_AT_LEAST)
    if needed <= sum(free_gpu_memory):
        return "gpu"
    return "memory" if needed <= free_memory else "no"


def _has_tag(one: Variant, tag: str) -> bool:
    path = stem_of(one.files[0].path)
    return bool(re.search(rf"(?:^|[-_. /]){re.escape(tag)}(?![A-Za-z0-9_])", path, re.IGNORECASE))


def _default(found: Sequence[Variant]) -> Variant:
    def rank(one: Variant) -> tuple[int, int, str]:
        kind = one.quantization
        return (
            PREFERRED.index(kind) if kind in PREFERRED else len(PREFERRED),
            len(one.files[0].path),
            one.files[0].path,
        )

    return min(found, key=rank)
