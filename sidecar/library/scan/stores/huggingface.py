"""The Hugging Face cache, which huggingface_hub, transformers and newer builds of llama.cpp share.

    hub/models--ORG--NAME/refs/main                     the commit that `main` is at
    hub/models--ORG--NAME/snapshots/COMMIT/FILE.gguf    a link to ../../blobs/HASH (the file itself where links fail)
    hub/models--ORG--NAME/blobs/HASH                    the content; HASH is its SHA-256 where it has 64 digits

Known from huggingface_hub's guide "Understand caching", its constants.py, and llama.cpp's common/hf-cache.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sidecar.contract.models import ForeignOrigin
from sidecar.library.scan.disk_scan import DiskScan, shown
from sidecar.library.scan.model_files import ModelFile, StoreMetadata, scan

MAX_DEPTH = 4
"""Levels of folders inside a repository: quantizations are one level down, rarely two."""

SHOWN_REVISION = 8
"""Digits of a commit in a name."""

_REPO = re.compile(r"models--(?P<org>[\w.-]+?)--(?P<name>[\w.-]+)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def find(root: Path, disk: DiskScan, *, origin: ForeignOrigin = "huggingface") -> Iterator[ModelFile]:
    """The GGUF files of all repositories, those of the revision of `main` first."""
    for entry in disk.entries(str(root)):
        if found := _REPO.fullmatch(entry.name):
            yield from _of_repo(Path(entry.path), (found["org"], found["name"]), disk, origin)


def _of_repo(folder: Path, repo: tuple[str, str], disk: DiskScan, origin: ForeignOrigin) -> Iterator[ModelFile]:
    revisions = [entry.name for entry in disk.entries(str(folder / "snapshots"))]
    main = _main(folder, disk) if len(revisions) > 1 else None
    revisions.sort(key=lambda name: name != main)
    for number, revision in enumerate(revisions):
        snapshot = folder / "snapshots" / revision
        # Older revisions are distinguished by their commit; unchanged files are recognised as copies.
        names = repo if number == 0 else (*repo, revision[:SHOWN_REVISION])

        def describe(
            inside: tuple[str, ...], path: str, group: Path = snapshot, names: tuple[str, ...] = names
        ) -> StoreMetadata:
            return StoreMetadata(
                label=(origin, *names, inside[-1]), group=group, repo="/".join(repo), sha256=_sha256(path)
            )

        yield from scan(snapshot, origin, disk, depth=MAX_DEPTH, describe=describe)


def _main(folder: Path, disk: DiskScan) -> str:
    """The commit of `main`."""
    text = (disk.text(str(folder / "refs" / "main")) or "").strip()
    if text and not _COMMIT.fullmatch(text):
        disk.problem(f"{folder}: refs/main is {shown(text)}, not a commit.")
    return text


def _sha256(path: str) -> str | None:
    """The hash in the name of a link's target."""
    try:
        target = Path(path).readlink()
    except OSError:  # no link
        return None
    return target.name if target.parent.name == "blobs" and _SHA256.fullmatch(target.name) else None
