"""Optional packages: what to do if they are missing.

Knows nothing of the features that need them, and imports none of them.
"""

from __future__ import annotations

import sys


def how_to_get(extra: str) -> str:
    """The next step for a person who needs an extra of the package, as a sentence."""
    if getattr(sys, "frozen", False):
        return "This is the slim llama-sidecar, which comes without it: use the whole llama-sidecar instead."
    return f"Install it with: pip install 'llama-sidecar[{extra}]'."
