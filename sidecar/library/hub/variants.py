"""The models in a repository's files, and the choice of one.

Pure. Owns how files are grouped (the parts of a split model, projectors, what is no model by its name) and chosen (by a
quantization, by a file, by default), and the simple rule for what fits this machine. Knows nothing of the hub's API.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath

import msgspec

from sidecar.contract.errors import ModelNotFound
from sidecar.contract.hub import Fit
from sidecar.contract.models import ModelKind
from sidecar.contract.remedies import call, change_params
from sidecar.library.gguf.file_names import (
    base_of,
    is_gguf,
    no_model_in,
    projector_rank,
    quantization_in,
    split_of,
    stem_of,
)

PREFERRED = (
    *("Q4_K_M", "Q4_K_S", "Q4_K_XL", "IQ4_XS", "IQ4_NL", "MXFP4_MOE", "MXFP4", "Q4_0", "Q4_1", "Q4_K_L"),
    *("Q5_K_M", "Q5_K_S", "Q5_0", "Q5_1", "Q6_K", "Q8_0", "Q3_K_L", "Q3_K_M", "IQ3_M", "Q3_K_S"),
    *("BF16", "F16", "IQ3_S", "IQ3_XS", "IQ3_XXS", "Q2_K", "Q2_K_L", "Q2_K_XL", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS"),
    *("IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "F32"),
)
"""The default choice, in this order: 4 bits lose little quality and have half the size of 8; fewer bits lose much.
Names that mention none of them come last, the smallest first."""

BITS = {
    "F32": 32.0, "BF16": 16.0, "F16": 16.0, "Q8": 8.5, "Q6": 6.6, "Q5": 5.6, "Q4": 4.7, "IQ4": 4.4, "Q3": 3.7,
    "IQ3": 3.4, "Q2": 3.0, "IQ2": 2.4, "IQ1": 1.8, "MXFP4": 4.4, "NVFP4": 4.6, "TQ2": 2.1, "TQ1": 1.7,
}  # fmt: skip
"""Bits per weight of whole files, by the beginning of a quantization's name; typical values of published models."""

MUCH_SMALLER = 0.3
"""A file with less than this part of the weights of the largest is another, smaller model: a draft, an adapter, a part.
The estimates of one model's quantizations agree within a half, also where the vocabulary is most of the model."""

NEEDED_BESIDE = 1.1
"""Memory of a loaded model relative to the size of its files: caches and buffers of a short context."""

NEEDED_AT_LEAST = 300_000_000
"""Memory of the engine itself, in bytes."""

DEFAULT_TAGS = frozenset({"latest", "default"})
"""Tags that stand for the default: Ollama's, and what people write."""

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
    def stem(self) -> str:
        """The same without the number of the part."""
        split = split_of(self.name)
        return split.stem if split else self.name

    @property
    def quantization(self) -> str | None:
        return quantization_in(self.stem) or quantization_in(self.files[0].path.replace("/", " "))

    @property
    def weights(self) -> float | None:
        """About how many weights it has, from its size and its quantization, if both are known."""
        kind = self.quantization
        bits = kind and BITS.get(kind.split("_")[0])
        return self.size * 8 / bits if self.size and bits else None

    @property
    def size(self) -> int | None:
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def variants(files: Iterable[RepositoryFile]) -> list[Variant]:
    """The complete models, the smallest first."""
    groups: defaultdict[tuple[str, int], dict[int, RepositoryFile]] = defaultdict(dict)
    for file in files:
        if is_gguf(file.name) and no_model_in(file.path) is None:
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
    return sorted(
        (f for f in files if is_gguf(f.name) and no_model_in(f.path) == "projector"), key=lambda file: file.path
    )


def others(files: Iterable[RepositoryFile]) -> list[tuple[RepositoryFile, ModelKind]]:
    """The GGUF files that are neither models nor projectors, by their names, each with what it is."""
    named = ((file, no_model_in(file.path)) for file in files if is_gguf(file.name))
    return sorted(
        ((file, kind) for file, kind in named if kind is not None and kind != "projector"), key=lambda one: one[0].path
    )


def choose(
    found: Sequence[Variant], *, file: str | None = None, tag: str | None = None, repo: str | None = None
) -> Variant:
    """The requested model: the one with this file or quantization, else the default.

    Args:
        found: all models of the repository.
        file: path or name of one of its files.
        tag: a quantization, in any case; `latest` is the default.
        repo: the repository's name, which tells its model from others that lie beside it.

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
        fitting = fitting or [one for one in found if any(_is_named(part, file) for part in one.files)]
    elif tag is not None and tag.lower() not in DEFAULT_TAGS:
        fitting = [one for one in found if _has_tag(one, tag)]
    else:
        return _default(found, repo)
    if not fitting:
        names = sorted({one.quantization or one.name for one in found})
        more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
        raise ModelNotFound(
            f"There is no {file or tag} in this repository, but {', '.join(names[:MAX_SHOWN])}{more}.",
            hint="Choose one of these.",
            remedies=(change_params("file"), call("list_hub_files")),
        )
    small = _smaller_ones(found)
    mine = _named_like(found, repo)
    return min(
        fitting,
        key=lambda one: (one in small, one not in mine, len(one.files[0].path), one.files[0].path),
    )


def default_of(found: Sequence[Variant], repo: str | None = None) -> Variant | None:
    """The model that is chosen by default."""
    return _default(found, repo) if found else None


def projector_for(variant: Variant, found: Sequence[RepositoryFile]) -> RepositoryFile | None:
    """The projector of a model: by similarity of the names, then by preferred precision."""
    return min(found, key=lambda file: (projector_rank(file.name, variant.name), file.path), default=None)


def local_names(chosen: Sequence[RepositoryFile], all_files: Iterable[RepositoryFile]) -> list[str]:
    """The local names of files: without the repository's folders, so that a model and its projector are side by side;
    with them only if two files have the same name."""
    same = Counter(file.name.casefold() for file in all_files if is_gguf(file.name))
    # A colon is common in the names of quantizations elsewhere, and Windows does not allow it in a file's name.
    return [(file.path if same[file.name.casefold()] > 1 else file.name).replace(":", "-") for file in chosen]


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
    return bool(re.search(rf"(?:^|[-_. :/]){re.escape(tag)}(?![A-Za-z0-9_])", path, re.IGNORECASE))


def _is_named(part: RepositoryFile, name: str) -> bool:
    return name.casefold() in (part.path.casefold(), part.name.casefold())


def _default(found: Sequence[Variant], repo: str | None) -> Variant:
    small = _smaller_ones(found)
    mine = _named_like(found, repo)

    def rank(one: Variant) -> tuple[object, ...]:
        kind = one.quantization
        place = PREFERRED.index(kind) if kind in PREFERRED else len(PREFERRED)
        unknown = (one.size is None, one.size or 0) if kind is None else (False, 0)
        return one in small, one not in mine, place, unknown, len(one.files[0].path), one.files[0].path

    return min(found, key=rank)


def _smaller_ones(found: Sequence[Variant]) -> set[Variant]:
    """Those that are other, smaller models, by the weights that their sizes stand for."""
    largest = max(found, key=lambda one: one.weights or 0)
    return {
        one
        for one in found
        if one.weights
        and one.weights < MUCH_SMALLER * (largest.weights or 0)
        and (one.size or 0) < (largest.size or 0)  # files of one size say nothing
    }


def _named_like(found: Sequence[Variant], repo: str | None) -> set[Variant]:
    """Those whose names are in the repository's name; all of them if none is."""
    name = base_of((repo or "").rpartition("/")[2])
    mine = {one for one in found if (base := base_of(one.stem)) and base in name}
    return mine or set(found)
