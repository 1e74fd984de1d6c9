"""Pages of the list of models, so that no answer is longer than a host reads.

Pure. Owns where a page ends. The list is in the order of names, and a page continues after the name of the model that
the one before ended with, whatever has come or gone in between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from sidecar.contract.models import ModelInfo

MAX_PAGE_BYTES = 8 * 1024 * 1024
"""Bytes of a page as JSON: half of the 16 MiB that a host has to read in one line. Some 16,000 models."""


def by_name(name: str) -> tuple[str, str]:
    """The sort key of the list."""
    return name.casefold(), name


def page(models: Sequence[ModelInfo], *, after: str | None, limit: int | None) -> list[ModelInfo]:
    """The models after a name, at most `limit`, and as many as fit into MAX_PAGE_BYTES, but always one.

    Args:
        models: sorted `by_name`.
        after: the name of a model, which need not exist any more; `None` for the first page.
    """
    first = 0 if after is None else bisect_right(models, by_name(after), key=lambda model: by_name(model.name))
    found: list[ModelInfo] = []
    left = MAX_PAGE_BYTES
    for model in models[first : None if limit is None else first + limit]:
        left -= len(msgspec.json.encode(model))
        if left < 0 and found:
            break
        found.append(model)
    return found
