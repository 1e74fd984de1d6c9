"""The states of a download and the ways between them.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.contract.downloads import DownloadState

AT_REST = frozenset[DownloadState]({"paused", "done", "failed", "cancelled"})
"""Nothing is done for it."""

OVER = frozenset[DownloadState]({"done", "cancelled"})
"""Nothing will be done for it any more."""

_ENDS: tuple[DownloadState, ...] = ("paused", "failed", "cancelled")

WAYS: Mapping[DownloadState, frozenset[DownloadState]] = {
    "queued": frozenset({"checking", *_ENDS}),
    "checking": frozenset({"downloading", "done", *_ENDS}),
    "downloading": frozenset({"verifying", "done", *_ENDS}),
    # Back again for the next file, or for blocks that the disk has not kept.
    "verifying": frozenset({"downloading", "done", *_ENDS}),
    "paused": frozenset({"queued", "cancelled"}),
    "failed": frozenset({"queued", "cancelled"}),
    "done": frozenset(),
    "cancelled": frozenset(),
}


def may_become(state: DownloadState, other: DownloadState) -> bool:
    """Whether there is a way."""
    return other in WAYS[state]
