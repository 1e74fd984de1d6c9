"""LM Studio's models folder.

    MODELS/PUBLISHER/NAME/FILE.gguf    the files; a projector is beside its model

Known from LM Studio's documentation ("Import models") and its own command line's source (lmstudio-ai/lms,
modelsFolder.ts; lms-common-server, findLMStudioHome.ts).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sidecar.library.scan.disk_scan import DiskScan
from sidecar.library.scan.model_files import ModelFile, StoreMetadata, scan

MAX_DEPTH = 4
"""Levels of folders: publisher, name, and folders that users add below."""


def find(root: Path, disk: DiskScan) -> Iterator[ModelFile]:
    """The GGUF files below the models folder."""

    def describe(names: tuple[str, ...], _path: str) -> StoreMetadata:
        repo = "/".join(names[:2]) if len(names) > 2 else None
        return StoreMetadata(label=("lm_studio", *names), group=(str(root), *names[:-1]), repo=repo)

    yield from scan(root, "lm_studio", disk, depth=MAX_DEPTH, describe=describe)
