"""Deleting models, and restoring them.

Owns which files may be deleted: only those in the sidecar's own folder, and of a link only the link. `folder` owns the
files until they are purged, and the recovery after a crash.
"""

from __future__ import annotations

import logging
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from sidecar.contract.errors import DeleteNotAllowed, ModelInUse, ModelNotFound, PathNotAllowed
from sidecar.contract.models import (
    FOREIGN,
    DeletedFile,
    DeletedModel,
    EmptyTrashResult,
    KeptFile,
    ModelInfo,
    ModelOrigin,
    TrashedModel,
)
from sidecar.contract.remedies import open_settings
from sidecar.library.catalogue import Model
from sidecar.library.library import Library
from sidecar.library.scan.model_files import ModelFile
from sidecar.library.trash.folder import Entry, TrashFolder
from sidecar.storage.atomic_files import refusal
from sidecar.storage.config import ConfigFile
from sidecar.storage.purge_clock import PurgeClock

logger = logging.getLogger(__name__)

LoadedFiles = Sequence[tuple[str, Path]]
"""Files, each with the id of the server that has it loaded."""

DAY_SECONDS = 86_400

_HOW_ELSE: dict[ModelOrigin, str] = {
    "folder": "Remove the file yourself, or remove its folder from the settings.",
    "huggingface": "Remove it with `hf cache`, or leave the cache out in the settings.",
    "lm_studio": "Delete it in LM Studio, or leave LM Studio out in the settings.",
    "ollama": "Delete it with `ollama rm`, or leave Ollama out in the settings.",
    "jan": "Delete it in Jan, or leave Jan out in the settings.",
    "llama_cpp": "Remove it from llama.cpp's cache yourself, or leave that out in the settings.",
}


class Trash:
    """Deletes models of an own folder. Safe to use from several threads; everything here blocks on the disk.

    Args:
        own_folder: the only folder in which anything is ever deleted.
        config: has the number of days for which deleted models can be restored; 0 for none.
        clock: the time, in Unix seconds.
        purge_clock: whether that time is to be trusted; always, if there is none.
    """

    def __init__(
        self,
        library: Library,
        own_folder: Path,
        config: ConfigFile,
        *,
        clock: Callable[[], float] = time.time,
        purge_clock: PurgeClock | None = None,
    ) -> None:
        self._library = library
        self._own = own_folder.absolute()
        self._folder = TrashFolder(self._own)
        self._config = config
        self._clock = clock
        self._purge_clock = purge_clock
        self._lock = threading.Lock()

    def delete(self, name: str, *, permanently: bool, dry_run: bool, loaded: LoadedFiles = ()) -> DeletedModel:
        """Delete a model, or report what would be deleted.

        Args:
            name: the model's name or path.
            permanently: do not move it to the trash.
            dry_run: only report.
            loaded: the files that running servers use.

        Raises:
            ModelNotFound, PathNotAllowed, PermissionDenied: there is no such model.
            DeleteNotAllowed: it is not in the own folder.
            ModelInUse: a running server has it loaded (not for a dry run).
            PermissionDenied, DiskFull, StorageError: it cannot be deleted.
        """
        with self._lock:
            return self._delete(name, permanently=permanently, dry_run=dry_run, loaded=loaded)

    def _delete(self, name: str, *, permanently: bool, dry_run: bool, loaded: LoadedFiles = ()) -> DeletedModel:
        model = self._library.get(name)
        files, kept = self._files_of(model)
        deleted_files = _deleted_files(files)
        deleted = DeletedModel(
            model=model.name,
            deleted=not dry_run,
            files=deleted_files,
            frees_bytes=sum(file.frees_bytes for file in deleted_files),
            kept=kept,
            other_paths=model.info.other_paths,
            used_by_servers=_used_by(files, loaded),
            trash_id=None,
            purged_at=None,
        )
        if dry_run:
            return deleted
        if servers := deleted.used_by_servers:
            raise ModelInUse(f"{model.name} is loaded by the server {servers[0]!r}.", server_id=servers[0])
        try:
            entry = self._folder.add(
                model.name, [file.path for file in files], at=self._clock(), keep=self._can_be_kept(permanently)
            )
        except OSError as error:
            raise refusal(error, f"{model.name} was not deleted, or not all of it") from error
        if entry is not None:
            deleted.trash_id, deleted.purged_at = entry.trash_id, self._purged_at(entry)
        return deleted

    def deleted(self) -> list[TrashedModel]:
        """The models that can be restored, the last deleted first."""
        return [
            TrashedModel(
                trash_id=entry.trash_id,
                model=entry.model,
                path=str(self._own / entry.files[0].origin),
                files=len(entry.files),
                size_bytes=sum(file.size_bytes for file in entry.files),
                deleted_at=entry.deleted_at,
                purged_at=self._purged_at(entry),
            )
            for entry in self._folder.entries()
        ]

    def restore(self, name: str) -> ModelInfo:
        """Restore a deleted model.

        Raises:
            ModelNotFound: no deleted model has this id or name.
            PathNotAllowed: its place is taken.
            PermissionDenied, DiskFull, StorageError: it cannot be restored.
        """
        try:
            with self._lock:
                entry = self._named(name)
                self._folder.restore(entry)
        except FileExistsError as error:
            raise PathNotAllowed(
                f"There is another file at {error.filename2 or error.filename}.",
                hint="Move that file, then restore again.",
            ) from None
        except OSError as error:
            raise refusal(error, "It was not restored, or not all of it") from error
        return self._library.find(str(self._own / entry.files[0].origin))

    def empty(self, name: str | None = None) -> EmptyTrashResult:
        """Delete all models in the trash, or one of them, permanently.

        Raises:
            ModelNotFound: no deleted model has this id or name.
            PermissionDenied, StorageError: not everything can be deleted.
        """
        try:
            with self._lock:
                entries = self._folder.entries() if name is None else [self._named(name)]
                freed = sum(self._folder.purge(entry) for entry in entries)
        except OSError as error:
            raise refusal(error, "Not everything was deleted") from error
        return EmptyTrashResult(models=len(entries), freed_bytes=freed)

    def tidy(self) -> None:
        """Complete what a crash has interrupted, and purge models whose retention has ended."""
        try:
            with self._lock:
                self._folder.recover()
                entries = self._folder.entries()
                newest = max((entry.deleted_at for entry in entries), default=None)
                if self._purge_clock is not None and not self._purge_clock.may_purge(newest):
                    return
                for entry in entries:
                    if self._purged_at(entry) <= self._clock():
                        logger.info("the retention of the deleted %s has ended: it is purged", entry.model)
                        self._folder.purge(entry)
        except OSError as error:
            logger.warning("deleted models cannot be tidied up: %s", error)

    def _can_be_kept(self, permanently: bool) -> bool:
        return not permanently and self._config.config.models.deleted_retention_days > 0

    def _purged_at(self, entry: Entry) -> float:
        return entry.deleted_at + self._config.config.models.deleted_retention_days * DAY_SECONDS

    def _named(self, name: str) -> Entry:
        entries = self._folder.entries()
        for entry in entries:
            if name in (entry.trash_id, entry.model):
                return entry
        names = ", ".join(dict.fromkeys(entry.model for entry in entries[:5]))
        hint = f"What can be restored: {names}." if names else "The trash is empty."
        raise ModelNotFound(f'There is no deleted model "{name}".', hint=hint)

    def _files_of(self, model: Model) -> tuple[list[ModelFile], list[KeptFile]]:
        """The files to delete with a model, and its projectors that stay, since other models use them."""
        if not model.listed or any(part.origin != "own" for part in model.parts):
            raise DeleteNotAllowed(
                f"{model.info.path} is not in the sidecar's own folder, so it is not deleted.",
                hint=_HOW_ELSE.get(model.info.origin, _HOW_ELSE["folder"]),
                remedies=(open_settings("models.sources" if model.info.origin in FOREIGN else "models.folders"),),
            )
        files, kept = list(model.parts), []
        for projector in model.projectors:
            if projector.origin != "own":
                continue
            if others := self._library.users_of(projector, but=model):
                kept.append(KeptFile(path=str(projector.path), used_by=[other.name for other in others]))
            else:
                files.append(projector)
        return files, kept


def _deleted_files(files: Sequence[ModelFile]) -> list[DeletedFile]:
    infos = [file.path.lstat() for file in files]
    names = Counter((info.st_dev, info.st_ino) for info in infos)
    found, freed = [], set()
    for file, info in zip(files, infos, strict=True):
        is_link, which = stat.S_ISLNK(info.st_mode), (info.st_dev, info.st_ino)
        # Content is freed with the last of its names.
        frees = not is_link and info.st_nlink <= names[which] and which not in freed
        freed.add(which)
        found.append(
            DeletedFile(
                path=str(file.path), size_bytes=file.size_bytes, frees_bytes=info.st_size if frees else 0, link=is_link
            )
        )
    return found


def _used_by(files: Sequence[ModelFile], loaded: LoadedFiles) -> list[str]:
    """The ids of the servers that have one of these files loaded."""
    return list(dict.fromkeys(server for server, path in loaded if any(_is_same(path, file.path) for file in files)))


def _is_same(one: Path, other: Path) -> bool:
    try:
        return other.samefile(one)
    except OSError:
        return one == other
