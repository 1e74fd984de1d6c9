"""What becomes of a default that fails: it is proved again, and the last good build takes its place.

Owns which failures may be a build's own fault, and the verdict. Whoever calls makes sure that nothing else changes the
builds meanwhile.
"""

from __future__ import annotations

import logging

import anyio.to_thread

from sidecar.builds.proof import Prover
from sidecar.builds.registry import Registry
from sidecar.contract.errors import Cause, EngineNotFound, EngineStartFailed, SidecarError

logger = logging.getLogger(__name__)

ITS_OWN_FAULT: frozenset[Cause] = frozenset({"MISSING_LIBRARY", "PERMISSION_DENIED", "TIMEOUT", "KILLED", "UNKNOWN"})
"""Why a build may be broken. The others are the model's, a flag's, the machine's or a port's fault: another build would
do no better. That it really is broken only its proof says."""


def may_be_its_own(reason: SidecarError) -> bool:
    """Whether a failure may be a build's own fault. Pure."""
    if isinstance(reason, EngineStartFailed):
        return reason.data.get("cause") in ITS_OWN_FAULT
    return isinstance(reason, EngineNotFound)


async def demoted(name: str, registry: Registry, prover: Prover) -> bool:
    """Whether a build that has failed is no longer the default. Where it still generates a token it stays, and also
    where it cannot be written down that it does not."""
    build = await anyio.to_thread.run_sync(registry.default)
    if build is None or build.name != name:
        return True  # another start was faster, or a person
    try:
        await prover.prove(await anyio.to_thread.run_sync(registry.folder_of, name))
    except SidecarError as problem:
        if not may_be_its_own(problem):  # such as a GPU whose memory others have taken
            logger.warning("whether the llama.cpp build %s works is not known: %s", name, problem.message)
            return False
        why = problem.message
    else:
        return False
    try:
        instead = await anyio.to_thread.run_sync(registry.give_up, build, why)
    except OSError as error:
        logger.warning(
            "the llama.cpp build %s does not work any more, which cannot be written down: %s", name, error.strerror
        )
        return False
    logger.warning(
        "the llama.cpp build %s does not work any more, and is not used: %s Starts take %s now.",
        name,
        why,
        f"the build {instead}" if instead else "the best engine that is found elsewhere",
    )
    return True
