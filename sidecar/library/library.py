"""The library: one list of the models of all sources.

Owns when the sources are scanned again, how a model is found by a name or path, and which files may be copies of each
other. Reads only. Knows nothing of engines or downloads. Everything but `scan_models` blocks on the disk: callers use a
worker thread.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice

from sidecar.contract.errors import ModelNotFound
from sidecar.contract.models import LibrarySource, ModelInfo, ModelWork, ScanDone, ScanModelsResult
from sidecar.events.event_log import EventLog
from sidecar.host import path_policy
from sidecar.jobs.work import Work, run_in_thread
from sidecar.library.catalogue import Model, assemble, describe
from sidecar.library.file_copy import content_hash
from sidecar.library.gguf.file_names import is_projector
from sidecar.library.gguf.model_kind import UNUSABLE
from sidecar.library.header_cache import HeaderCache
from sidecar.library.model_names import match_model
from sidecar.library.scan.disk_scan import DiskScan, Mark, settled, unchanged
from sidecar.library.scan.model_files import ModelFile, file_at, scan
from sidecar.library.scan.sources import ScannedSource, Sources

logger = logging.getLogger(__name__)

FULL_READ_SECONDS = 0.15
"""How long one listing reads headers to their ends, which takes 10 to 60 ms for a large vocabulary. Of the remaining
files only the start is read, and the rest in the background: 1,000 models are listed immediately, their details
follow."""

MAX_COPIES_SHOWN = 100
"""Groups of models in a scan's `possible_copies`."""

MAX_NEIGHBOURS = 500
"""Files near a model outside of the library that are examined; a folder of so many is no folder of one model."""

_Models = list[ModelInfo]  # inside Library, `list` is its method


class Library:
    """The models on this machine. Safe to use from several threads.

    Args:
        sources: the sources to scan.
        headers: the cache of headers; without one, nothing is stored for the next start.
    """

    def __init__(self, sources: Sources, headers: HeaderCache | None = None) -> None:
        self._sources = sources
        self._headers = headers or HeaderCache()
        self._lock = threading.Lock()
        self._models: Sequence[Model] = ()
        self._scanned: Sequence[ScannedSource] = ()
        self._settings: tuple[object, ...] | None = None
        self._marks: dict[str, Mark] | None = None
        """The marks that show whether something has changed; `None` if they are not reliable yet."""

    def list(self) -> _Models:
        """All models, by name, including damaged ones.

        If there are many new files, `parameters`, `capabilities` and some problems appear only in a later listing.
        """
        with self._lock:
            return [model.info for model in self._listing()]

    def find(self, name: str) -> ModelInfo:
        """The model of this name, file name or absolute path, with its header read to the end.

        A path may lead outside of the library. A damaged model is returned with its `problem`.

        Raises:
            ModelNotFound: there is none, or several match.
            PathNotAllowed, PermissionDenied: it is a path that cannot be used.
        """
        return self.get(name).info

    def get(self, name: str) -> Model:
        """The same model with its files."""
        file = file_at(str(path_policy.file(name)), "folder", DiskScan()) if path_policy.is_path(name) else None
        if file is None and path_policy.is_path(name):  # it has just been removed
            raise ModelNotFound(f"There is no file {name}.")
        with self._lock:
            listed = self._listing()
            if file is None:
                found = match_model(name, [model.info for model in listed])
                model = next(model for model in listed if model.info is found)
            else:
                model = next((m for m in listed if m.has(file)), None) or self._outside(file)
            describe(model, self._headers, full=True)
            return model

    def users_of(self, file: ModelFile, *, but: Model) -> _Models:
        """The other models to which a projector or an adapter belongs."""
        with self._lock:
            return [
                model.info
                for model in self._listing()
                if model.parts[0].path != but.parts[0].path  # it may have been listed again
                and any(file.path == other.path for other in (*model.projectors, *model.adapters))
            ]

    def scan(self) -> ScanModelsResult:
        """Scan all sources, and report the content of each."""
        started = time.perf_counter()
        with self._lock:
            models = self._listing()
            copies = [[model.name for model in group] for group in self._alike(models)]
            return ScanModelsResult(
                models=len(models),
                damaged=sum(not model.info.valid for model in models),
                unread=sum(model.info.capabilities is None and model.info.valid for model in models),
                sources=[_report(source, models) for source in self._scanned],
                possible_copies=copies[:MAX_COPIES_SHOWN],
                took_ms=round((time.perf_counter() - started) * 1e3, 3),
            )

    async def scan_models(self, *, verify: bool, events: EventLog) -> ScanModelsResult:
        """Scan all sources, after `verify` if requested. The events go to `events`.

        Raises:
            Cancelled: the request was cancelled; results so far are kept.
        """

        def run(work: Work) -> ScanModelsResult:
            if verify:
                self.verify(work)
            return self.scan()

        scan = await run_in_thread(
            run, events=events, event=lambda done, total: ModelWork(done_bytes=done, total_bytes=total)
        )
        events.append(ScanDone(models=scan.models))
        return scan

    def unread(self) -> Sequence[ModelFile]:
        """The files whose headers the last listing did not read to their ends."""
        with self._lock:
            return self._unread()

    def verify(self, work: Work) -> None:
        """Read every header to its end, and hash possible copies completely; real copies then become one model.

        Raises:
            Stopped: `work` was stopped; results so far are kept.
        """
        with self._lock:
            models = self._listing()
        for model in models:
            work.done(0)
            with self._lock:  # separately for each model, so that other requests are not blocked
                describe(model, self._headers, full=True)
        with self._lock:
            groups = self._alike(models)
            files = [p for group in groups for m in group for p in m.parts if self._headers.content(p) is None]
        work.total_bytes = sum(file.size_bytes for file in files)
        try:
            for file in files:
                self._hash_content(file, work)
        finally:
            self._headers.save()

    def _hash_content(self, file: ModelFile, work: Work) -> None:
        try:
            digest = content_hash(file.path, work)
        except OSError as error:
            logger.warning("%s cannot be compared: %s", file.path, error.strerror)
            return
        with self._lock:
            self._headers.set_content(file, digest)
            self._marks = None

    def _listing(self) -> Sequence[Model]:
        settings = self._sources.settings()
        if self._marks is not None and settings == self._settings and unchanged(self._marks):
            return self._models
        started_ns = time.time_ns()
        self._scanned = self._sources.scan()
        failed = any(source.failed for source in self._scanned)
        files = [file for source in self._scanned for file in source.files]
        self._models = assemble(files, self._headers, until=time.monotonic() + FULL_READ_SECONDS)
        if not failed:
            self._headers.keep_only(files)
        self._settings = settings
        marks = {path: mark for source in self._scanned for path, mark in source.marks.items()}
        # Marks are reliable only once every header is read to its end, and the files are old enough.
        unread = self._unread()
        # What could not be read this time, such as for want of descriptors, is read again, and not taken for empty.
        failed = failed or any(model.info.problem_reason == "unreadable" for model in self._models)
        self._marks = marks if not unread and not failed and settled(marks.values(), started_ns) else None
        self._headers.index(unread)
        return self._models

    def _unread(self) -> Sequence[ModelFile]:
        return [part for model in self._models for part in model.parts if not self._headers.is_complete(part)]

    def _outside(self, file: ModelFile) -> Model:
        files = [file, *(near for near in _neighbours(file) if near.identity != file.identity)]
        for model in assemble(files, self._headers, until=time.monotonic()):
            if model.has(file):
                model.listed = False
                return model
        unusable = UNUSABLE.get(self._headers.facts(file, full=False).kind or "projector", UNUSABLE["projector"])
        raise ModelNotFound(f"{file.path} {unusable.problem}; it cannot run alone.", hint=unusable.hint)

    def _alike(self, models: Sequence[Model]) -> _Groups:
        """Groups of models of the same size and beginning, without those that are known to differ."""
        by_size: defaultdict[Hashable, list[Model]] = defaultdict(list)
        for model in models:
            if model.info.valid:
                by_size[tuple(part.size_bytes for part in model.parts)].append(model)
        alike: defaultdict[Hashable, list[Model]] = defaultdict(list)
        for size, group in by_size.items():
            for model in group if len(group) > 1 else ():
                heads = tuple(self._headers.head(part) for part in model.parts)
                if None not in heads:
                    alike[size, heads].append(model)
        return [
            group
            for group in alike.values()
            if len(group) > 1 and any(self._headers.content(part) is None for model in group for part in model.parts)
        ]


_Groups = list[list[Model]]


def _neighbours(file: ModelFile) -> Iterator[ModelFile]:
    """What may belong to a file outside of the library: files beside it, and projectors one folder above or below."""
    folder = file.path.parent
    beside = list(islice(scan(folder, "folder", DiskScan(), depth=1), MAX_NEIGHBOURS))
    others = any(near.path.parent == folder and near.path.name != file.path.name for near in beside)
    for near in beside:
        if near.path.parent == folder or is_projector(near.path.name):
            yield near
    if not others and folder.parent != folder:
        above = islice(scan(folder.parent, "folder", DiskScan(), depth=0), MAX_NEIGHBOURS)
        yield from (near for near in above if is_projector(near.path.name))


def _report(source: ScannedSource, models: Sequence[Model]) -> LibrarySource:
    files = {file.identity for file in source.files}
    return LibrarySource(
        origin=source.origin,
        path=str(source.root),
        found=source.found,
        files=len(files),
        models=sum(any(part.identity in files for part in model.parts) for model in models),
        problems=source.problems,
    )
