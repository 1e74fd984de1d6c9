"""LM Studio's models folder.

    ~/.lmstudio-home-pointer           its home; else ~/.cache/lm-studio if that is there, or ~/.lmstudio
    HOME/settings.json                 `downloadsFolder` names the models folder, HOME/models is the default
    MODELS/PUBLISHER/NAME/FILE.gguf    the files; a projector lies beside its model

Known from LM Studio's documentation ("Import models") and its own command line's source (lmstudio-ai/lms,
modelsFolder.ts; lms-common-server, findLMStudioHome.ts).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from sidecar.library.scan.disk_scan import DiskScan, exists, shown
from sidecar.library.scan.model_files import ModelFile, StoreMetadata, scan
from sidecar.library.scan.stores import places

MAX_DEPTH = 4
"""Publisher, name, and what people add below."""


class _Settings(msgspec.Struct):
    downloads_folder: str | None = msgspec.field(name="downloadsFolder", default=None)


def roots(look: DiskScan) -> list[Path]:
    """The models folder in use, and the ones that are used where nothing else is said."""
    found: list[Path] = []
    for base in _homes(look):
        settings = base / "settings.json"
        told = look.json(str(settings), _Settings) if exists(settings, look) else None
        if told is not None and told.downloads_folder:
            if (folder := places.given(told.downloads_folder)) is None:
                look.problem(f"{settings} names {shown(told.downloads_folder)}, which is no folder of this machine.")
            else:
                found.append(folder)
        found.append(base / "models")
    return list(dict.fromkeys(found))


def find(root: Path, look: DiskScan) -> Iterator[ModelFile]:
    """The GGUF files below the models folder."""

    def tell(names: tuple[str, ...], _path: str) -> StoreMetadata:
        repo = "/".join(names[:2]) if len(names) > 2 else None
        return StoreMetadata(label=("lm_studio", *names), group=(str(root), *names[:-1]), repo=repo)

    yield from scan(root, "lm_studio", look, depth=MAX_DEPTH, tell=tell)


def _homes(look: DiskScan) -> list[Path]:
    homes: list[Path] = []
    for pointer in places.below_home(".lmstudio-home-pointer"):
        text = (look.text(str(pointer)) or "").strip() if exists(pointer, look) else ""
        if text and (named := places.given(text, base=pointer.parent)) is not None:
            homes.append(named)
        elif text:
            look.problem(f"{pointer} names {shown(text)}, which is no folder of this machine.")
    return [*homes, *places.below_home(".lmstudio"), *places.below_home(".cache", "lm-studio")]
