"""Where the library looks: the sidecar's own folder, those of the config, and what other programs keep.

Owns which sources there are and what is told of each. A source that is broken never takes the others along.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from sidecar.contract.errors import PathNotAllowed
from sidecar.contract.models import ForeignOrigin, ModelOrigin
from sidecar.host import path_policy
from sidecar.library.scan.disk_scan import DiskScan, Mark
from sidecar.library.scan.model_files import ModelFile, scan
from sidecar.library.scan.stores import STORES, Store
from sidecar.logs.defects import internal_error

logger = logging.getLogger(__name__)

_T = TypeVar("_T")


class Seen(msgspec.Struct):
    """A source, as it was looked at."""

    origin: ModelOrigin
    root: Path
    found: bool
    files: list[ModelFile]
    problems: list[str]
    marks: dict[str, Mark]


class Sources:
    """All sources.

    Args:
        own_folder: where the sidecar keeps its own models.
        folders: gives the config's further folders; asked each time, since they change.
        stores: gives the other programs whose models are listed; asked each time.
    """

    def __init__(
        self,
        own_folder: Path,
        folders: Callable[[], Sequence[str]],
        stores: Callable[[], Collection[ForeignOrigin]] = tuple,
    ) -> None:
        self.own_folder = own_folder.absolute()
        self._folders = folders
        self._stores = stores

    def settings(self) -> tuple[object, ...]:
        """What the sources are chosen by: where it changes, they are looked at anew."""
        return tuple(self._folders()), frozenset(self._stores())

    def look(self) -> list[Seen]:
        """Look at all of them, in the order in which a file that several have counts."""
        seen = [_look(self.own_folder, "own", partial(scan, self.own_folder, "own"))]
        seen += map(_look_at_folder, self._folders())
        wanted = self._stores()
        for store in STORES:
            if store.origin in wanted:
                seen += _look_at_store(store)
        return seen


def _look_at_folder(text: str) -> Seen:
    try:
        folder = path_policy.absolute(text)
    except PathNotAllowed as refusal:
        return Seen("folder", Path(text), False, [], [refusal.message], {})
    seen = _look(folder, "folder", lambda look: scan(folder, "folder", look))
    if not seen.found:
        seen.problems.append(f"There is no folder {folder}.")
        logger.debug("library: there is no folder %s", folder)
    return seen


def _look_at_store(store: Store) -> Iterator[Seen]:
    look = DiskScan()
    for root in _carefully(lambda: store.roots(look), look):
        one = _look(root, store.origin, partial(store.find, root))
        # What stands in the way of finding the others is told once, with the first.
        one.problems[:0], look.problems = look.problems, []
        one.marks |= look.marks
        yield one


def _look(root: Path, origin: ModelOrigin, find: Callable[[DiskScan], Iterable[ModelFile]]) -> Seen:
    look = DiskScan()
    found = look.stat(str(root)) is not None
    files = _carefully(lambda: find(look), look)
    return Seen(origin, root, found, files, look.problems, look.marks)


def _carefully(find: Callable[[], Iterable[_T]], look: DiskScan) -> list[_T]:
    """All that is found; where a layout is odder than we thought, what was found before."""
    found: list[_T] = []
    try:
        for one in find():
            found.append(one)
    except Exception as error:  # noqa: BLE001 - a defect of ours, or an odd file, must not hide the other sources
        told = internal_error(error)
        look.problem(f"Not all of it can be listed. {told.message}")
    return found
