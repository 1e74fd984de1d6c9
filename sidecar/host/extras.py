"""Packages that the program works without, but for a part of it: what to do where they are missing.

Knows nothing of the parts, and imports none of them.
"""

from __future__ import annotations

import sys


def how_to_get(extra: str) -> str:
    """The next step for a person who wants what an extra of the package is for, as a sentence."""
    if getattr(sys, "frozen", False):
        return "This is the slim llama-sidecar, which comes without it: use the whole llama-sidecar instead."
    return f"Install it with: pip install 'llama-sidecar[{extra}]'."
