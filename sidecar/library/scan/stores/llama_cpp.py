"""llama.cpp's own cache, the target of the downloads of `-hf` and `-mu`.

    ORG_NAME_FILE.gguf               a file of a repository, with `/` written as `_`
    manifest=ORG=NAME=TAG.json       the hub's reply for the tag: `ggufFile` and `mmprojFile`, each with `rfilename`
    models--ORG--NAME/…              newer builds: as in the Hugging Face cache, which is their default

Known from llama.cpp's source (common/common.cpp, fs_get_cache_directory; common/download.cpp of 2025,
get_manifest_path; common/hf-cache.cpp).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from sidecar.library.gguf.file_names import is_gguf, stem_of
from sidecar.library.scan.disk_scan import DiskScan
from sidecar.library.scan.model_files import ModelFile, Role, StoreMetadata, file_at, part_of
from sidecar.library.scan.stores import huggingface

_MANIFEST = re.compile(r"manifest=(?P<org>[\w.-]+)=(?P<name>[\w.-]+)=(?P<tag>[\w.-]+)\.json", re.ASCII)


class _File(msgspec.Struct):
    rfilename: str = ""


class _Manifest(msgspec.Struct):
    gguf: _File | None = msgspec.field(name="ggufFile", default=None)
    projector: _File | None = msgspec.field(name="mmprojFile", default=None)


def find(root: Path, disk: DiskScan) -> Iterator[ModelFile]:
    """The GGUF files, first those in manifests, then all others."""
    entries = {entry.name: entry.path for entry in disk.entries(str(root))}
    sets: defaultdict[object, list[str]] = defaultdict(list)
    for name in entries:
        if is_gguf(name):
            sets[part_of((stem_of(name),)).key].append(name)
    mentioned: set[str] = set()
    for manifest, repo, rfilename, role in _mentions(entries, disk):
        cached = f"{repo}/{rfilename}".replace("/", "_")
        if cached not in entries:  # only names in this folder, whatever the manifest contains
            continue
        for name in sets.get(part_of((stem_of(cached),)).key, ()):
            mentioned.add(name)
            group = ("llama_cpp", str(root), manifest)
            yield from _at(
                entries[name], disk, StoreMetadata(label=_label(name, repo), group=group, role=role, repo=repo)
            )
    for name in (name for names in sets.values() for name in names if name not in mentioned):
        yield from _at(
            entries[name], disk, StoreMetadata(label=("llama_cpp", stem_of(name)), group=("llama_cpp", str(root)))
        )
    yield from huggingface.find(root, disk, origin="llama_cpp")


def _mentions(entries: Mapping[str, str], disk: DiskScan) -> Iterator[tuple[str, str, str, Role]]:
    """The files in manifests: the manifest, the repository, the file's name there, and its role."""
    for name, path in entries.items():
        if (found := _MANIFEST.fullmatch(name)) and (manifest := disk.json(path, _Manifest)):
            repo = f"{found['org']}/{found['name']}"
            if manifest.gguf:
                yield name, repo, manifest.gguf.rfilename, "model"
            if manifest.projector:
                yield name, repo, manifest.projector.rfilename, "projector"


def _at(path: str, disk: DiskScan, store: StoreMetadata) -> Iterator[ModelFile]:
    if (file := file_at(path, "llama_cpp", disk, store)) is not None:
        yield file


def _label(cached: str, repo: str) -> tuple[str, ...]:
    """The file's label, without the prefix of the repository in its name."""
    return ("llama_cpp", repo, stem_of(cached.removeprefix(repo.replace("/", "_") + "_")))
