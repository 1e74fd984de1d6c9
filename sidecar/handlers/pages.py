"""Results that are cut to what a host reads in one line; what is left out comes with the next page.

Owns how much of a list is sent. At least one item always is: where that alone is too long, dispatch refuses the result
with RESULT_TOO_LONG.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sidecar.handlers.call import Call

SHARE = 2
"""A page takes at most one half of a line: characters that `events.outbox` escapes take twice the bytes."""


def fitting(items: Sequence[msgspec.Struct], call: Call) -> int:
    """How many of the first items fit into a line that the host reads; one at least, if there is any."""
    left = call.max_line_bytes // SHARE
    for count, item in enumerate(items):
        left -= len(msgspec.json.encode(item))
        if left < 0:
            return max(count, 1)
    return len(items)
