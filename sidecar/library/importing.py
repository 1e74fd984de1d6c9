"""Importing models into the sidecar's own folder.

Owns which files an import consists of, where they go, and that it is complete or not there at all: everything is staged
in a hidden folder in the same place, and renamed in one step. Nothing is ever overwritten, and no files of other
programs are moved.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from sidecar.contract.errors import DiskFull, PathNotAllowed, PermissionDenied, StorageError
from sidecar.contract.models import ImportDone, ImportModelParams, ModelInfo, ModelWork
from sidecar.events.event_log import EventLog
from sidecar.host import path_policy
from sidecar.jobs.work import Work, run_in_thread
from sidecar.library import file_copy
from sidecar.library.catalogue import Model
from sidecar.library.gguf.file_names import PROJECTOR, SUFFIX, is_gguf, is_projector, part_name, quantization_in
from sidecar.library.library import Library
from sidecar.library.model_names import invalid_model
from sidecar.library.scan.model_files import ModelFile
from sidecar.storage.atomic_files import refusal

logger = logging.getLogger(__name__)

Mode = Literal["link", "copy", "move"]

STAGE = ".importing-"
"""Prefix of the hidden folders in which imports are staged; leftovers of a crash are removed at the start."""

SPARE_BYTES = 256 * 1024 * 1024
"""Space that a copy leaves free on the disk for other programs."""

_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
"""Characters that are allowed in the names of models, but not in those of files."""


class _Item(msgspec.Struct, frozen=True):
    """A file, and its name in the folder."""

    file: ModelFile
    name: str


class Importer:
    """Imports models into the sidecar's own folder. Except for `import_model`, everything blocks on the disk."""

    def __init__(self, library: Library, own_folder: Path) -> None:
        self._library = library
        self._own = own_folder.absolute()
        self._stages = f"{STAGE}{secrets.token_hex(6)}-"

    def bring_in(self, path: str, mode: Mode, name: str | None, work: Work) -> ModelInfo:
        """Import the model to which a file belongs.

        Raises:
            ModelNotFound, PathNotAllowed, PermissionDenied: the path leads to no usable file.
            ModelInvalid: it is damaged.
            PathNotAllowed: the model is already imported, its name is taken, or it must not be moved.
            DiskFull, StorageError: the disk cannot be written.
            Stopped: `work` was stopped.
        """
        place = path_policy.file(path)
        model = self._library.get(str(place))
        parts = next((parts for parts in model.places if any(part.path == place for part in parts)), model.parts)
        self._check(model, parts, mode, place)
        stem = _NOT_IN_NAMES.sub("-", name or parts[0].part.stem).strip(" .-")
        items = [_Item(part, _name_of(part, stem)) for part in parts]
        items += [_Item(file, _projector_name(file)) for file in model.projectors[:1]]
        target = path_policy.place_in(self._own, stem if len(items) > 1 else items[0].name)
        if os.path.lexists(target):
            raise PathNotAllowed(f"There is already {target}.", hint="Give another name.")
        work.total_bytes = sum(item.file.size_bytes for item in items)
        stage = self._own / f"{self._stages}{secrets.token_hex(4)}"
        try:
            self._check_room(sum(item.file.size_bytes for item in items if self._is_copied(item.file, mode)))
            stage.mkdir()
            for item in items:
                self._bring(item, stage, mode, work)
            if len(items) > 1:
                _publish_folder(stage, target)
            else:
                file_copy.move(stage / items[0].name, target)
        except FileExistsError:
            raise PathNotAllowed(f"There is already {target}.", hint="Give another name.") from None
        except OSError as error:
            raise refusal(error, f"{parts[0].path.name} was not imported") from error
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        if mode == "move":
            _remove([item.file for item in items])
        return self._library.find(str(target / items[0].name if len(items) > 1 else target))

    async def import_model(self, params: ImportModelParams, events: EventLog) -> ModelInfo:
        """Import a model; returns when it is in the library. Its events go to `events`.

        Raises:
            Cancelled: the request was cancelled; nothing is left of the import.
            SidecarError: as `bring_in`.
        """
        model = await run_in_thread(
            lambda work: self.bring_in(params.path, params.mode or "link", params.name, work),
            events=events,
            event=lambda done, total: ModelWork(done_bytes=done, total_bytes=total),
        )
        events.append(ImportDone(model=model.name))
        return model

    def tidy(self) -> None:
        """Remove the unfinished imports of earlier sidecars."""
        for left in self._own.glob(f"{STAGE}*"):
            if not left.name.startswith(self._stages):
                logger.info("the unfinished import %s is removed", left)
                shutil.rmtree(left, ignore_errors=True)

    def _check(self, model: Model, parts: Sequence[ModelFile], mode: Mode, place: Path) -> None:
        if not model.info.valid:
            raise invalid_model(model.info)
        if model.info.origin == "own":
            raise PathNotAllowed(
                f"It is already in the library as {model.info.name}: {model.info.path}.", hint="Use that model."
            )
        if mode != "move":
            return
        if model.listed:
            raise PathNotAllowed(
                f"{place} belongs to another program, or to a folder that the config lists, so it is not moved.",
                hint="Use mode link, which takes no space, or copy.",
            )
        for part in parts:
            if part.path.is_symlink():
                raise PathNotAllowed(f"{part.path} is a link, so it is not moved.", hint="Use mode link or copy.")
            if not os.access(part.path.parent, os.W_OK):
                raise PermissionDenied(f"{part.path} cannot be moved: its folder is not writable.")

    def _bring(self, item: _Item, stage: Path, mode: Mode, work: Work) -> None:
        source, target = item.file.path.resolve(strict=True), stage / item.name
        if mode != "copy" and _linked(source, target):
            work.done(item.file.size_bytes)
            return
        if mode == "link":
            target.symlink_to(source)
            work.done(item.file.size_bytes)
            return
        file_copy.copy(source, target, work)
        if target.stat().st_size != item.file.size_bytes:
            raise StorageError(f"{item.file.path} changed while it was copied.", hint="Try again when it is finished.")

    def _is_copied(self, file: ModelFile, mode: Mode) -> bool:
        return mode == "copy" or (mode == "move" and file.path.stat().st_dev != self._own.stat().st_dev)

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self._own).free
        if size and size + SPARE_BYTES > free:
            raise DiskFull(
                f"The copy needs {size:,} bytes, and {max(free - SPARE_BYTES, 0):,} are available on the disk.",
                hint="Free some space, or use mode link, which takes none.",
            )


def _name_of(part: ModelFile, stem: str) -> str:
    return part_name(stem, part.part.number, part.part.count)


def _projector_name(file: ModelFile) -> str:
    """The name of a projector beside the only model of a folder."""
    kind = quantization_in(file.path.name)
    return f"{PROJECTOR}-{kind}{SUFFIX}" if kind else f"{PROJECTOR}{SUFFIX}"


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another file system, one without hard links, or a file of another user
        return False
    return True


def _publish_folder(stage: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError
    stage.rename(target)


def _remove(files: Sequence[ModelFile]) -> None:
    """Remove the originals after a move. A projector stays while there are other models beside it."""
    for file in files:
        try:
            beside = (other.name for other in file.path.parent.iterdir() if other != file.path)
            if is_projector(file.path.name) and any(is_gguf(name) and not is_projector(name) for name in beside):
                continue
            file.path.unlink()
        except OSError as error:  # the import itself has succeeded
            logger.warning("%s was imported, but the original cannot be removed: %s", file.path, error.strerror)
