"""Which projectors and adapters belong to a model.

Pure. Owns the pairing: a projector near a model is used if its program assigns it, or if its name or its place says so,
and never if its header speaks against it (`gguf.projector_fit`). An adapter belongs to the models that its header or
its program names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from sidecar.library.gguf.facts import HeaderFacts
from sidecar.library.gguf.file_names import base_of, is_generic_projector, projector_fits, projector_rank
from sidecar.library.gguf.projector_fit import mismatch
from sidecar.library.scan.model_files import ModelFile


class Candidate(msgspec.Struct, frozen=True):
    """A projector or an adapter, with the facts of its header."""

    file: ModelFile
    facts: HeaderFacts


class Owner(msgspec.Struct, frozen=True):
    """A model that may have projectors and adapters, by its first part, with the facts of its header."""

    first: ModelFile
    facts: HeaderFacts


class Pairing(msgspec.Struct, frozen=True):
    """The projectors of a model, the best first, or why one that lies near it is not used."""

    projectors: list[ModelFile]
    refused: str | None = None


def projectors_of(models: Sequence[Owner], projectors: Iterable[Candidate]) -> list[Pairing]:
    """The pairing of each model, in the order of the models."""
    places = _Places(models)
    bases = [base_of(model.first.part.stem) for model in models]
    found: list[list[tuple[int, ModelFile]]] = [[] for _ in models]
    refused: list[str | None] = [None] * len(models)
    for projector in projectors:
        file = projector.file
        near = places.near(file)
        # One without a model's name is for those beside it, else for those one folder away, if they are one model.
        nearest = min((distance for _, distance in near), default=0)
        alike = {bases[index] for index, distance in near if distance == nearest}
        for index, distance in near:
            is_named = projector_fits(file.part.stem, bases[index], only_model=alike == {bases[index]})
            if not is_named and not _is_assigned(file):
                if len(alike) > 1 and distance == nearest == 0 and is_generic_projector(file.part.stem):
                    refused[index] = f"{file.path.name} is not used: several models lie beside it, and it names none."
            elif (problem := _problem(models[index], projector)) is not None:
                refused[index] = f"{file.path.name} is not used: {problem}."
            else:
                found[index].append((distance, file))
    return [
        Pairing(_ranked(files, model), None if files else reason)
        for model, files, reason in zip(models, found, refused, strict=True)
    ]


def _ranked(files: list[tuple[int, ModelFile]], model: Owner) -> list[ModelFile]:
    stem = model.first.part.stem
    return [file for _, file in sorted(files, key=lambda one: (one[0], projector_rank(one[1].path.name, stem)))]


class _Places:
    """Which models are near a projector: in its group, or in the folder above or below its own."""

    def __init__(self, models: Sequence[Owner]) -> None:
        self._groups: defaultdict[Hashable, list[int]] = defaultdict(list)
        self._folders: defaultdict[Path, list[int]] = defaultdict(list)
        self._below: defaultdict[Path, list[int]] = defaultdict(list)
        for index, model in enumerate(models):
            self._groups[model.first.group].append(index)
            if not _is_assigned(model.first):
                folder = model.first.path.parent
                self._folders[folder].append(index)
                self._below[folder.parent].append(index)

    def near(self, projector: ModelFile) -> list[tuple[int, int]]:
        """The models near a projector, each with its distance: 0 beside it, 1 above or below."""
        found = dict.fromkeys(self._groups.get(projector.group, ()), 0)
        if not _is_assigned(projector):
            folder = projector.path.parent
            for index in (*self._below.get(folder, ()), *self._folders.get(folder.parent, ())):
                found.setdefault(index, 1)
        return list(found.items())


def _is_assigned(file: ModelFile) -> bool:
    return bool(file.store and file.store.role)


def _problem(model: Owner, projector: Candidate) -> str | None:
    if projector.facts.problem is not None:
        return "it cannot be read" if projector.facts.may_pass else "it is damaged or not a projector"
    return mismatch(projector.facts.output, width=model.facts.width, architecture=model.facts.architecture)


# --- adapters --------------------------------------------------------------------------------------------------------


class Tuned(msgspec.Struct, frozen=True):
    """A model that adapters may be for: the facts of its first part, and all places where it lies."""

    facts: HeaderFacts
    places: list[list[ModelFile]]


def adapters_of(models: Sequence[Tuned], adapters: Iterable[Candidate]) -> list[list[ModelFile]]:
    """The adapters of each model, which their program or their header assigns, in the order of the models."""
    every = list(adapters)
    found = {one.file.identity: one for one in reversed(every)}
    if not found:
        return [[] for _ in models]
    by_group: defaultdict[Hashable, list[ModelFile]] = defaultdict(list)
    for one in every:
        if _is_assigned(one.file):
            by_group[one.file.group].append(one.file)
    made_for = {identity: _made_for(one.facts) for identity, one in found.items()}
    tied: list[list[ModelFile]] = []
    for model in models:
        own = _called(model)
        sure = {file.identity for place in model.places for file in by_group.get(place[0].group, ())}
        tied.append(
            [
                one.file
                for identity, one in sorted(found.items(), key=lambda item: item[1].file.path)
                if identity in sure
                or (made_for[identity][0] == model.facts.architecture and own & made_for[identity][1])
            ]
        )
    return tied


def _made_for(adapter: HeaderFacts) -> tuple[str | None, set[str]]:
    return adapter.architecture, {_plain(name) for name in adapter.bases}


def _called(model: Tuned) -> set[str]:
    """All names of a model, from its header and its repositories."""
    repos = {part.store.repo for place in model.places for part in place if part.store and part.store.repo}
    return {_plain(name) for name in (*model.facts.names, *repos)} - {""}


def _plain(name: str) -> str:
    """A name or the address of a repository, normalized for comparison: letters and digits, without the publisher."""
    last = urlsplit(name).path.rstrip("/").rpartition("/")[2] if "://" in name else name.rpartition("/")[2]
    return re.sub(r"[\W_]+", "", last.lower()).removesuffix("gguf")
