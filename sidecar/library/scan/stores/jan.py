"""Jan's models.

    DATA/llamacpp/models/ID/model.yml    what the model is made of; ID may have folders in it
    DATA/llamacpp/models/ID/model.gguf   the file, where Jan has fetched it; else model.yml names another place
    DATA/models/ID/FILE.gguf             versions before 0.6 (2025), with a model.json or model.yml beside it

`model_path` and `mmproj_path` in a model.yml are absolute, or below DATA. DATA is Jan/data among the system's
application data, or what `data_folder` in Jan's settings.json names; before 2025 it was ~/jan. Known from Jan's
source (extensions/llamacpp-extension/src/index.ts, src-tauri's app commands) and documentation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sidecar.library.scan.disk_scan import DiskScan, exists, shown
from sidecar.library.scan.model_files import ModelFile, Role, StoreMetadata, file_at, scan
from sidecar.library.scan.stores import places

MAX_DEPTH = 4
"""Folders of an ID: an organisation, a repository, sometimes a file."""

MAX_LINES = 200
"""Of a model.yml that are looked at; they have about ten."""

_MANIFEST = "model.yml"
_FIELDS: tuple[tuple[str, Role], ...] = (("model_path", "model"), ("mmproj_path", "projector"))


class _Settings(msgspec.Struct):
    data_folder: str | None = None


def roots(look: DiskScan) -> list[Path]:
    """The data folder in use, and the usual ones."""
    found: list[Path] = []
    for base in dict.fromkeys([*places.app_data(), *places.settings()]):
        settings = base / "Jan" / "settings.json"
        told = look.json(str(settings), _Settings) if exists(settings, look) else None
        if told is not None and told.data_folder:
            if (folder := places.given(told.data_folder, base=base / "Jan")) is None:
                look.problem(f"{settings} names {shown(told.data_folder)}, which is no folder of this machine.")
            else:
                found.append(folder)
        found.append(base / "Jan" / "data")
    return list(dict.fromkeys([*found, *places.below_home("jan")]))


def find(root: Path, look: DiskScan) -> Iterator[ModelFile]:
    """The models of both layouts."""
    for path, names in _manifests(root / "llamacpp" / "models", look):
        yield from _of_manifest(root, path, names, look)

    def tell(names: tuple[str, ...], path: str) -> StoreMetadata:
        return StoreMetadata(label=("jan", *names), group=Path(path).parent)

    yield from scan(root / "models", "jan", look, depth=MAX_DEPTH, tell=tell)


def _manifests(folder: Path, look: DiskScan) -> Iterator[tuple[str, tuple[str, ...]]]:
    pending: list[tuple[str, tuple[str, ...]]] = [(str(folder), ())]
    while pending:
        path, names = pending.pop()
        entries = look.entries(path)
        if names and any(entry.name == _MANIFEST for entry in entries):
            yield f"{path}{os.sep}{_MANIFEST}", names
        elif len(names) < MAX_DEPTH:
            pending += [(e.path, (*names, e.name)) for e in reversed(entries) if e.is_dir(follow_symlinks=False)]


def _of_manifest(root: Path, path: str, names: tuple[str, ...], look: DiskScan) -> Iterator[ModelFile]:
    fields = _fields(look.text(path) or "")
    for field, role in _FIELDS:
        if not (place := fields.get(field)):
            continue
        named = places.given(place, base=root)
        if named is None:
            look.problem(f"{path} names {shown(place)}, which is not a place in Jan's folder.")
            continue
        told = StoreMetadata(
            label=("jan", *names) if role == "model" else ("jan", *names, role),
            group=("jan", str(root), names),
            role=role,
            display_name=fields.get("name"),
        )
        if (file := file_at(str(named), "jan", look, told)) is not None:
            yield file
        else:
            look.problem(f"{'/'.join(names)}: its {role} file {named} is missing or may not be read.")


def _fields(text: str) -> dict[str, str]:
    """The plain texts at the top of a YAML file, which is all of interest that Jan writes; the rest is left out."""
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
