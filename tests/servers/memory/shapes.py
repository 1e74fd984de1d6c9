"""Models of many shapes that really load: true headers, and weights that are all zero.

Owns which tensors an architecture has. The files are sparse: they take no room on the disk, and as much memory as any
other model once an engine has read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.library.gguf_files import ARRAY, F32, FLOAT32, INT32, Q4_0, STRING, Tensor, Value, gguf_bytes

SPM_BYTES = 256
CONTROL, BYTE, NORMAL = 3, 6, 1


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A dense model of the family llama; others are made from it."""

    layers: int = 4
    width: int = 512
    heads: int = 8
    kv_heads: int = 2
    head_size: int = 64
    feed_forward: int = 1536
    vocabulary: int = 32000
    trained_for: int = 32768
    weights: int = Q4_0
    tied: bool = True


def write(path: Path, architecture: str, metadata: dict[str, Any], tensors: list[Tensor], vocabulary: int) -> Path:
    """A model file with zeros for weights."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(SPM_BYTES))]
    words += [f"w{number}" for number in range(vocabulary - len(words))]
    kinds = [2, CONTROL, CONTROL] + [BYTE] * SPM_BYTES + [NORMAL] * (vocabulary - SPM_BYTES - 3)
    header = {
        "general.architecture": architecture,
        "general.name": path.stem,
        **{f"{architecture}.{key}": value for key, value in metadata.items()},
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": Value(ARRAY, words, STRING),
        "tokenizer.ggml.scores": Value(ARRAY, [0.0] * vocabulary, FLOAT32),
        "tokenizer.ggml.token_type": Value(ARRAY, kinds, INT32),
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    head = gguf_bytes(header, tensors, data=b"")
    size = len(head) + sum(-(-tensor.size // 32) * 32 for tensor in tensors)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def dense(path: Path, shape: Shape) -> Path:
    """Family llama."""
    return write(path, "llama", _attention_facts(shape), list(_dense_tensors(shape)), shape.vocabulary)


def experts(path: Path, shape: Shape, *, count: int, used: int) -> Path:
    """Family llama with experts."""
    facts = {**_attention_facts(shape), "expert_count": count, "expert_used_count": used}
    tensors = list(_ends(shape))
    for layer in range(shape.layers):
        tensors += _attention(shape, layer)
        name = f"blk.{layer}"
        tensors += [
            Tensor(f"{name}.ffn_norm.weight", (shape.width,), F32),
            Tensor(f"{name}.ffn_gate_inp.weight", (shape.width, count), F32),
            Tensor(f"{name}.ffn_gate_exps.weight", (shape.width, shape.feed_forward, count), shape.weights),
            Tensor(f"{name}.ffn_up_exps.weight", (shape.width, shape.feed_forward, count), shape.weights),
            Tensor(f"{name}.ffn_down_exps.weight", (shape.feed_forward, shape.width, count), shape.weights),
        ]
    return write(path, "llama", facts, tensors, shape.vocabulary)


def windowed(path: Path, shape: Shape, *, window: int) -> Path:
    """Family gemma3: five of six layers look back over a window only."""
    facts = {**_attention_facts(shape), "attention.sliding_window": window}
    tensors = list(_ends(shape))
    for layer in range(shape.layers):
        name = f"blk.{layer}"
        tensors += _attention(shape, layer)
        tensors += [
            Tensor(f"{name}.attn_q_norm.weight", (shape.head_size,), F32),
            Tensor(f"{name}.attn_k_norm.weight", (shape.head_size,), F32),
            Tensor(f"{name}.post_attention_norm.weight", (shape.width,), F32),
            Tensor(f"{name}.post_ffw_norm.weight", (shape.width,), F32),
        ]
        tensors += _feed_forward(shape, layer)
    return write(path, "gemma3", facts, tensors, shape.vocabulary)


def latent(path: Path, shape: Shape, *, rank: int, rope: int, nope: int, value: int) -> Path:
    """Family deepseek2: keys and values squeezed into one latent row (MLA)."""
    facts = {
        **_attention_facts(shape),
        "attention.head_count_kv": 1,
        "attention.key_length": rank + rope,
        "attention.value_length": rank,
        "attention.key_length_mla": nope + rope,
        "attention.value_length_mla": value,
        "attention.kv_lora_rank": rank,
        "attention.q_lora_rank": rank,
        "rope.dimension_count": rope,
        "leading_dense_block_count": shape.layers,
        "vocab_size": shape.vocabulary,
        "expert_count": 0,
        "expert_used_count": 0,
        "expert_feed_forward_length": shape.feed_forward,
        "expert_shared_count": 0,
        "expert_weights_scale": 1.0,
    }
    tensors = list(_ends(shape))
    for layer in range(shape.layers):
        name = f"blk.{layer}"
        tensors += [
            Tensor(f"{name}.attn_norm.weight", (shape.width,), F32),
            Tensor(f"{name}.attn_q_a.weight", (shape.width, rank), shape.weights),
            Tensor(f"{name}.attn_q_a_norm.weight", (rank,), F32),
            Tensor(f"{name}.attn_q_b.weight", (rank, shape.heads * (nope + rope)), shape.weights),
            Tensor(f"{name}.attn_kv_a_mqa.weight", (shape.width, rank + rope), shape.weights),
            Tensor(f"{name}.attn_kv_a_norm.weight", (rank,), F32),
            Tensor(f"{name}.attn_k_b.weight", (nope, rank, shape.heads), shape.weights),
            Tensor(f"{name}.attn_v_b.weight", (rank, value, shape.heads), shape.weights),
            Tensor(f"{name}.attn_output.weight", (shape.heads * value, shape.width), shape.weights),
        ]
        tensors += _feed_forward(shape, layer)
    return write(path, "deepseek2", facts, tensors, shape.vocabulary)


def recurrent(path: Path, shape: Shape, *, inner: int, state: int, convolution: int = 4, rank: int = 32) -> Path:
    """Family mamba: a state of fixed size in place of a KV cache."""
    facts = {
        "context_length": shape.trained_for,
        "block_count": shape.layers,
        "embedding_length": shape.width,
        "feed_forward_length": 0,
        "attention.head_count": 0,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "ssm.conv_kernel": convolution,
        "ssm.inner_size": inner,
        "ssm.state_size": state,
        "ssm.time_step_rank": rank,
    }
    tensors = list(_ends(shape))
    for layer in range(shape.layers):
        name = f"blk.{layer}"
        tensors += [
            Tensor(f"{name}.attn_norm.weight", (shape.width,), F32),
            Tensor(f"{name}.ssm_in.weight", (shape.width, 2 * inner), shape.weights),
            Tensor(f"{name}.ssm_conv1d.weight", (convolution, inner), F32),
            Tensor(f"{name}.ssm_conv1d.bias", (inner,), F32),
            Tensor(f"{name}.ssm_x.weight", (inner, rank + 2 * state), shape.weights),
            Tensor(f"{name}.ssm_dt.weight", (rank, inner), shape.weights),
            Tensor(f"{name}.ssm_dt.bias", (inner,), F32),
            Tensor(f"{name}.ssm_a", (state, inner), F32),
            Tensor(f"{name}.ssm_d", (inner,), F32),
            Tensor(f"{name}.ssm_out.weight", (inner, shape.width), shape.weights),
        ]
    return write(path, "mamba", facts, tensors, shape.vocabulary)


def _attention_facts(shape: Shape) -> dict[str, Any]:
    return {
        "context_length": shape.trained_for,
        "block_count": shape.layers,
        "embedding_length": shape.width,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.key_length": shape.head_size,
        "attention.value_length": shape.head_size,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.dimension_count": shape.head_size,
    }


def _dense_tensors(shape: Shape) -> Iterator[Tensor]:
    yield from _ends(shape)
    for layer in range(shape.layers):
        yield from _attention(shape, layer)
        yield from _feed_forward(shape, layer)


def _ends(shape: Shape) -> Iterator[Tensor]:
    yield Tensor("token_embd.weight", (shape.width, shape.vocabulary), shape.weights)
    yield Tensor("output_norm.weight", (shape.width,), F32)
    if not shape.tied:
        yield Tensor("output.weight", (shape.width, shape.vocabulary), shape.weights)


def _attention(shape: Shape, layer: int) -> list[Tensor]:
    name, queries, keys = f"blk.{layer}", shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    return [
        Tensor(f"{name}.attn_norm.weight", (shape.width,), F32),
        Tensor(f"{name}.attn_q.weight", (shape.width, queries), shape.weights),
        Tensor(f"{name}.attn_k.weight", (shape.width, keys), shape.weights),
        Tensor(f"{name}.attn_v.weight", (shape.width, keys), shape.weights),
        Tensor(f"{name}.attn_output.weight", (queries, shape.width), shape.weights),
    ]


def _feed_forward(shape: Shape, layer: int) -> list[Tensor]:
    name = f"blk.{layer}"
    return [
        Tensor(f"{name}.ffn_norm.weight", (shape.width,), F32),
        Tensor(f"{name}.ffn_gate.weight", (shape.width, shape.feed_forward), shape.weights),
        Tensor(f"{name}.ffn_up.weight", (shape.width, shape.feed_forward), shape.weights),
        Tensor(f"{name}.ffn_down.weight", (shape.feed_forward, shape.width), shape.weights),
    ]
