"""What a GGUF file says of itself, for people: the facts out of its header."""

from __future__ import annotations

from pathlib import Path

from sidecar.contract.models import ModelInspection
from sidecar.models.gguf import read_header


def inspect(path: Path) -> ModelInspection:
    """What a GGUF file says of itself.

    Raises:
        ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary file that may be read.
        ModelInvalid: it is damaged or no GGUF file.
    """
    header = read_header(path)
    architecture = header.architecture
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    heads = header.count(f"{architecture}.attention.head_count")
    kv_heads = header.count(f"{architecture}.attention.head_count_kv")
    return ModelInspection(
        path=str(path),
        size_bytes=header.file_bytes,
        gguf_version=header.version,
        tensor_count=header.tensor_count,
        name=header.text("general.name"),
        architecture=architecture,
        quantization=header.quantization(path.name),
        parameters=header.parameters,
        context_length=header.count(f"{architecture}.context_length"),
        layers=header.count(f"{architecture}.block_count"),
        embedding_length=header.count(f"{architecture}.embedding_length"),
        heads=heads,
        kv_heads=heads if kv_heads is None else kv_heads,  # the format's default: no grouped-query attention
        experts=header.count(f"{architecture}.expert_count"),
        vocabulary=_length(tokens) or header.count(f"{architecture}.vocab_size"),
        chat_template=header.text("tokenizer.chat_template"),
        licence=header.text("general.license"),
        metadata=header.metadata,
    )


def _length(value: object) -> int | None:
    if isinstance(value, dict):
        return value.get("length")
    return len(value) if isinstance(value, list) else None
