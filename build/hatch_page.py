"""Puts the page into what hatchling builds, where it is there: `make web` makes it, and not every machine has Node.

Owns where it goes: into the package in a wheel, to its own place in a source archive, from which wheels are made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = "shell/dist"


class PageHook(BuildHookInterface):  # type: ignore[type-arg,misc,unused-ignore]
    """See above."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a build; an editable one finds the page in the tree."""
        page = Path(self.root) / PAGE
        if version != "editable" and (page / "index.html").is_file():
            build_data["force_include"][str(page)] = "sidecar/page" if self.target_name == "wheel" else PAGE
