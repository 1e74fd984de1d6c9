"""A tiny language model with random weights, generated in milliseconds: its tokens are meaningless.

Pure. Owns its shape. Every build of llama.cpp can run it: the architecture is llama, the weights are F32 and always the
same, the tokens are bytes.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping
from typing import Any

EMBEDDING = 64
FEED_FORWARD = 64
CONTEXT = 512
"""The context in tokens; the prompt of the proof has some fifty."""

SPECIAL = ("<unk>", "<s>", "</s>")
VOCABULARY = (*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)))

TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML, which every build supports, also those without a template engine."""

ALIGNMENT = 32

_UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 4, 5, 6, 8, 9
_UNKNOWN, _CONTROL, _BYTE = 2, 3, 6
"""Kinds of tokens."""

_METADATA: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Proof",
    "llama.context_length": CONTEXT,
    "llama.embedding_length": EMBEDDING,
    "llama.block_count": 1,
    "llama.feed_forward_length": FEED_FORWARD,
    "llama.rope.dimension_count": EMBEDDING,
    "llama.attention.head_count": 1,
    "llama.attention.head_count_kv": 1,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": list(VOCABULARY),
    "tokenizer.ggml.scores": [0.0] * len(VOCABULARY),
    "tokenizer.ggml.token_type": [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256],
    "tokenizer.ggml.unknown_token_id": 0,
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.chat_template": TEMPLATE,
}

_TENSORS: Mapping[str, tuple[int, ...]] = {
    "token_embd.weight": (EMBEDDING, len(VOCABULARY)),
    "output_norm.weight": (EMBEDDING,),
    "output.weight": (EMBEDDING, len(VOCABULARY)),
    "blk.0.attn_norm.weight": (EMBEDDING,),
    "blk.0.attn_q.weight": (EMBEDDING, EMBEDDING),
    "blk.0.attn_k.weight": (EMBEDDING, EMBEDDING),
    "blk.0.attn_v.weight": (EMBEDDING, EMBEDDING),
    "blk.0.attn_output.weight": (EMBEDDING, EMBEDDING),
    "blk.0.ffn_norm.weight": (EMBEDDING,),
    "blk.0.ffn_gate.weight": (EMBEDDING, FEED_FORWARD),
    "blk.0.ffn_up.weight": (EMBEDDING, FEED_FORWARD),
    "blk.0.ffn_down.weight": (FEED_FORWARD, EMBEDDING),
}
"""Tensors with their dimensions, the innermost first."""


def proof_model() -> bytes:
    """The model as a GGUF file: 270 KB."""
    chance = random.Random(64)  # noqa: S311 - a fixed seed: the weights are always the same
    header = [b"GGUF", struct.pack("<IQQ", 3, len(_TENSORS), len(_METADATA))]
    header += [_text(key) + _value(value) for key, value in _METADATA.items()]
    weights = []
    offset = 0
    for name, dimensions in _TENSORS.items():
        header.append(_text(name) + struct.pack("<I", len(dimensions)))
        header.append(struct.pack(f"<{len(dimensions)}QIQ", *dimensions, 0, offset))
        data = _weights(dimensions, chance)
        weights.append(data.ljust(_aligned(len(data)), b"\0"))
        offset += len(weights[-1])
    head = b"".join(header)
    return b"".join([head.ljust(_aligned(len(head)), b"\0"), *weights])


def _weights(dimensions: tuple[int, ...], chance: random.Random) -> bytes:
    if len(dimensions) == 1:  # the weights of a norm
        return struct.pack(f"<{dimensions[0]}f", *[1.0] * dimensions[0])
    count = dimensions[0] * dimensions[1]
    spread = dimensions[0] ** -0.5
    return struct.pack(f"<{count}f", *(chance.uniform(-spread, spread) for _ in range(count)))


def _value(value: Any) -> bytes:
    if isinstance(value, list):
        kind = {str: _STRING, int: _INT32, float: _FLOAT32}[type(value[0])]
        return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(_plain(one, kind) for one in value)
    kind = {str: _STRING, int: _UINT32, float: _FLOAT32}[type(value)]
    return struct.pack("<I", kind) + _plain(value, kind)


def _plain(value: Any, kind: int) -> bytes:
    if kind == _STRING:
        return _text(value)
    return struct.pack({_UINT32: "<I", _INT32: "<i", _FLOAT32: "<f"}[kind], value)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _aligned(length: int) -> int:
    return -(-length // ALIGNMENT) * ALIGNMENT
