"""The rollback of a default build that fails: if its proof fails as well, the last working build replaces it.

Owns which failures may be caused by the build itself, and the verdict. The caller ensures that nothing else changes the
builds in the meantime.
"""

from __future__ import annotations

import logging

import anyio.to_thread

from sidecar.builds.proof import Prover
from sidecar.builds.registry import Registry
from sidecar.contract.errors import Cause, EngineNotFound, EngineStartFailed, SidecarError

logger = logging.getLogger(__name__)

ITS_OWN_FAULT: frozenset[Cause] = frozenset(
    {
        *("MISSING_LIBRARY", "LIBRARY_MISMATCH", "WRONG_PROCESSOR", "PERMISSION_DENIED"),
        *("TIMEOUT", "KILLED", "FILE_FAULT", "UNKNOWN"),
    }
)
"""Causes for which the build itself may be broken. The others lie in the model, a flag, the machine or a port, and
another build would fail as well. Only the proof shows whether the build really is broken."""


def may_be_its_own(reason: SidecarError) -> bool:
    """Whether a failure may be a build's own fault. Pure."""
    if isinstance(reason, EngineStartFailed):
        return reason.data.get("cause") in ITS_OWN_FAULT
    return isinstance(reason, EngineNotFound)


async def demoted(name: str, registry: Registry, prover: Prover) -> bool:
    """Prove a build again that has failed, and demote it if the proof fails; returns whether it is no longer the
    default. It stays if it still generates a token, or if the change cannot be stored."""
    build = await anyio.to_thread.run_sync(registry.default)
    if build is None or build.name != name:
        return True  # another start or a user has changed it already
    try:
        await prover.prove(await anyio.to_thread.run_sync(registry.folder_of, name))
    except SidecarError as problem:
        if not may_be_its_own(problem):  # such as a GPU whose memory other programs use
            logger.warning("the proof of the llama.cpp build %s could not be repeated: %s", name, problem.message)
            return False
        why = problem.message
    else:
        return False
    try:
        instead = await anyio.to_thread.run_sync(registry.mark_broken, build, why)
    except OSError as error:
        logger.warning(
            "the llama.cpp build %s no longer works, but cannot be marked as broken: %s", name, error.strerror
        )
        return False
    logger.warning(
        "the llama.cpp build %s no longer works, and is no longer used: %s The default is now %s.",
        name,
        why,
        f"the build {instead}" if instead else "the best other engine",
    )
    return True
