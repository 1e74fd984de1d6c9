"""The managed builds, and which one is the default.

Owns their changes, which are made one at a time, and publishes them. A build becomes the default only after a new
proof. `rollback` handles a default that fails. Does not know which of them are running.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread
import msgspec

from sidecar.builds.proof import Prover
from sidecar.builds.registry import Build, Registry
from sidecar.builds.rollback import demoted, may_be_its_own
from sidecar.contract.builds import InstallDone, InstallEngineParams, InstallQueued, ManagedEngines
from sidecar.contract.engines import EngineInfo, EngineProof
from sidecar.contract.errors import Cancelled, InvalidParams, SidecarError
from sidecar.contract.life import Notice
from sidecar.contract.remedies import call, change_params
from sidecar.engines.launch import Launch
from sidecar.events.changes import Changes
from sidecar.events.event_log import EventLog
from sidecar.jobs.job import Job
from sidecar.jobs.lane import Lane
from sidecar.jobs.store import JobRecord
from sidecar.library.downloads.service import Downloads
from sidecar.storage.atomic_files import refusal
from sidecar.storage.config import ConfigFile

if TYPE_CHECKING:
    from sidecar.builds.install import Order

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Builds:
    """The builds.

    Args:
        root: the folder of the builds.
        downloads: the options of all transfers.
        prover: proves builds.
        config: read at each use.

    Attributes:
        changes: all builds, whenever a build or the default changes.
    """

    def __init__(
        self,
        root: Path,
        *,
        downloads: Downloads,
        prover: Prover,
        config: ConfigFile,
    ) -> None:
        self._registry = Registry(root)
        self._downloads = downloads
        self._prover = prover
        self._config = config
        self.changes: Changes[ManagedEngines] = Changes()
        self._installing = Lane(1)
        self._changing = anyio.Lock()
        self._jobs: list[Job[JobRecord]] = []
        self._stopping = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Run installations; on exit they are stopped."""
        try:
            yield
        finally:
            self._stopping = True
            with anyio.CancelScope(shield=True):
                for job in list(self._jobs):
                    await job.interrupt("stop")

    def tidy(self) -> None:
        """Remove the leftovers of earlier sidecars that were killed. Blocks on the disk."""
        try:
            self._registry.tidy()
        except OSError as error:
            logger.warning("the leftovers of installations cannot be removed: %s", error.strerror)

    # --- requests of hosts -------------------------------------------------------------------------------------

    async def install(self, params: InstallEngineParams, events: EventLog) -> EngineInfo:
        """Install a build; returns when it is installed. Its events go to `events`.

        Raises:
            InvalidParams: a parameter is missing or invalid, or the name is taken.
            Cancelled: the sidecar is stopping.
            SidecarError: see the method's errors; nothing is left of the installation.
        """
        from sidecar.builds.install import Order  # late, since start-up does not need it

        order = Order.of(params)
        events.append(InstallQueued())
        job = Job(JobRecord(), kind="installation")
        self._jobs.append(job)
        info = None
        try:
            if not self._stopping:
                with job.turn():
                    async with self._installing.turn(job):
                        info = await self._installed(order, events)
                        job.finish()
        except OSError as error:
            raise refusal(error, "The build was not installed") from error
        finally:
            self._jobs.remove(job)
        if info is None:
            raise Cancelled("The sidecar is stopping.", hint="The same request resumes the download where it was.")
        events.append(InstallDone(**msgspec.structs.asdict(info)))
        return info

    async def set_default(self, name: str | None) -> ManagedEngines:
        """Make a build the default if it generates a token; `None` for no default.

        Raises:
            EngineNotFound: there is no such build.
            EngineStartFailed: it generates no token; the default stays.
            DiskFull, PermissionDenied, StorageError: the choice cannot be stored.
        """
        if name is None:
            async with self._changing:
                await self._on_disk(lambda: self._registry.make_default(None), "The default was not changed")
            return await self._publish()
        await self._prove_again(await self._in_thread(lambda: self._registry.named(name)), make_default=True)
        return await self.managed()

    @asynccontextmanager
    async def removing(self, name: str) -> AsyncIterator[Path]:
        """Remove a build at the end of the context. The caller gets its folder, and raises if it is still in use; in
        the meantime nothing else changes the builds.

        Raises:
            EngineNotFound: there is no such build.
            DiskFull, PermissionDenied, StorageError: it cannot be removed.
        """
        async with self._changing:
            build = await self._in_thread(lambda: self._registry.named(name))
            yield self._registry.root / build.name
            await self._on_disk(lambda: self._registry.remove(build.name), "The build was not removed")
        await self._publish()

    async def prove(self, folder: str) -> EngineProof:
        """Prove any build of llama.cpp.

        Raises:
            EngineNotFound, PathNotAllowed: there is none in the folder.
            EngineStartFailed: it generates no token.
        """
        return await self._prover.prove(Path(folder))

    async def managed(self) -> ManagedEngines:
        """The builds as hosts see them."""
        return await self._in_thread(self._managed)

    async def notices(self) -> list[Notice]:
        """Notices about broken builds."""
        builds = await self._in_thread(self._registry.builds)
        return [
            Notice(
                name="ENGINE_BUILD_BROKEN",
                message=f"The llama.cpp build {build.name} no longer works: {build.problem}",
                hint="Try to make it the default again, or remove it.",
                remedies=[call("set_default_engine"), call("remove_engine")],
            )
            for build in builds
            if build.problem is not None
        ]

    # --- requests of starts ------------------------------------------------------------------------------------

    async def default(self) -> tuple[str, str] | None:
        """Name and folder of the default build."""

        def find() -> tuple[str, str] | None:
            build = self._registry.default()
            return None if build is None else (build.name, str(self._registry.folder_of(build.name)))

        return await self._in_thread(find)

    async def folder_of(self, name: str) -> str:
        """The folder of a build.

        Raises:
            EngineNotFound: no build has this name.
        """
        return await self._in_thread(lambda: str(self._registry.folder_of(self._registry.named(name).name)))

    async def replaced(self, launch: Launch, reason: SidecarError) -> bool:
        """Whether another engine has replaced the one of a failed start, so that the start should be planned again.

        Only the default is replaced, and only if the start did not name it. It is proved again, and stays if it can
        still generate a token.

        Args:
            launch: of a start that has failed before it was ready.
            reason: why it failed.
        """
        settings = launch.settings
        named = settings.llama_cpp_path or settings.engine_build or self._config.config.engines.llama_cpp_path
        if launch.engine.name != "llama-server" or named:
            return False
        build = await self._in_thread(lambda: self._registry.owner_of(Path(launch.engine.path)))
        return build is not None and await self.replace_default(build.name, reason)

    async def replace_default(self, name: str, reason: SidecarError) -> bool:
        """The same for a build that cannot even be probed."""
        if not may_be_its_own(reason):
            return False
        async with self._changing:
            gone = await demoted(name, self._registry, self._prover)
        if gone:
            await self._publish()
        return gone

    # --- steps -------------------------------------------------------------------------------------------------

    async def _installed(self, order: Order, events: EventLog) -> EngineInfo | None:
        from sidecar.builds.install import Installation

        if (existing := await self._find_existing(order.name, order.sha256)) is not None:
            return await self._prove_again(existing, make_default=order.make_default)
        installation = Installation(order, self._registry, self._downloads, self._prover, events)
        async with installation.proved() as (folder, build), self._changing:
            with anyio.CancelScope(shield=True):  # a build that was added is reported even after a cancellation
                return await self._add(folder, build, make_default=order.make_default)
        return None

    async def _find_existing(self, name: str | None, sha256: str | None) -> Build | None:
        """The installed build with this hash, and this name if it is given.

        Raises:
            InvalidParams: another build has the name.
        """
        builds = await self._in_thread(self._registry.builds)
        for build in builds:
            if sha256 == build.sha256 and name in (None, build.name):
                return build
            if name is not None and build.name.casefold() == name.casefold():
                raise InvalidParams(
                    f"Another build is called {build.name}.",
                    path="$.name",
                    hint="Give another name, or remove that one.",
                    remedies=(change_params("name"), call("remove_engine")),
                )
        return None

    async def _add(self, folder: Path, build: Build, *, make_default: bool) -> EngineInfo:
        await self._on_disk(
            lambda: self._registry.add(folder, build, make_default=make_default), "The build was not installed"
        )
        logger.info("the build %s of %s is installed", build.name, build.source)
        await self._publish()
        return await self._info(build.name)

    async def _prove_again(self, build: Build, *, make_default: bool) -> EngineInfo:
        async with self._changing:
            folder = await self._in_thread(lambda: self._registry.folder_of(build.name))
            proof = await self._prover.prove(folder)

            def keep() -> None:
                self._registry.update(msgspec.structs.replace(build, proof=proof, problem=None))
                if make_default:
                    self._registry.make_default(build.name)

            await self._on_disk(keep, "The default was not changed")
        await self._publish()
        return await self._info(build.name)

    def _managed(self) -> ManagedEngines:
        default = self._registry.default()
        name = None if default is None else default.name
        builds = self._registry.builds()
        return ManagedEngines(
            default=name, engines=[self._registry.info(build, default=build.name == name) for build in builds]
        )

    async def _info(self, name: str) -> EngineInfo:
        return next(info for info in (await self.managed()).engines if info.name == name)

    async def _publish(self) -> ManagedEngines:
        managed = await self.managed()
        self.changes.publish(managed)
        return managed

    async def _on_disk(self, work: Callable[[], T], what: str) -> T:
        """Run a change of the disk in a thread. A cancellation does not interrupt it."""
        try:
            return await anyio.to_thread.run_sync(work)
        except OSError as error:
            raise refusal(error, what) from error

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work)
