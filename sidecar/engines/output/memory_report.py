"""What an engine says of memory, as the contract has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.contract.servers import MemoryTaken
from sidecar.engines.output.memory_lines import Taken


def memory_taken(table: Mapping[str, Taken]) -> list[MemoryTaken]:
    """Memory by device, for the wire."""
    return [
        MemoryTaken(
            device=device,
            weights_bytes=taken.weights,
            kv_cache_bytes=taken.kv_cache,
            compute_bytes=taken.compute,
            projector_bytes=taken.projector,
        )
        for device, taken in table.items()
    ]
