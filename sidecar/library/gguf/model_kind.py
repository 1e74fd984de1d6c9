"""What a GGUF file is: a chat model, an embedder, a part of a model, or nothing for llama.cpp.

Pure. Owns the one table of kinds, and the sentences about those that no engine can run alone. Architectures and names
of tensors are those of llama.cpp 0.5 (src/llama-arch.cpp, tools/mtmd/clip-impl.h), gguf-py's constants.py,
ComfyUI-GGUF, stable-diffusion.cpp and Ollama (fs/ggml). Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from sidecar.contract.models import ModelKind
from sidecar.library.gguf.file_names import PROJECTOR
from sidecar.library.gguf.header import POOLING_RANK, TEMPLATE, GgufHeader

RUNS: frozenset[ModelKind] = frozenset(("chat", "completion", "embedding", "reranking"))
"""What an engine can run alone."""

CHATS: frozenset[ModelKind] = frozenset(("chat", "completion"))
"""What answers a message."""

UNLISTED: frozenset[ModelKind] = frozenset(("projector", "adapter", "control_vector", "imatrix"))
"""What belongs to a model, and is no entry of its own in the library."""

_TYPES: Mapping[str, ModelKind] = MappingProxyType(
    {PROJECTOR: "projector", "adapter": "adapter", "imatrix": "imatrix", "vocab": "vocabulary"}
)
"""By general.type."""

_BY_KIND: Mapping[ModelKind, tuple[str, ...]] = MappingProxyType(
    {
        "control_vector": ("controlvector",),
        "draft": ("eagle", "eagle2", "eagle3", "dflash", "mtp", "medusa", "gemma4-assistant"),
        "text_encoder": ("t5", "t5encoder", "umt5"),
        "speech": (
            *("whisper", "wavtokenizer-dec", "parakeet", "bark", "kokoro", "parler-tts", "dia", "vits", "encodec"),
        ),
        "diffusion": (
            *("sd", "sd1", "sd2", "sd3", "sdxl", "flux", "flux2", "aura", "auraflow", "chroma", "hidream", "hyvid"),
            *("hunyuan_video", "ltxv", "lumina2", "cosmos", "wan", "qwen_image", "z_image", "omnigen", "pixart"),
            *("mochi", "pig", "vae", "unet", "dream", "llada", "llada-moe", "rnd1"),
        ),
    }
)
_ARCHITECTURES: Mapping[str, ModelKind] = MappingProxyType(
    {architecture: kind for kind, architectures in _BY_KIND.items() for architecture in architectures}
)
"""By general.architecture, where it says enough. Others are language models."""

_ENCODERS = frozenset(
    {
        *("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert"),
        *("eurobert", "gemma-embedding", "llama-embed", "pangu-embedded-encoder"),
    }
)
"""Architectures that make vectors of texts, whether or not the header has a pooling type."""

_OLLAMA = frozenset({"mllama", "gptoss", "qwen25vl"})
"""Architectures of Ollama's own conversions, which llama.cpp does not know."""

_TENSOR_PREFIXES: tuple[tuple[ModelKind, tuple[str, ...]], ...] = (
    (
        "diffusion",
        (
            *("model.diffusion_model.", "double_blocks.", "single_blocks.", "joint_blocks.", "input_blocks."),
            *("transformer_blocks.", "first_stage_model.", "cond_stage_model.", "vae.", "decoder.up", "encoder.down"),
            *("patch_embedding.", "x_embedder.", "img_in."),
        ),
    ),
    ("text_encoder", ("text_model.", "text_encoders.", "encoder.block.", "shared.weight")),
    ("control_vector", ("direction.",)),
)
"""By the beginnings of tensors' names, in files whose metadata say nothing."""

_PROJECTOR_TENSORS = ("v.", "mm.", "a.blk.", "a.conv1d.", "resampler.")
"""The tensors of a projector: in the file of a language model they make it one that llama.cpp does not load."""

_LANGUAGE_TENSORS = ("token_embd.", "blk.")
"""Every language model of llama.cpp has these."""


class Unusable(msgspec.Struct, frozen=True):
    """Why no engine runs a kind alone: a sentence without its subject, and what helps."""

    problem: str
    hint: str


_OTHER_PROGRAM = "Use it in a program for such models, or choose another model here."

UNUSABLE: Mapping[ModelKind, Unusable] = MappingProxyType(
    {
        "draft": Unusable(
            "is the head of a larger model that guesses ahead for it, and cannot run alone",
            "Start the model that it belongs to.",
        ),
        "projector": Unusable("is a projector, which gives a model eyes or ears", "Start the model it belongs to."),
        "adapter": Unusable("is a LoRA adapter, which changes a model", "Start its model, with this file in `lora`."),
        "control_vector": Unusable("is a control vector, which steers a model", "Start the model it belongs to."),
        "imatrix": Unusable(
            "is an importance matrix, from which quantizations are made", "Download a quantization of the model."
        ),
        "vocabulary": Unusable(
            "has a vocabulary and no weights: it is for tests of tokenizers",
            "Download a file of the model that has its weights.",
        ),
        "merged": Unusable(
            "holds a language model and its projector in one file, in a form of Ollama's that llama.cpp does not load",
            "Download the model from the hub, where they are two files, or keep using it in Ollama.",
        ),
        "diffusion": Unusable(
            "is a diffusion model or a part of one, which llama.cpp's server does not run", _OTHER_PROGRAM
        ),
        "text_encoder": Unusable(
            "is the text encoder of another model, and writes no text that llama.cpp's server could send",
            _OTHER_PROGRAM,
        ),
        "speech": Unusable("is a model for speech, which llama.cpp's server does not run", _OTHER_PROGRAM),
        "other": Unusable("is a GGUF file without a language model in it", _OTHER_PROGRAM),
    }
)
"""The kinds that are not in RUNS."""


def kind_of(header: GgufHeader, *, whole: bool) -> ModelKind | None:
    """What a file is; `None` while too little of its header has been read.

    Args:
        whole: the file is not a part of a split model, whose first part may have no tensors.
    """
    architecture = header.architecture or ""
    if said := _by_metadata(header, architecture):
        return said
    names = [tensor.name for tensor in header.tensors]
    if whole and header.tensor_count == 0:
        return "vocabulary" if any(key.startswith("tokenizer.") for key in header.metadata) else "other"
    if header.complete and (found := _by_tensors(header, names, whole=whole)):
        return found
    if header.pooling == POOLING_RANK or f"{architecture}.classifier.output_labels" in header.metadata:
        return "reranking"
    if any(name.startswith("cls.") for name in names):
        return "reranking"
    causal = header.metadata.get(f"{architecture}.attention.causal")
    if (header.pooling or 0) > 0 or architecture in _ENCODERS or causal is False:
        return "embedding"
    if not header.complete:
        return None
    return "chat" if any(key == TEMPLATE or key.startswith(f"{TEMPLATE}.") for key in header.metadata) else "completion"


def _by_metadata(header: GgufHeader, architecture: str) -> ModelKind | None:
    metadata = header.metadata
    if metadata.get("adapter.type") == "control_vector":
        return "control_vector"
    if said := _TYPES.get(header.text("general.type") or ""):
        return said
    if architecture == "clip":
        # CLIP as a whole, or its text part, is what image generators read prompts with.
        return "text_encoder" if metadata.get("clip.has_text_encoder") is True else "projector"
    if any(key.startswith("diffusion.") for key in metadata):
        return "diffusion"
    if architecture in _OLLAMA:
        return "merged"
    if "adapter.type" in metadata:
        return "adapter"
    if "imatrix.chunk_count" in metadata:
        return "imatrix"
    return _ARCHITECTURES.get(architecture)


def _by_tensors(header: GgufHeader, names: Iterable[str], *, whole: bool) -> ModelKind | None:
    names = list(names)
    if not names:
        return None
    if any(name.endswith((".lora_a", ".lora_b")) for name in names):
        return "adapter"
    if any(name.endswith(".in_sum2") for name in names):
        return "imatrix"
    if any(name.startswith(_LANGUAGE_TENSORS) for name in names) or not whole:
        return "merged" if any(name.startswith(_PROJECTOR_TENSORS) for name in names) else _draft(header, names)
    for kind, prefixes in _TENSOR_PREFIXES:
        if any(name.startswith(prefixes) for name in names):
            return kind
    if any(name.startswith(_PROJECTOR_TENSORS) for name in names):
        return "projector"
    return "other"


def _draft(header: GgufHeader, names: Iterable[str]) -> ModelKind | None:
    """A file with the layers for further tokens alone: the last ones, and none of the layers before them."""
    further = header.count(f"{header.architecture}.nextn_predict_layers") or 0
    if not further or not any(".nextn." in name for name in names):
        return None
    first = (header.count(f"{header.architecture}.block_count") or 0) - further
    layers = {name.split(".")[1] for name in names if name.startswith("blk.")}
    return "draft" if all(int(layer) >= first for layer in layers if layer.isdigit()) and first > 0 else None
