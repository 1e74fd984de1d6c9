"""Optional packages: what to do if they are missing.

Knows nothing of the features that need them, and imports none of them.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib import metadata


def how_to_get(extra: str) -> str:
    """The next step for a person who needs an extra of the package, as a sentence.

    Names the packages of the extra and the Python to install them for: that works however llama-sidecar was installed,
    from a checkout, a wheel or an index.
    """
    if getattr(sys, "frozen", False):
        return "This is the slim llama-sidecar, which comes without it: use the whole llama-sidecar instead."
    packages = _packages_of(extra)
    if not packages:
        return f"Install the extra {extra!r} of the package llama-sidecar."
    return f"Install it with: {shlex.join([sys.executable or 'python', '-m', 'pip', 'install', *packages])}."


def _packages_of(extra: str) -> list[str]:
    """What an extra requires; empty where this runs from sources that were never installed."""
    try:
        required = metadata.requires("llama-sidecar") or []
    except metadata.PackageNotFoundError:
        return []
    conditions = (re.fullmatch(r"([^;]+?)\s*;\s*extra == ['\"]([\w-]+)['\"]", line) for line in required)
    return [found[1] for found in conditions if found and found[2] == extra]
