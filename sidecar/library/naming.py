"""What models are called. Pure.

Owns the rule: a model is called by the last word of its label, with as many before it as tell it from others. Names in
the user's own folders do not change for what other programs keep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import count

Label = tuple[str, ...]


def assign_names(models: Sequence[tuple[Label, int, bool]]) -> list[str]:
    """A name for each model, no two alike.

    Args:
        models: of each its label, how many parts it is split into, and whether another program keeps it.
    """
    names: dict[int, str] = {}
    by_stem: defaultdict[str, list[int]] = defaultdict(list)
    for index, (label, _, foreign) in enumerate(models):
        if not foreign:
            by_stem[label[-1]].append(index)
    for alike in by_stem.values():
        names.update(zip(alike, _told_apart([models[index][:2] for index in alike]), strict=True))
    used = set(names.values())
    for index, (label, parts, foreign) in enumerate(models):
        if foreign:
            names[index] = next(name for name in _ever_longer(label, parts) if name not in used)
            used.add(names[index])
    return [names[index] for index in range(len(models))]


def _told_apart(alike: Sequence[tuple[Label, int]]) -> list[str]:
    """Names for models of one stem: so many folders before it that no two are alike."""
    longest = max(len(label) for label, _ in alike) if len(alike) > 1 else 1
    for words in range(1, longest + 1):
        told = ["/".join(label[-words:]) for label, _ in alike]
        if len(set(told)) == len(alike):
            return told
    # One folder has the model both whole and split.
    return [f"{label[-1]} ({parts} parts)" if parts else label[-1] for label, parts in alike]


def _ever_longer(label: Label, parts: int) -> Iterable[str]:
    """Names for a model, the shortest first."""
    for words in range(1, len(label) + 1):
        yield "/".join(label[-words:])
    if parts:
        yield f"{label[-1]} ({parts} parts)"
    for number in count(2):
        yield f"{label[-1]} ({number})"
