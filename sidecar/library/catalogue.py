"""From files to models.

Owns what counts as a model (the parts of a split model are one, its copies are one, projectors and adapters are none),
and its entry in the list, with the problem of one that cannot be run. `pairing` owns which projectors and adapters
belong to it. Opens no files: the facts of headers come from the cache.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence

import msgspec
from msgspec import field

from sidecar.contract.models import Capability, ModelInfo
from sidecar.library.gguf.facts import MAX_NAME_LETTERS, HeaderFacts
from sidecar.library.gguf.file_names import is_projector, part_name
from sidecar.library.gguf.header import together
from sidecar.library.gguf.model_kind import UNLISTED, UNUSABLE
from sidecar.library.gguf.split_check import NamedPart, Problem, problem_of_parts
from sidecar.library.header_cache import HeaderCache
from sidecar.library.model_names import assign_names
from sidecar.library.pages import by_name
from sidecar.library.pairing import Candidate, Owner, Tuned, adapters_of, projectors_of
from sidecar.library.scan.model_files import ModelFile

MAX_MISSING_SHOWN = 3
"""Names of missing parts in a message: enough to know which files are needed."""

MAX_PLACES = 50
"""Further paths and names that are listed for one model; no real file has more."""

_Key = tuple[tuple[str, ...], int]


class Model(msgspec.Struct):
    """A model: its files, its projectors and adapters, and its copies.

    Attributes:
        listed: whether it is in the library; a path may lead to a model outside.
        info: its entry in the list; set last.
        copies: the same content in other places, or under other names.
        no_projector: why a projector near it is not used.
    """

    parts: list[ModelFile]
    name: str = ""
    copies: list[list[ModelFile]] = field(default_factory=list)
    projectors: list[ModelFile] = field(default_factory=list)
    no_projector: str | None = None
    adapters: list[ModelFile] = field(default_factory=list)
    listed: bool = True
    info: ModelInfo = None  # type: ignore[assignment] # set before it is used

    def has(self, file: ModelFile) -> bool:
        """Whether a file is a part of it, by whichever path."""
        return any(part.identity == file.identity for parts in self.places for part in parts)

    @property
    def places(self) -> list[list[ModelFile]]:
        """Its files, and then those of its copies."""
        return [self.parts, *self.copies]


def assemble(files: Iterable[ModelFile], headers: HeaderCache, *, until: float | None = None) -> list[Model]:
    """The models among files, sorted by name. Of several copies the first in the order of the files is the model.

    Args:
        until: deadline for reading headers to their ends, by time.monotonic(); `None` for no deadline.
    """
    groups: dict[_Key, list[ModelFile]] = {}
    projectors: list[Candidate] = []
    adapters: list[Candidate] = []
    for file in files:
        role = _role(file, headers, until)
        if role == "projector":
            projectors.append(Candidate(file, headers.facts(file, full=False)))
        elif role == "adapter":
            adapters.append(Candidate(file, headers.facts(file, full=False)))
        elif role == "model":
            groups.setdefault(file.part.key, []).append(file)
    models = [Model(_in_order(parts)) for parts in groups.values()]
    if projectors:
        owners = [Owner(model.parts[0], headers.facts(model.parts[0], full=False)) for model in models]
        for model, pairing in zip(models, projectors_of(owners, projectors), strict=True):
            model.projectors, model.no_projector = pairing.projectors, pairing.refused
    models = _without_copies(models, headers)
    if adapters:
        tuned = [Tuned(headers.facts(model.parts[0], full=False), model.places) for model in models]
        for model, files in zip(models, adapters_of(tuned, adapters), strict=True):
            model.adapters = files
    for model, name in zip(models, assign_names([_naming(model) for model in models]), strict=True):
        model.name = name
        describe(model, headers, full=False)
    return sorted(models, key=lambda model: by_name(model.name))


def describe(model: Model, headers: HeaderCache, *, full: bool) -> ModelInfo:
    """The entry of a model in the list; with `full`, its headers are read to their ends first."""
    parts = model.parts
    facts = [headers.facts(part, full=full) for part in parts]
    first = facts[0]
    problem = _problem(parts, facts)
    weights = [f.parameters for f in facts if f.parameters is not None]
    stores = [part.store for places in model.places for part in places if part.store]
    other_paths = {str(place[0].path): None for place in model.copies if place[0].path != parts[0].path}
    called = [*(place[0].part.stem for place in model.copies), *(name for one in stores for name in one.aliases)]
    names = [one.display_name for one in stores if one.display_name and len(one.display_name) <= MAX_NAME_LETTERS]
    added = [one for file in model.projectors for one in headers.facts(file, full=False).capabilities or ()]
    model.info = ModelInfo(
        name=model.name,
        path=str(parts[0].path),
        size_bytes=sum(part.size_bytes for part in parts),
        files=len(parts),
        modified_at=max(part.mtime_ns for part in parts) / 1e9,
        origin=parts[0].origin,
        mmproj_path=str(model.projectors[0].path) if model.projectors else None,
        valid=problem is None,
        problem=problem.text if problem else None,
        architecture=first.architecture,
        quantization=first.quantization,
        parameters=(sum(weights) or None) if problem is None and len(weights) == len(facts) else None,
        context_length=first.context_length,
        display_name=next(iter(names), first.display_name),
        repo=next((one.repo for one in stores if one.repo), None),
        capabilities=_capabilities(first, added, problem),
        adapters=[str(file.path) for file in model.adapters],
        other_paths=list(other_paths)[:MAX_PLACES],
        aliases=[name for name in dict.fromkeys(called) if name != model.name][:MAX_PLACES],
        kind=first.kind,
        problem_reason=problem.reason if problem else None,
        hint=problem.hint if problem else None,
        no_projector=None if model.projectors else model.no_projector,
    )
    return model.info


def _role(file: ModelFile, headers: HeaderCache, until: float | None) -> str:
    if file.store and file.store.role:
        return file.store.role
    if is_projector(file.path.name):
        return "projector"
    kind = headers.facts(file, full=until is None or time.monotonic() < until).kind
    return kind if kind is not None and kind in UNLISTED else "model"


def _in_order(parts: Iterable[ModelFile]) -> list[ModelFile]:
    """The parts of a model by number; of several with one number, such as in several folders, the first."""
    by_number: dict[int, ModelFile] = {}
    for part in parts:
        by_number.setdefault(part.part.number, part)
    return [by_number[number] for number in sorted(by_number)]


def _problem(parts: Sequence[ModelFile], facts: Sequence[HeaderFacts]) -> Problem | None:
    """Why a model cannot be run, by its files and their headers."""
    if missing := _missing_parts(parts):
        return missing
    for one in facts:
        if one.problem:
            return Problem(one.problem, one.reason or "damaged", one.hint)
    named = [
        NamedPart(file.path.name, file.part.stem, file.part.number, file.part.count, one.split, one.tensors)
        for file, one in zip(parts, facts, strict=True)
    ]
    if problem := problem_of_parts(named):
        return problem
    kind = facts[0].kind
    unusable = UNUSABLE.get(kind) if kind else None
    if unusable is None:
        return None
    return Problem(f"{parts[0].path.name} {unusable.problem}.", "not_a_model", unusable.hint)


def _capabilities(first: HeaderFacts, added: Iterable[Capability], problem: Problem | None) -> list[Capability] | None:
    if problem is not None and first.problem is None:
        return []
    return None if first.capabilities is None else together(first.capabilities, added)


def _missing_parts(parts: Sequence[ModelFile]) -> Problem | None:
    first = parts[0].part
    missing = sorted(set(range(1, first.count + 1)) - {file.part.number for file in parts})
    if not missing:
        return None
    names = [part_name(first.stem, number, first.count) for number in missing[:MAX_MISSING_SHOWN]]
    more = f" and {len(missing) - len(names)} more" if len(missing) > len(names) else ""
    return Problem(
        f"{len(missing)} of its {first.count} files are missing: {', '.join(names)}{more}.",
        "incomplete",
        "Put the missing files beside the others; download_model fetches all files of a split model.",
    )


def _naming(model: Model) -> tuple[tuple[str, ...], int, bool]:
    part = model.parts[0].part
    return part.label, part.count, model.parts[0].store is not None


# --- copies ----------------------------------------------------------------------------------------------------------


def _without_copies(models: Sequence[Model], headers: HeaderCache) -> list[Model]:
    """Each content once, by its hash if it is known, else by the file's identity."""
    hashes: dict[Hashable, Hashable] = {}
    for model in models:
        for part in model.parts:
            if digest := headers.content(part):
                hashes.setdefault(part.identity, (digest, part.size_bytes))
    unique: dict[Hashable, Model] = {}
    for model in models:
        content = tuple(hashes.get(part.identity, part.identity) for part in model.parts)
        original = unique.setdefault((content, model.parts[0].part.count), model)
        if original is not model:
            original.copies.append(model.parts)
            known = {file.identity for file in original.projectors}
            original.projectors += [file for file in model.projectors if file.identity not in known]
            original.no_projector = original.no_projector or model.no_projector
    return list(unique.values())
