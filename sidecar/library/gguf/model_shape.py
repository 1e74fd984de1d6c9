"""The shape of a model, on which its memory depends, from its GGUF header.

Pure. Owns how llama.cpp (0.5, src/llama-hparams.cpp, src/models/) derives layers from a header: which of them have
attention, which have a sliding window, which keep a state instead of a cache. Knows nothing of bytes in memory.
Headers are not trusted: all counts are bounded.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from sidecar.library.gguf.header import GgufHeader, TensorInfo

MAX_LAYERS = 1024
"""The most layers; LLAMA_MAX_LAYERS is 512."""
MAX_NUMBER = 1 << 40
"""The largest number of a header that is used, so that products stay within the range of hosts."""

_BLOCK = re.compile(r"blk\.(\d{1,4})\.(.+)")
_EXPERTS = re.compile(r"ffn_(up|down|gate|gate_up)_(ch|)exps")

# load_swa_pattern in src/models/*.cpp: the period of layers with full attention, which is the last or the first
_WINDOW_PERIODS = {
    "gemma2": 2, "gpt-oss": 2, "gemma3": 6, "gemma-embedding": 6, "gemma3n": 5, "cohere2": 4, "llama4": 4, "olmo2": 4,
    "exaone4": 4, "exaone-moe": 4, "afmoe": 4, "mellum": 4, "plamo3": 8,
}  # fmt: skip
_FIRST_SEES_ALL = {"cohere2moe": 4, "laguna": 4, "smallthinker": 4, "modern-bert": 3}
_WINDOWS = {"gemma2": 4096, "exaone4": 4096, "llama4": 8192}


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer.

    Attributes:
        k_row, v_row: elements per token in the KV cache; 0 for a layer without a cache.
        windowed: its attention is limited to the model's sliding window.
        state: elements per sequence, whatever its length.
    """

    k_row: int = 0
    v_row: int = 0
    windowed: bool = False
    state: int = 0


class Weight(msgspec.Struct, frozen=True, kw_only=True):
    """A tensor.

    Attributes:
        layer: `None` for tensors before and after the layers.
        start, end: the position of its data in its file, which is number `file` of a split model.
    """

    name: str
    layer: int | None
    expert: bool
    type: str
    dims: tuple[int, ...]
    file: int
    start: int
    end: int

    @property
    def bytes(self) -> int:
        return self.end - self.start


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of a model. `…_floats` are the numbers that each token of a step needs in working memory."""

    architecture: str
    layers: tuple[Layer, ...]
    weights: tuple[Weight, ...]
    width: int
    vocabulary: int
    trained_for: int
    window: int
    heads: int
    attention_floats: int
    attention_floats_plain: int
    feed_forward_floats: int
    recurrent_floats: int
    state_elements: int

    @property
    def tied(self) -> bool:
        """Whether the output layer shares the embedding's weights."""
        return not any(weight.name == "output.weight" for weight in self.weights)

    @property
    def file_bytes(self) -> int:
        """Size of all weights in bytes."""
        return sum(weight.bytes for weight in self.weights)


def shape_of(headers: Sequence[GgufHeader]) -> ModelShape:
    """The shape of a model, from the headers of its files in order."""
    facts = _Facts(headers[0])
    count = min(facts.number("block_count"), MAX_LAYERS)
    # Layers for the prediction of further tokens are not loaded by default (LLAMA_... load_mtp).
    used = max(0, count - facts.number("nextn_predict_layers"))
    weights = [w for w in _weights(headers) if w.layer is None or w.layer < used]
    names: defaultdict[int, set[str]] = defaultdict(set)
    for weight in weights:
        if weight.layer is not None:
            names[weight.layer].add(weight.name.split(".", 2)[2])
    windowed = _windowed(facts, count)
    layers = tuple(_layer(facts, index, names[index], windowed[index]) for index in range(used))
    width = facts.number("embedding_length")
    heads = [facts.of_layer("attention.head_count", index) for index in range(count)] or [0]
    feed_forward = _feed_forward_floats(facts, count, width, weights)
    attention, plain = _attention_floats(facts, width, max(heads), layers)
    inner = facts.number("ssm.inner_size")
    embedding = next((w for w in weights if w.name == "token_embd.weight"), None)
    return ModelShape(
        architecture=facts.architecture,
        layers=layers,
        weights=tuple(weights),
        width=width,
        vocabulary=embedding.dims[-1] if embedding and embedding.dims else facts.number("vocab_size"),
        trained_for=facts.number("context_length"),
        window=facts.number("attention.sliding_window") or _WINDOWS.get(facts.architecture, 0),
        heads=max(heads),
        attention_floats=attention,
        attention_floats_plain=plain,
        feed_forward_floats=feed_forward,
        recurrent_floats=6 * inner + width if any(layer.state for layer in layers) else 0,
        state_elements=max((layer.state for layer in layers), default=0),
    )


class _Facts:
    """The numbers of a header, within bounds."""

    def __init__(self, header: GgufHeader) -> None:
        self.architecture = header.architecture or "unknown"
        self._metadata = header.metadata

    def value(self, key: str) -> Any:
        return self._metadata.get(f"{self.architecture}.{key}")

    def number(self, key: str, default: int = 0) -> int:
        """A number; of a list with one for each layer, the largest."""
        value = self.value(key)
        numbers = [_bounded(n) for n in value] if isinstance(value, list) else [_bounded(value)]
        return default if value is None else max(numbers, default=0)

    def of_layer(self, key: str, index: int, default: int = 0) -> int:
        """A number that may differ from layer to layer."""
        value = self.value(key)
        if isinstance(value, list):
            return _bounded(value[index]) if index < len(value) else default
        return default if value is None else _bounded(value)


def _bounded(value: Any) -> int:
    return min(max(int(value), 0), MAX_NUMBER) if type(value) in (int, bool) else 0


def _weights(headers: Sequence[GgufHeader]) -> list[Weight]:
    found = []
    for file, header in enumerate(headers):
        for position, tensor in enumerate(header.tensors):
            block = _BLOCK.fullmatch(tensor.name)
            found.append(
                Weight(
                    name=tensor.name,
                    layer=int(block[1]) if block else None,
                    expert=bool(block and _EXPERTS.match(block[2])),
                    type=tensor.type,
                    dims=tensor.dims,
                    file=file,
                    start=tensor.offset,
                    end=tensor.offset + _size(tensor, header, position),
                )
            )
    return found


def _size(tensor: TensorInfo, header: GgufHeader, position: int) -> int:
    if tensor.size_bytes is not None:
        return tensor.size_bytes
    # An unknown, newer type: up to the next tensor, or to the end of the file.
    later = header.tensors[position + 1].offset if position + 1 < len(header.tensors) else header.file_bytes
    return max(0, later - tensor.offset)


def _windowed(facts: _Facts, count: int) -> list[bool]:
    """Which layers have a sliding window."""
    if not facts.number("attention.sliding_window") and facts.architecture not in _WINDOWS:
        return [False] * count
    pattern = facts.value("attention.sliding_window_pattern")
    if isinstance(pattern, list):
        return [bool(facts.of_layer("attention.sliding_window_pattern", index)) for index in range(count)]
    if period := _FIRST_SEES_ALL.get(facts.architecture):
        return [index % period != 0 for index in range(count)]
    if default := _WINDOW_PERIODS.get(facts.architecture):
        period = _bounded(pattern) or default
        return [index % period < period - 1 for index in range(count)]
    return [False] * count  # other architectures have the key, and llama.cpp ignores it


def _layer(facts: _Facts, index: int, names: set[str], windowed: bool) -> Layer:
    """A layer's cache and state (llama_hparams::n_embd_k_gqa, n_embd_v_gqa, n_embd_r, n_embd_s)."""
    recurrent = any(name.startswith(("ssm_", "time_mix", "shortconv")) for name in names)
    attends = any(name.startswith(("attn_k.", "attn_kv", "attn_k_b")) for name in names) or (
        not recurrent and any(name.startswith("attn_qkv") for name in names)
    )
    shared = facts.number("attention.shared_kv_layers")
    if shared and index >= facts.number("block_count") - shared:
        attends = False
    k_row = v_row = 0
    if attends:
        heads = facts.of_layer("attention.head_count", index)
        kv_heads = facts.of_layer("attention.head_count_kv", index, heads)
        width = facts.number("embedding_length") // heads if heads else 0
        own = "_swa" if windowed and facts.value("attention.key_length_swa") is not None else ""
        k_row = kv_heads * facts.number(f"attention.key_length{own}", width)
        v_row = kv_heads * facts.number(f"attention.value_length{own}", width)
        if facts.number("attention.key_length_mla"):
            v_row = 0  # the values are part of the latent row
    return Layer(k_row=k_row, v_row=v_row, windowed=windowed, state=_state(facts, index) if recurrent else 0)


def _state(facts: _Facts, index: int) -> int:
    width = facts.number("embedding_length")
    if head := facts.number("wkv.head_size"):
        return facts.number("token_shift_count", 2) * width + width * head
    if kernel := facts.number("shortconv.l_cache"):
        return width * (kernel - 1)
    if head := facts.number("kda.head_dim"):
        heads = facts.of_layer("attention.head_count", index)
        kernel = facts.number("ssm.conv_kernel", 4)
        return 3 * (kernel - 1) * heads * head + head * head * heads
    inner, state = facts.number("ssm.inner_size"), facts.number("ssm.state_size")
    kernel, groups = facts.number("ssm.conv_kernel"), facts.number("ssm.group_count")
    return max(0, kernel - 1) * (inner + 2 * groups * state) + state * inner


def _feed_forward_floats(facts: _Facts, count: int, width: int, weights: Sequence[Weight]) -> int:
    """gate, up and their product, and four rows of the model's width: the live buffers of llama.cpp's graphs.

    Each used expert has its own; the outputs of the experts are added if they do not fit into the buffers of gate and
    up.
    """
    dense = max((facts.of_layer("feed_forward_length", index) for index in range(count)), default=0)
    used = facts.number("expert_used_count")
    if not used or not any(weight.expert for weight in weights):
        return 4 * width + 3 * dense
    inner = used * facts.number("expert_feed_forward_length", dense)
    answers = used * width
    mixed = 3 * inner + (answers if answers > 2 * inner else 0)
    leading = dense if facts.number("leading_dense_block_count") else 0
    return 4 * width + max(mixed, 3 * leading)


def _attention_floats(facts: _Facts, width: int, heads: int, layers: Sequence[Layer]) -> tuple[int, int]:
    """Queries, keys, values and output of one layer together; with flash attention, and without."""
    widest = max(layers, key=lambda layer: layer.k_row + layer.v_row, default=Layer())
    if not widest.k_row:
        return 0, 0
    head = facts.number("attention.key_length", width // heads if heads else 0)
    queries = heads * head
    if facts.number("attention.key_length_mla"):
        latent = 2 * queries + heads * facts.number("attention.kv_lora_rank") + widest.k_row
        return latent, latent
    return 2 * queries + widest.k_row + width, 3 * queries + 2 * width
