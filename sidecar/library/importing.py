"""Bringing models into the sidecar's own folder.

Owns what an import consists of, where it goes, and that it is there whole or not at all: everything is made ready in a
hidden folder beside, and gets its name in one step. Nothing is ever overwritten, and nothing of other programs moved.
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

from sidecar.contract.errors import DiskFull, ModelInvalid, PathNotAllowed, PermissionDenied, StorageError
from sidecar.contract.models import ImportDone, ImportModelParams, ModelInfo, ModelWork
from sidecar.events.event_log import EventLog
from sidecar.host import path_policy
from sidecar.jobs.work import Work, run_in_thread
from sidecar.library import file_copy
from sidecar.library.catalogue import Model
from sidecar.library.gguf.file_names import PROJECTOR, SUFFIX, is_gguf, is_projector, part_name, quantization_in
from sidecar.library.library import Library
from sidecar.library.scan.model_files import ModelFile
from sidecar.storage.atomic_files import refusal

logger = logging.getLogger(__name__)

Mode = Literal["link", "copy", "move"]

STAGE = ".importing-"
"""How the hidden folders begin in which imports are made ready; what a crash leaves of one is removed at the start."""

SPARE_BYTES = 256 * 1024 * 1024
"""Room that a copy leaves on the disk, for everything else that writes to it."""

_NOT_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
"""What models may be called elsewhere and files may not."""


class _Item(msgspec.Struct, frozen=True):
    """A file, and its name in the folder."""

    file: ModelFile
    name: str


class Importer:
    """Brings models into the own folder. Everything here blocks on the disk: callers use a worker thread."""

    def __init__(self, library: Library, own_folder: Path) -> None:
        self._library = library
        self._own = own_folder.absolute()
        self._stages = f"{STAGE}{secrets.token_hex(6)}-"

    def bring_in(self, path: str, mode: Mode, name: str | None, work: Work) -> ModelInfo:
        """Import the model that a file is a part of.

        Raises:
            ModelNotFound, PathNotAllowed, PermissionDenied: the path leads to no file that can be used.
            ModelInvalid: it is damaged.
            PathNotAllowed: it is there already, or another is of this name; or it may not be moved.
            DiskFull, StorageError: it could not be done.
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
            Cancelled: the request was cancelled; nothing of it is left.
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
        """Remove what an earlier sidecar has left of unfinished imports."""
        for left in self._own.glob(f"{STAGE}*"):
            if not left.name.startswith(self._stages):
                logger.info("an import did not end: %s is removed", left)
                shutil.rmtree(left, ignore_errors=True)

    def _check(self, model: Model, parts: Sequence[ModelFile], mode: Mode, place: Path) -> None:
        if not model.info.valid:
            raise ModelInvalid(f"{place} cannot be used: {model.info.problem}")
        if model.info.origin == "own":
            raise PathNotAllowed(f"It is in the library as {model.info.name}: {model.info.path}.", hint="Use that one.")
        if mode != "move":
            return
        if model.listed:
            raise PathNotAllowed(
                f"{place} belongs to another program, or to a folder that the config lists, so it is not moved.",
                hint="Use mode link, which takes no room, or copy.",
            )
        for part in parts:
            if part.path.is_symlink():
                raise PathNotAllowed(f"{part.path} is a link, so it is not moved.", hint="Use mode link or copy.")
            if not os.access(part.path.parent, os.W_OK):
                raise PermissionDenied(f"{part.path} cannot be moved away: its folder may not be written to.")

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
                f"The copy takes {size:,} bytes, and {max(free - SPARE_BYTES, 0):,} can be used on the disk.",
                hint="Free some space, or use mode link, which takes none.",
            )


def _name_of(part: ModelFile, stem: str) -> str:
    return part_name(stem, part.part.number, part.part.count)


def _projector_name(file: ModelFile) -> str:
    """A name that goes with the only model in a folder."""
    kind = quantization_in(file.path.name)
    return f"{PROJECTOR}-{kind}{SUFFIX}" if kind else f"{PROJECTOR}{SUFFIX}"


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # another file system, one without hard links, or a file of somebody else's
        return False
    return True


def _publish_folder(stage: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise FileExistsError
    stage.rename(target)


def _remove(files: Sequence[ModelFile]) -> None:
    """Complete a move. A projector stays for as long as there are other models beside it."""
    for file in files:
        try:
            beside = (other.name for other in file.path.parent.iterdir() if other != file.path)
            if is_projector(file.path.name) and any(is_gguf(name) and not is_projector(name) for name in beside):
                continue
            file.path.unlink()
        except OSError as error:  # it is in the library; that it also stays where it was is no failure of that
            logger.warning("%s was imported and cannot be removed: %s", file.path, error.strerror)
