"""The events of a download for one request that waits for its end.

Owns what each state looks like on a channel. A reader that is slow gets the newest of each kind, one that is fast
leaves nothing behind, however long the download takes.
"""

from __future__ import annotations

import msgspec

from sidecar.contract.downloads import (
    Download,
    DownloadChecking,
    DownloadDone,
    DownloadPaused,
    DownloadProgress,
    DownloadQueued,
    DownloadVerifying,
)
from sidecar.contract.method import Event
from sidecar.events.event_log import EventLog


class Following:
    """Shows a download.

    Attributes:
        events: for a channel. Of a download that has failed or was given up the last one is not in there: it is the
            answer's.
    """

    def __init__(self) -> None:
        self.events = EventLog()

    def show(self, info: Download) -> None:
        """Show it as it is now."""
        event = _event(info)
        if event is not None and not self.events.closed:
            self.events.append(event)
            self.events.forget()


def _event(info: Download) -> Event | None:
    match info.state:
        case "queued":
            return DownloadQueued(download_id=info.download_id)
        case "checking":
            return DownloadChecking(download_id=info.download_id)
        case "downloading":
            return DownloadProgress(
                download_id=info.download_id,
                received_bytes=info.received_bytes,
                total_bytes=info.total_bytes,
                bytes_per_second=info.bytes_per_second,
                eta_seconds=info.eta_seconds,
                waiting=info.waiting,
            )
        case "verifying":
            return DownloadVerifying(
                download_id=info.download_id, verified_bytes=info.verified_bytes, total_bytes=info.total_bytes
            )
        case "paused":
            return DownloadPaused(
                download_id=info.download_id, received_bytes=info.received_bytes, total_bytes=info.total_bytes
            )
        case "done":
            return DownloadDone(**msgspec.structs.asdict(info))
    return None
