"""Writes small GGUF files, sound and broken ones.

Every part can be replaced by raw bytes or by a count that is not true, which is how tests get their damaged models.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = range(13)
_CODES = {
    UINT8: "B", INT8: "b", UINT16: "H", INT16: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?", UINT64: "Q",
    INT64: "q", FLOAT64: "d",
}  # fmt: skip

F32, F16, Q4_0, Q8_0, Q4_K = 0, 1, 2, 8, 12
_BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), Q8_0: (32, 34), Q4_K: (256, 144)}


@dataclass(frozen=True)
class Value:
    """A value of a type of one's choice; `item_kind` is for arrays."""

    kind: int
    value: Any
    item_kind: int = UINT32


@dataclass(frozen=True)
class Raw:
    """Bytes as they are: type, value and all."""

    data: bytes


@dataclass(frozen=True)
class Tensor:
    """A tensor. Without `offset` it comes after the one before it; without `size` it is as long as its dims say."""

    name: str | bytes
    dims: tuple[int, ...] = (32, 4)
    kind: int = F32
    offset: int | None = None
    dim_count: int | None = None

    @property
    def size(self) -> int:
        elements = 1
        for dim in self.dims:
            elements *= dim
        block, block_bytes = _BLOCKS.get(self.kind, (1, 0))
        return elements // block * block_bytes


def text(value: str | bytes, length: int | None = None) -> bytes:
    """A text with its length, or with another one."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data) if length is None else length) + data


def value_bytes(value: Any) -> bytes:
    """Type and value; a plain int is a uint32, a plain list an array of what its first element is."""
    if isinstance(value, Raw):
        return value.data
    typed = value if isinstance(value, Value) else _typed(value)
    return struct.pack("<I", typed.kind) + _untyped(typed)


def _typed(value: Any) -> Value:
    if isinstance(value, list):
        return Value(ARRAY, value, item_kind=_typed(value[0]).kind if value else UINT32)
    kinds = {bool: BOOL, int: UINT32, float: FLOAT32, str: STRING, bytes: STRING}
    return Value(kinds[type(value)], value)


def _untyped(value: Value) -> bytes:
    if value.kind == STRING:
        return text(value.value)
    if value.kind != ARRAY:
        return struct.pack("<" + _CODES[value.kind], value.value)
    items = b"".join(_untyped(Value(value.item_kind, item)) for item in value.value)
    return struct.pack("<IQ", value.item_kind, len(value.value)) + items


def gguf_bytes(
    metadata: Mapping[str, Any] | Sequence[tuple[str | bytes, Any]],
    tensors: Sequence[Tensor] = (),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    alignment: int = 32,
    key_count: int | None = None,
    tensor_count: int | None = None,
    data: bytes | None = None,
) -> bytes:
    """A file. `alignment` is only used, not written: put general.alignment into the metadata where it is not 32."""
    pairs = list(metadata.items()) if isinstance(metadata, Mapping) else list(metadata)
    counts = (len(tensors) if tensor_count is None else tensor_count, len(pairs) if key_count is None else key_count)
    parts = [magic, struct.pack("<IQQ", version, *counts)]
    parts += [text(key) + value_bytes(value) for key, value in pairs]
    end = 0
    for tensor in tensors:
        offset = end if tensor.offset is None else tensor.offset
        dim_count = len(tensor.dims) if tensor.dim_count is None else tensor.dim_count
        parts.append(text(tensor.name) + struct.pack("<I", dim_count))
        parts.append(struct.pack("<" + "Q" * len(tensor.dims) + "IQ", *tensor.dims, tensor.kind, offset))
        end = _aligned(offset + tensor.size, alignment)
    header = b"".join(parts)
    if not tensors:
        return header + (data or b"")
    return header.ljust(_aligned(len(header), alignment), b"\0") + (bytes(end) if data is None else data)


def _aligned(length: int, alignment: int) -> int:
    return -(-length // alignment) * alignment


def llama_metadata(**changes: Any) -> dict[str, Any]:
    """What a small language model says of itself; `general__name="x"` sets general.name, `None` removes a key."""
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.name": "Tiny",
        "general.license": "apache-2.0",
        "general.file_type": 15,
        "llama.context_length": 2048,
        "llama.block_count": 2,
        "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.ggml.tokens": ["<s>", "</s>", "a", "b"],
        "tokenizer.chat_template": "{{ messages }}",
    }
    for name, value in changes.items():
        metadata[name.replace("__", ".")] = value
    return {key: value for key, value in metadata.items() if value is not None}


LLAMA_TENSORS = (Tensor("token_embd.weight", (256, 4), Q4_K), Tensor("output_norm.weight", (64,), F32))
LLAMA_PARAMETERS = 256 * 4 + 64


def model_bytes(**changes: Any) -> bytes:
    """A sound small language model."""
    return gguf_bytes(llama_metadata(**changes), LLAMA_TENSORS)


def write_model(path: Path, **changes: Any) -> Path:
    """A sound small language model in a file; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model_bytes(**changes))
    return path
