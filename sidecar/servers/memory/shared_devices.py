"""Which of an engine's devices have no memory of their own.

Owns the judgement. Pure. An integrated GPU, and a renderer in software, use main memory: their "free" bytes are the
host's once more, and a plan that counted both would promise the same memory twice.
"""

from __future__ import annotations

import re

NEARLY = 0.02
"""How close to the machine's memory the size of a device is that is main memory: Vulkan's software renderers report all
of it, less what the kernel keeps."""

_SOFTWARE = re.compile(r"llvmpipe|lavapipe|swiftshader|software|\bCPU\b", re.IGNORECASE)

_INTEGRATED = re.compile(
    r"""
      \bApple\b                                        # unified memory
    | \bIntel\b.*\b(?:U?HD|Iris|Graphics\s*\((?!DG)|Arc(?:\(TM\))?\s+(?:Graphics|1[34]0[VT]))
    | \bIntel(?:\(R\))?\s+Graphics\b
    | \bRadeon(?:\(TM\))?\s+(?:Graphics|\d{3,4}[MS]\b|Vega\s+\d+\b(?!\s*Frontier)|R[2-7]\b)
    | \b(?:RENOIR|CEZANNE|REMBRANDT|PHOENIX|STRIX|RAPHAEL|MENDOCINO|GFX1103|GFX1150|GFX1151|GFX1036)\b
    | \b(?:Tegra|Orin|Xavier|Thor|Jetson|GB10|Spark)\b
    | \b(?:Adreno|Mali|PowerVR|VideoCore|Immortalis|Xclipse)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""Names by which drivers report processors with a GPU that shares their memory."""

_OF_A_KIND = re.compile(r"^(?:MTL|Metal|BLAS|CPU|ACCEL)\d*$", re.IGNORECASE)
"""Devices of llama.cpp that are in main memory whatever they are called; Metal on Intel Macs is the exception, and is
counted too low rather than too high."""


def is_shared(name: str, description: str, total_bytes: int | None, machine_bytes: int) -> bool:
    """Whether a device's memory is main memory.

    Args:
        name: the engine's name of it, such as Vulkan0.
        description: what its driver calls it.
        machine_bytes: main memory in total.
    """
    if _OF_A_KIND.match(name) or _SOFTWARE.search(description) or _INTEGRATED.search(description):
        return True
    return total_bytes is not None and machine_bytes > 0 and abs(total_bytes - machine_bytes) <= NEARLY * machine_bytes
