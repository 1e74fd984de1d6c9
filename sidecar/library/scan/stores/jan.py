"""Jan's models.

    DATA/llamacpp/models/ID/model.yml    the model's files; ID may contain folders
    DATA/llamacpp/models/ID/model.gguf   the file if Jan has downloaded it; else model.yml has another path
    DATA/models/ID/FILE.gguf             versions before 0.6 (2025), with a model.json or model.yml beside it

`model_path` and `mmproj_path` in a model.yml are absolute, or below DATA. Known from Jan's source
(extensions/llamacpp-extension/src/index.ts, src-tauri's app commands) and documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sidecar.library.scan.disk_scan import DiskScan, path_in, shown
from sidecar.library.scan.model_files import ModelFile, Role, StoreMetadata, file_at, scan

MAX_DEPTH = 4
"""Levels of folders of an ID: an organisation, a repository, sometimes a file."""

MAX_LINES = 200
"""The most lines of a model.yml that are read; they have about ten."""

_MANIFEST = "model.yml"
_FIELDS: tuple[tuple[str, Role], ...] = (("model_path", "model"), ("mmproj_path", "projector"))


def find(root: Path, disk: DiskScan) -> Iterator[ModelFile]:
    """The models of both layouts."""
    for path, names in _manifests(root / "llamacpp" / "models", disk):
        yield from _of_manifest(root, path, names, disk)

    def describe(names: tuple[str, ...], path: str) -> StoreMetadata:
        return StoreMetadata(label=("jan", *names), group=Path(path).parent)

    yield from scan(root / "models", "jan", disk, depth=MAX_DEPTH, describe=describe)


def _manifests(folder: Path, disk: DiskScan) -> Iterator[tuple[str, tuple[str, ...]]]:
    pending: list[tuple[str, tuple[str, ...]]] = [(str(folder), ())]
    while pending:
        path, names = pending.pop()
        entries = disk.entries(path)
        if names and any(entry.name == _MANIFEST for entry in entries):
            yield f"{path}{os.sep}{_MANIFEST}", names
        elif len(names) < MAX_DEPTH:
            pending += [(e.path, (*names, e.name)) for e in reversed(entries) if e.is_dir(follow_symlinks=False)]


def _of_manifest(root: Path, path: str, names: tuple[str, ...], disk: DiskScan) -> Iterator[ModelFile]:
    fields = _fields(disk.text(path) or "")
    for field, role in _FIELDS:
        if not (place := fields.get(field)):
            continue
        named = path_in(place, base=root)
        if named is None:
            disk.problem(f"{path} names {shown(place)}, which is not a path in Jan's folder.")
            continue
        store = StoreMetadata(
            label=("jan", *names) if role == "model" else ("jan", *names, role),
            group=("jan", str(root), names),
            role=role,
            display_name=fields.get("name"),
        )
        if (file := file_at(str(named), "jan", disk, store)) is not None:
            yield file
        else:
            disk.problem(f"{'/'.join(names)}: its {role} file {named} is missing or cannot be read.")


def _fields(text: str) -> dict[str, str]:
    """The plain texts at the top level of a YAML file, which include all needed values of Jan; the rest is skipped."""
    fields: dict[str, str] = {}
    for line in text.splitlines()[:MAX_LINES]:
        name, colon, value = line.partition(":")
        value = value.strip()
        if not colon or not name.isidentifier() or value.startswith(("|", ">", "&", "*", "{", "[")):
            continue
        if value[:1] in ("'", '"'):
            quote, value = value[0], value[1:]
            value, closing, _ = value.partition(quote)
            if not closing or (quote == '"' and "\\" in value):
                continue
        else:
            value = value.split(" #")[0].strip()
        fields[name] = value
    return fields
