"""Small real images for tests."""

from __future__ import annotations

import base64

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
"""A PNG of one red pixel, as base64."""

DOT_BYTES = base64.b64decode(DOT)
DOT_URL = f"data:image/png;base64,{DOT}"
