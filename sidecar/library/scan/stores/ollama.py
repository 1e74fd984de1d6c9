"""Ollama's models: manifests, and blobs named by their hash.

    manifests/HOST/NAMESPACE/MODEL/TAG       the files of the model MODEL:TAG, as JSON
    manifests-v2/HOST/NAMESPACE/MODEL/TAG    the same in newer versions: a link to a blob, or a copy of one
    blobs/sha256-HASH                        the content (before 2024: sha256:HASH)

A manifest has `layers`, each with a media type and a digest: application/vnd.ollama.image.model is the GGUF file,
….projector and ….adapter belong to it; ….template (Go's, not Jinja), ….params, ….system and ….license are Ollama's own.
A manifest of type application/vnd.ollama.manifest.list.v2+json contains several for several runners.

Known from Ollama's docs (FAQ, "Where are models stored") and source (manifest/manifest.go, manifest/paths.go,
types/model/name.go).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec

from sidecar.library.scan.disk_scan import DiskScan, shown
from sidecar.library.scan.model_files import ModelFile, Role, StoreMetadata, file_at

DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG = "registry.ollama.ai", "library", "latest"
"""The parts that Ollama omits from a name."""

HUBS = ("hf.co", "huggingface.co")
"""Hosts whose models are repositories of the hub."""

_ROLES: dict[str, Role] = {
    "application/vnd.ollama.image.model": "model",
    "application/vnd.ollama.image.projector": "projector",
    "application/vnd.ollama.image.adapter": "adapter",
}
_MANIFEST_LIST = "application/vnd.ollama.manifest.list.v2+json"
_OTHER_RUNNER = "mlx"  # its weights are not GGUF files

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})", re.ASCII)


class _Layer(msgspec.Struct):
    digest: str
    media_type: str = msgspec.field(name="mediaType", default="")


class _Manifest(msgspec.Struct):
    media_type: str = msgspec.field(name="mediaType", default="")
    layers: list[_Layer] | None = None
    manifests: list[_Manifest] | None = None
    runner: str = ""
    digest: str = ""


def find(root: Path, disk: DiskScan) -> Iterator[ModelFile]:
    """The models, projectors and adapters in the manifests."""
    read: set[tuple[str, ...]] = set()
    # Both kinds exist for a while after an update; the newer one counts.
    for path, names in chain(_manifests(root / "manifests-v2", disk), _manifests(root / "manifests", disk)):
        if names in read:
            continue
        read.add(names)
        if manifest := _read(root, path, disk):
            yield from _files(root, names, manifest, disk)


def _manifests(folder: Path, disk: DiskScan) -> Iterator[tuple[str, tuple[str, ...]]]:
    pending: list[tuple[str, tuple[str, ...]]] = [(str(folder), ())]
    while pending:
        path, names = pending.pop()
        if len(names) == 4:
            yield path, names
            continue
        pending += [(e.path, (*names, e.name)) for e in reversed(disk.entries(path)) if _NAME.fullmatch(e.name)]


def _read(root: Path, path: str, disk: DiskScan) -> _Manifest | None:
    """A manifest in the store; of a list, the one for llama.cpp."""
    if Path(path).is_symlink() and not _is_inside(root, path):
        disk.problem(f"{path} leads out of Ollama's folder.")
        return None
    manifest = disk.json(path, _Manifest)
    if manifest is None or manifest.media_type != _MANIFEST_LIST:
        return manifest
    for child in manifest.manifests or ():
        if child.media_type == _MANIFEST_LIST or child.runner.lower() == _OTHER_RUNNER:
            continue
        if child.layers is None and child.digest:
            blob = _blob(root, child.digest, disk)
            return disk.json(blob, _Manifest) if blob else None
        return child
    return None


def _files(root: Path, names: tuple[str, ...], manifest: _Manifest, disk: DiskScan) -> Iterator[ModelFile]:
    label = _label(names)
    layers = [(_ROLES[layer.media_type], layer.digest) for layer in manifest.layers or () if layer.media_type in _ROLES]
    models = [digest for role, digest in layers if role == "model"]
    if len(models) > 1:
        disk.problem(f"{label[-1]} has {len(models)} model files; the first is listed.")
    for role, digest in layers:
        if role == "model" and digest is not models[0]:
            continue
        blob = _blob(root, digest, disk)
        store = StoreMetadata(
            label=label if role == "model" else (*label, f"{role} {digest}"),
            group=("ollama", str(root), names),
            role=role,
            repo="/".join(names[1:3]) if names[0] in HUBS else None,
            display_name=label[-1],
            aliases=(f"{label[-1]}:{DEFAULT_TAG}",) if names[3] == DEFAULT_TAG else (),
            sha256=digest[-64:].lower(),
        )
        file = file_at(blob, "ollama", disk, store) if blob else None
        if file is not None:
            yield file
        elif blob:
            disk.problem(f"{label[-1]}: its {role} file {Path(blob).name} is missing or cannot be read.")


def _blob(root: Path, digest: str, disk: DiskScan) -> str | None:
    """The file of a digest."""
    found = _DIGEST.fullmatch(digest)
    if found is None:
        disk.problem(f"{shown(digest)} in a manifest is not the digest of a file.")
        return None
    path = root / "blobs" / f"sha256-{found[1].lower()}"
    older = path.with_name(f"sha256:{found[1].lower()}")
    return str(older if sys.platform != "win32" and not path.exists() and older.exists() else path)


def _label(names: tuple[str, ...]) -> tuple[str, ...]:
    """The shortest name that Ollama accepts."""
    host, namespace, model, tag = names
    short = model if tag == DEFAULT_TAG else f"{model}:{tag}"
    if host != DEFAULT_HOST:
        short = f"{host}/{namespace}/{short}"
    elif namespace != DEFAULT_NAMESPACE:
        short = f"{namespace}/{short}"
    return ("ollama", short)


def _is_inside(root: Path, path: str) -> bool:
    try:
        return Path(path).resolve().is_relative_to((root / "blobs").resolve())
    except (OSError, RuntimeError):
        return False
