"""One installation: from an archive to a proved build in a folder of its own.

Owns the order of the steps, and the cleanup after a failure, which keeps only the partial download. Knows nothing of
other installations.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread
import msgspec

from sidecar.builds.archive import unpack
from sidecar.builds.fetching import fetch
from sidecar.builds.proof import Prover
from sidecar.builds.registry import FILES, PARTIAL, Build, Registry, name_of_archive, program_folder
from sidecar.contract.builds import InstallEngineParams, InstallProving, InstallUnpacking, InstallVerifying
from sidecar.contract.errors import ArchiveInvalid, ChecksumMismatch, InvalidParams, PathNotAllowed, PermissionDenied
from sidecar.engines.kinds.llama_server import PROGRAM
from sidecar.events.event_log import EventLog
from sidecar.host import file_io, path_policy
from sidecar.jobs.work import Work, run_in_thread
from sidecar.library.downloads.service import Downloads
from sidecar.library.file_copy import PIECE_BYTES

WHERE_THE_HASH_IS = (
    "Take it from the release's page on GitHub, where each file under Assets shows its sha256 with a button to copy it."
)


class Order(msgspec.Struct, frozen=True):
    """The checked parameters of an installation.

    Attributes:
        sha256: in lower case; `None` if any file is accepted.
        name: as requested; `None` for a free name similar to the archive's.
    """

    url: str | None
    path: Path | None
    sha256: str | None
    name: str | None
    make_default: bool

    @classmethod
    def of(cls, params: InstallEngineParams) -> Order:
        """The order for a host's parameters.

        Raises:
            InvalidParams: a parameter is missing, superfluous or invalid.
            PathNotAllowed: the path is not absolute.
        """
        if (params.url is None) == (params.path is None):
            raise InvalidParams("Give either `url` or `path`.", path="$.url")
        if params.url is not None and params.sha256 is None:
            raise InvalidParams(
                "An archive from the network needs its `sha256`.",
                path="$.sha256",
                hint=WHERE_THE_HASH_IS,
            )
        if params.name is not None and (problem := path_policy.problem_of(params.name)):
            raise InvalidParams(f"{params.name!r} cannot be a build's name: {problem}.", path="$.name")
        return cls(
            url=params.url,
            path=None if params.path is None else path_policy.absolute(params.path),
            sha256=None if params.sha256 is None else params.sha256.removeprefix("sha256:").lower(),
            name=params.name,
            make_default=params.make_default is not False,
        )

    @property
    def source(self) -> str:
        """The path or address of the archive, without query and fragment, which may be secret."""
        return str(self.path) if self.url is None else self.url.partition("?")[0].partition("#")[0]

    @property
    def file_name(self) -> str:
        """The file name of the archive."""
        return self.path.name if self.path is not None else unquote(urlsplit(self.url or "").path).rpartition("/")[2]


class Installation:
    """Makes a build from an archive.

    Args:
        events: receives the events of each step.
    """

    def __init__(
        self, order: Order, registry: Registry, downloads: Downloads, prover: Prover, events: EventLog
    ) -> None:
        self._order = order
        self._registry = registry
        self._downloads = downloads
        self._prover = prover
        self._events = events

    @asynccontextmanager
    async def proved(self) -> AsyncIterator[tuple[Path, Build]]:
        """The folder of a proved build, and its record. At the end of the context the folder is removed, unless it
        was moved to become a managed build.

        Raises:
            ChecksumMismatch: the archive is another file.
            ArchiveInvalid: it is damaged, or contains no llama.cpp for this machine.
            EngineStartFailed: the build generates no token.
            SidecarError: it cannot be downloaded.
            OSError: the disk cannot be read or written.
        """
        folder = None
        try:
            async with self._archive() as (archive, digest):
                folder = await anyio.to_thread.run_sync(self._registry.new_folder)
                await self._unpack(archive, folder / FILES)
            self._events.append(InstallProving())
            program = await anyio.to_thread.run_sync(program_folder, folder / FILES)
            if program is None:
                raise ArchiveInvalid(
                    f"There is no {PROGRAM} in the archive.",
                    hint="Use the release archive of llama.cpp for this system and processor.",
                )
            proof = await self._prover.prove(program)
            name = self._order.name
            if name is None:
                name = await anyio.to_thread.run_sync(self._registry.free_name, name_of_archive(self._order.file_name))
            build = Build(name=name, source=self._order.source, sha256=digest, installed_at=time.time(), proof=proof)
            yield folder, build
        finally:
            if folder is not None:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(partial(shutil.rmtree, folder, ignore_errors=True))

    @asynccontextmanager
    async def _archive(self) -> AsyncIterator[tuple[BinaryIO, str]]:
        """The open archive and its hash; a downloaded archive is removed once it is unpacked."""
        order = self._order
        if order.path is not None:
            with await anyio.to_thread.run_sync(_opened, order.path) as file:
                yield file, await self._checked(file, order)
            return
        assert order.url is not None  # noqa: S101 - one of the two is there
        assert order.sha256 is not None  # noqa: S101
        folder, options = self._registry.root / PARTIAL, self._downloads.options
        fetched = await fetch(order.url, order.sha256, folder, options, self._events)
        with await anyio.to_thread.run_sync(_opened, fetched.data) as file:
            try:
                yield file, order.sha256
            except ArchiveInvalid:
                await anyio.to_thread.run_sync(fetched.remove)
                raise
        await anyio.to_thread.run_sync(fetched.remove)

    async def _checked(self, file: BinaryIO, order: Order) -> str:
        """The hash of a file, compared with the order's."""
        size = os.fstat(file.fileno()).st_size
        found = await run_in_thread(
            partial(_digest, file),
            events=self._events,
            event=lambda done, total: InstallVerifying(done_bytes=done, total_bytes=total),
            total_bytes=size,
        )
        if order.sha256 not in (None, found):
            raise ChecksumMismatch(
                f"{order.file_name} has the hash {found} instead of {order.sha256}.", hint=WHERE_THE_HASH_IS
            )
        return found

    async def _unpack(self, archive: BinaryIO, files: Path) -> None:
        await run_in_thread(
            lambda work: unpack(archive, self._order.file_name, files, work),
            events=self._events,
            event=lambda done, total: InstallUnpacking(progress=round(min(done / total, 1.0), 3)),
            total_bytes=os.fstat(archive.fileno()).st_size,
        )


def _opened(path: Path) -> BinaryIO:
    """An archive on this machine.

    Raises:
        PathNotAllowed: it does not exist, or is not an ordinary file.
        PermissionDenied: it cannot be read.
    """
    try:
        archive = BufferedReader(file_io.open_ordinary(path))
    except (FileNotFoundError, NotADirectoryError):
        raise PathNotAllowed(f"There is no file {path}.", hint="Give the absolute path of the archive.") from None
    except PermissionError:
        raise PermissionDenied(f"{path} cannot be read: access is denied.") from None
    except OSError as error:
        raise PathNotAllowed(f"{path} cannot be used: {error.strerror}.") from None
    if not os.fstat(archive.fileno()).st_size:  # the kernel's files are empty as well, and some never end
        archive.close()
        raise PathNotAllowed(f"{path} is empty.", hint="Give the absolute path of the archive.")
    return archive


def _digest(file: BinaryIO, work: Work) -> str:
    digest = sha256()
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
        work.done(len(piece))
    return digest.hexdigest()
