"""From files to models.

Owns what counts as a model (the parts of a split model are one, its copies are one, projectors and adapters are none),
and which projectors and adapters belong to it. Opens no files: the facts of headers come from the cache.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from urllib.parse import urlsplit

import msgspec
from msgspec import field

from sidecar.contract.models import ModelInfo
from sidecar.library.gguf.file_names import base_of, is_projector, part_name, projector_fits, projector_rank
from sidecar.library.gguf.header import MAX_NAME_LETTERS, HeaderFacts, together
from sidecar.library.header_cache import HeaderCache
from sidecar.library.model_names import assign_names
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
    """

    parts: list[ModelFile]
    name: str = ""
    copies: list[list[ModelFile]] = field(default_factory=list)
    projectors: list[ModelFile] = field(default_factory=list)
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
    projectors: defaultdict[Hashable, list[ModelFile]] = defaultdict(list)
    adapters: list[ModelFile] = []
    for file in files:
        role = _role(file, headers, until)
        if role == "projector":
            projectors[file.group].append(file)
        elif role == "adapter":
            adapters.append(file)
        elif role == "model":
            groups.setdefault(file.part.key, []).append(file)
    models = [Model(_in_order(parts)) for parts in groups.values()]
    _tie_projectors(models, projectors)
    models = _without_copies(models, headers)
    _tie_adapters(models, adapters, headers)
    for model, name in zip(models, assign_names([_naming(model) for model in models]), strict=True):
        model.name = name
        describe(model, headers, full=False)
    return sorted(models, key=lambda model: (model.name.casefold(), model.name))


def describe(model: Model, headers: HeaderCache, *, full: bool) -> ModelInfo:
    """The entry of a model in the list; with `full`, its headers are read to their ends first."""
    parts = model.parts
    facts = [headers.facts(part, full=full) for part in parts]
    first = facts[0]
    problem = _missing_parts(parts) or next((f.problem for f in facts if f.problem), None)
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
        problem=problem,
        architecture=first.architecture,
        quantization=first.quantization,
        parameters=(sum(weights) or None) if problem is None and len(weights) == len(facts) else None,
        context_length=first.context_length,
        display_name=next(iter(names), first.display_name),
        repo=next((one.repo for one in stores if one.repo), None),
        capabilities=None if first.capabilities is None else together(first.capabilities, added),
        adapters=[str(file.path) for file in model.adapters],
        other_paths=list(other_paths)[:MAX_PLACES],
        aliases=[name for name in dict.fromkeys(called) if name != model.name][:MAX_PLACES],
    )
    return model.info


def _role(file: ModelFile, headers: HeaderCache, until: float | None) -> str:
    if file.store and file.store.role:
        return file.store.role
    if is_projector(file.path.name):
        return "projector"
    return headers.facts(file, full=until is None or time.monotonic() < until).kind


def _in_order(parts: Iterable[ModelFile]) -> list[ModelFile]:
    """The parts of a model by number; of several with one number, such as in several folders, the first."""
    by_number: dict[int, ModelFile] = {}
    for part in parts:
        by_number.setdefault(part.part.number, part)
    return [by_number[number] for number in sorted(by_number)]


def _missing_parts(parts: Sequence[ModelFile]) -> str | None:
    first = parts[0].part
    missing = sorted(set(range(1, first.count + 1)) - {file.part.number for file in parts})
    if not missing:
        return None
    names = [part_name(first.stem, number, first.count) for number in missing[:MAX_MISSING_SHOWN]]
    more = f" and {len(missing) - len(names)} more" if len(missing) > len(names) else ""
    return f"{len(missing)} of its {first.count} files are missing: {', '.join(names)}{more}."


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
    return list(unique.values())


# --- projectors and adapters -----------------------------------------------------------------------------------------


def _tie_projectors(models: Iterable[Model], projectors: dict[Hashable, list[ModelFile]]) -> None:
    if not projectors:
        return
    by_group: defaultdict[Hashable, list[Model]] = defaultdict(list)
    for model in models:
        by_group[model.parts[0].group].append(model)
    for group, candidates in projectors.items():
        bases = {base_of(model.parts[0].part.stem) for model in by_group[group]}
        for model in by_group[group]:
            stem = model.parts[0].part.stem
            fitting = [
                file
                for file in candidates
                if (file.store and file.store.role)  # its program assigns it
                or projector_fits(file.part.stem, base_of(stem), only_model=len(bases) == 1)
            ]
            model.projectors = sorted(fitting, key=lambda file: projector_rank(file.path.name, stem))


def _tie_adapters(models: Sequence[Model], adapters: Iterable[ModelFile], headers: HeaderCache) -> None:
    """Adapters belong to the models that their program or their header names."""
    found = {file.identity: file for file in reversed(list(adapters))}
    if not found:
        return
    by_group: defaultdict[Hashable, list[ModelFile]] = defaultdict(list)
    for file in adapters:
        if file.store and file.store.role:
            by_group[file.group].append(file)
    made_for = {file.identity: _made_for(headers.facts(file, full=False)) for file in found.values()}
    for model in models:
        facts = headers.facts(model.parts[0], full=False)
        own = _called(facts, model)
        sure = {file.identity for place in model.places for file in by_group.get(place[0].group, ())}
        model.adapters = [
            file
            for identity, file in sorted(found.items(), key=lambda item: item[1].path)
            if identity in sure or (made_for[identity][0] == facts.architecture and own & made_for[identity][1])
        ]


def _made_for(adapter: HeaderFacts) -> tuple[str | None, set[str]]:
    return adapter.architecture, {_plain(name) for name in adapter.bases}


def _called(facts: HeaderFacts, model: Model) -> set[str]:
    """All names of a model, from its header and its repositories."""
    repos = {part.store.repo for place in model.places for part in place if part.store and part.store.repo}
    return {_plain(name) for name in (*facts.names, *repos)} - {""}


def _plain(name: str) -> str:
    """A name or the address of a repository, normalized for comparison: letters and digits, without the publisher."""
    last = urlsplit(name).path.rstrip("/").rpartition("/")[2] if "://" in name else name.rpartition("/")[2]
    return re.sub(r"[\W_]+", "", last.lower()).removesuffix("gguf")
