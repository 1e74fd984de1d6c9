"""A home folder with the models of every program that the library knows, laid out as these programs do it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from tests.library.gguf_files import model_bytes

COMMIT, OLDER = "a" * 40, "b" * 40

VISION = {"general__type": "mmproj", "general__architecture": "clip", "clip__has_vision_encoder": True}
AUDIO = {"general__type": "mmproj", "general__architecture": "clip", "clip__has_audio_encoder": True}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class HuggingFace:
    """~/.cache/huggingface/hub."""

    def __init__(self, hub: Path) -> None:
        self.hub = hub

    def add(self, repo: str, name: str, data: bytes, *, commit: str = COMMIT, main: str = COMMIT) -> Path:
        """A file of a repository, as huggingface_hub puts it there."""
        folder = self.hub / f"models--{repo.replace('/', '--')}"
        blob = folder / "blobs" / sha256(data)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        link = folder / "snapshots" / commit / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(main)
        return link


class Ollama:
    """~/.ollama/models."""

    def __init__(self, models: Path) -> None:
        self.models = models

    def blob(self, data: bytes) -> str:
        """A blob; its digest."""
        digest = sha256(data)
        path = self.models / "blobs" / f"sha256-{digest}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"sha256:{digest}"

    def add(self, name: str, model: bytes, *, projector: bytes | None = None, adapter: bytes | None = None) -> Path:
        """A model, such as library/llama3.2/3b; the path of its file."""
        layers = [
            self.layer("model", model),
            self.layer("template", b"{{ .Prompt }}"),
            self.layer("license", b"MIT"),
            self.layer("params", b"{}"),
        ]
        layers += [self.layer("projector", projector)] if projector else []
        layers += [self.layer("adapter", adapter)] if adapter else []
        self.manifest(name, {"schemaVersion": 2, "config": self.layer("config", b"{}"), "layers": layers})
        return self.models / "blobs" / f"sha256-{sha256(model)}"

    def layer(self, kind: str, data: bytes) -> dict[str, Any]:
        return {"mediaType": f"application/vnd.ollama.image.{kind}", "digest": self.blob(data), "size": len(data)}

    def manifest(self, name: str, content: Any, *, host: str = "registry.ollama.ai", base: str = "manifests") -> Path:
        """A manifest of any content; bytes as they are."""
        path = self.models / base / host / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path


def write(path: Path, data: bytes | str) -> Path:
    """A file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def furnish(home: Path) -> None:
    """Put models of every program into a home folder."""
    hub = HuggingFace(home / ".cache" / "huggingface" / "hub")
    hub.add("org/Vision-GGUF", "Vision-4B-Q4_K_M.gguf", model_bytes(general__name="Vision 4B"))
    hub.add("org/Vision-GGUF", "Q8_0/Vision-4B-Q8_0.gguf", model_bytes(general__name="Vision 4B Q8"))
    hub.add("org/Vision-GGUF", "mmproj-F16.gguf", model_bytes(**VISION))
    ollama = Ollama(home / ".ollama" / "models")
    ollama.add("library/llama3.2/3b", model_bytes(general__name="Llama 3.2"))
    ollama.add("library/llava/latest", model_bytes(general__name="LLaVA"), projector=model_bytes(**VISION, a=1))
    studio = home / ".lmstudio"
    write(studio / "settings.json", json.dumps({"downloadsFolder": str(studio / "models")}))
    write(studio / "models" / "pub" / "Tiny-GGUF" / "Tiny-Q4_0.gguf", model_bytes(general__name="Tiny by pub"))
    write(home / ".lmstudio-home-pointer", f"{studio}\n")
    jan = home / ".local" / "share" / "Jan" / "data" / "llamacpp" / "models" / "janhq" / "Jan-nano"
    write(jan / "model.gguf", model_bytes(general__name="Jan nano"))
    write(
        jan / "model.yml",
        "model_path: llamacpp/models/janhq/Jan-nano/model.gguf\nname: Jan Nano\nsize_bytes: 1\nembedding: false\n",
    )
    cache = home / ".cache" / "llama.cpp"
    write(cache / "ggml-org_Small-GGUF_Small-Q8_0.gguf", model_bytes(general__name="Small"))
    write(cache / "ggml-org_Small-GGUF_mmproj-Small-f16.gguf", model_bytes(**AUDIO))
    write(
        cache / "manifest=ggml-org=Small-GGUF=latest.json",
        json.dumps(
            {"ggufFile": {"rfilename": "Small-Q8_0.gguf"}, "mmprojFile": {"rfilename": "mmproj-Small-f16.gguf"}}
        ),
    )


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that is in a folder, to the byte: kinds, modes, times, link targets, contents."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        told: object = None
        if stat.S_ISLNK(info.st_mode):
            told = path.readlink()
        elif stat.S_ISREG(info.st_mode):
            told = sha256(path.read_bytes())
        found[str(path.relative_to(folder))] = (info.st_mode, info.st_mtime_ns, told)
    return found
