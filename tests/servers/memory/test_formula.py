"""What a model takes, by its header and the settings: figures that llama-server's own log has said of the same files.

Each row of figures was read from the log of llama.cpp 0.5 (build/locks) loading the file that `shapes` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as changed

from sidecar.library.gguf.model_shape import ModelShape, shape_of
from sidecar.library.gguf.reader import read_header
from sidecar.servers.memory.formula import REPACKED_ON_ARM, LoadSettings, Need, need, row_bytes
from tests.library.gguf_files import ARRAY, BOOL, F16, Q4_K, Q8_0, Value, write_model
from tests.servers.memory import shapes
from tests.servers.memory.shapes import Shape

MIB = 1024 * 1024


def dense(path: Path) -> Path:
    return shapes.dense(path, Shape())


def untied(path: Path) -> Path:
    wide = Shape(weights=Q8_0, width=1024, heads=16, feed_forward=4096, layers=6, tied=False)
    return shapes.dense(path, wide)


def large_queries(path: Path) -> Path:
    return shapes.dense(path, Shape(weights=F16, layers=2, heads=32, head_size=128, kv_heads=8, feed_forward=512))


def large_vocabulary(path: Path) -> Path:
    return shapes.dense(path, Shape(weights=F16, layers=2, vocabulary=128000, width=256, heads=4, feed_forward=256))


def experts(path: Path) -> Path:
    return shapes.experts(path, Shape(feed_forward=512), count=32, used=8)


def wide_experts(path: Path) -> Path:
    return shapes.experts(path, Shape(width=2048, feed_forward=768, layers=2, weights=Q4_K), count=16, used=8)


def windowed(path: Path) -> Path:
    tall = Shape(layers=7, heads=4, head_size=256, kv_heads=1, width=1152, feed_forward=6912)
    return shapes.windowed(path, tall, window=512)


def latent(path: Path) -> Path:
    return shapes.latent(path, Shape(), rank=256, rope=32, nope=64, value=64)


def recurrent(path: Path) -> Path:
    return shapes.recurrent(path, Shape(), inner=1024, state=64)


Make = Callable[[Path], Path]


def shape(make: Make, tmp_path: Path) -> ModelShape:
    return shape_of([read_header(make(tmp_path / "model.gguf"))])


def mib(count: int) -> float:
    return round(count / MIB, 2)


@pytest.mark.parametrize(
    ("make", "settings", "weights", "kv_cache", "compute"),
    [
        (dense, LoadSettings(ctx_size=4096, parallel=4), 29.27, 8.49, 17.01),
        (untied, LoadSettings(ctx_size=8192, parallel=2, flash_attn=False), 157.3, 24.24, 282.5),
        (large_queries, LoadSettings(ctx_size=4096, parallel=2), 54.0, 32.24, 23.01),
        (large_vocabulary, LoadSettings(ctx_size=1024, parallel=16), 64.0, 8.81, 8.36),
        (experts, LoadSettings(ctx_size=4096, parallel=4), 115.2, 8.49, 32.01),
        (wide_experts, LoadSettings(ctx_size=2048, parallel=2), 197.7, 2.24, 83.0),
        (windowed, LoadSettings(ctx_size=8192, parallel=2), 228.4, 17.24, 58.8),
        (latent, LoadSettings(ctx_size=4096, parallel=4), 30.2, 9.49, 17.51),
        (recurrent, LoadSettings(ctx_size=4096, parallel=4), 26.0, 4.68, 14.1),
    ],
)
def test_the_formula_says_what_the_engine_said(
    make: Make, settings: LoadSettings, weights: float, kv_cache: float, compute: float, tmp_path: Path
) -> None:
    found = need(shape(make, tmp_path), settings).host
    assert mib(found.weights) == pytest.approx(weights, rel=0.005)
    assert mib(found.kv_cache) == pytest.approx(kv_cache, rel=0.005)
    assert mib(found.compute) == pytest.approx(compute, rel=0.04)


@pytest.mark.parametrize(
    ("settings", "kv_cache"),
    [
        (LoadSettings(ctx_size=1000), 2.0),  # rounded up to 1024 cells
        (LoadSettings(ctx_size=1024, cache_type_k="q8_0"), 1.53),
        (LoadSettings(ctx_size=1024, cache_type_k="q8_0", cache_type_v="q4_0"), 0.81),
        (LoadSettings(ctx_size=0), 64.0),  # the model's own
    ],
)
def test_the_cache_follows_context_and_types(settings: LoadSettings, kv_cache: float, tmp_path: Path) -> None:
    outputs = 32000 * 4
    assert mib(need(shape(dense, tmp_path), settings).host.kv_cache - outputs) == kv_cache


def test_a_row_is_as_long_as_whole_blocks_are() -> None:
    assert [row_bytes("f16", 64), row_bytes("q8_0", 64), row_bytes("q4_0", 33)] == [128, 68, 36]


def on_gpus(make: Make, tmp_path: Path, layers: int, cpu_moe: int = 0) -> Need:
    settings = LoadSettings(ctx_size=4096, gpus=(3 * 2**30, 2**30), gpu_layers=layers, cpu_moe=cpu_moe)
    return need(shape(make, tmp_path), settings)


def test_the_last_layers_go_to_gpus_by_their_free_memory(tmp_path: Path) -> None:
    every = on_gpus(dense, tmp_path, 99)
    # Four layers and the output layer: 0, 1/5 … 4/5 of the way, three quarters of which is the first GPU's.
    assert [mib(gpu.kv_cache) for gpu in every.gpus] == [8.0, 0.0]
    assert every.gpus[1].weights > 8 * MIB, "the tied output layer is a copy of the embedding"
    assert mib(every.host.kv_cache) == mib(32000 * 4), "its output stays on the host"
    two = on_gpus(dense, tmp_path, 2)
    assert mib(two.gpus[0].kv_cache) == 2.0
    assert mib(two.host.kv_cache - 32000 * 4) == 6.0


def test_without_layers_on_them_gpus_hold_nothing(tmp_path: Path) -> None:
    none = on_gpus(dense, tmp_path, 0)
    assert [gpu.total for gpu in none.gpus] == [0, 0]
    assert none.host.compute > 16 * MIB


def test_experts_stay_on_the_host_where_that_is_wanted(tmp_path: Path) -> None:
    moved, kept = on_gpus(experts, tmp_path, 99), on_gpus(experts, tmp_path, 99, cpu_moe=99)
    assert sum(gpu.weights for gpu in kept.gpus) < sum(gpu.weights for gpu in moved.gpus) / 4
    assert kept.host.weights > moved.host.weights + 40 * MIB


@pytest.mark.parametrize(
    ("architecture", "pattern", "windowed_layers"),
    [
        ("gemma3", None, [True, True, True, True, True, False, True]),
        ("gemma2", None, [True, False, True, False, True, False, True]),
        ("cohere2moe", None, [False, True, True, True, False, True, True]),
        ("gemma3", 2, [True, False, True, False, True, False, True]),
        ("gemma4", Value(ARRAY, [True, False] * 3 + [True], BOOL), [True, False, True, False, True, False, True]),
        ("qwen2", None, [False] * 7),
    ],
)
def test_windows_are_where_llama_cpp_has_them(
    architecture: str, pattern: object, windowed_layers: list[bool], tmp_path: Path
) -> None:
    facts = {"block_count": 7, "embedding_length": 64, "attention.sliding_window": 512}
    facts |= {"attention.head_count": 4, "context_length": 2048}
    metadata = {f"{architecture}.{key}": value for key, value in facts.items()}
    if pattern is not None:
        metadata[f"{architecture}.attention.sliding_window_pattern"] = pattern  # type: ignore[assignment]
    path = write_model(tmp_path / "m.gguf", general__architecture=architecture, **metadata)
    assert [layer.windowed for layer in shape_of([read_header(path)]).layers] == windowed_layers


def test_a_number_for_each_of_many_layers_is_known(tmp_path: Path) -> None:
    heads = [8 if layer % 2 else 0 for layer in range(96)]
    path = write_model(tmp_path / "m.gguf", **{"llama.block_count": 96, "llama.attention.head_count_kv": heads})
    assert read_header(path).metadata["llama.attention.head_count_kv"] == heads


@pytest.mark.parametrize("huge", [-1, 0, 2**31 - 1, 2**32 - 1])
def test_no_number_of_a_header_leads_astray(huge: int, tmp_path: Path) -> None:
    kind = Value(5 if huge < 0 else 4, huge)
    names = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count", "context_length")
    hostile = {f"llama.{name}": kind for name in names}
    hostile |= {f"llama.{name}": kind for name in ("attention.key_length", "ssm.inner_size", "nextn_predict_layers")}
    path = write_model(tmp_path / "m.gguf", **hostile)
    found = shape_of([read_header(path)])
    assert len(found.layers) <= 1024
    assert need(found, LoadSettings(ctx_size=4096)).total >= 0


def test_the_parts_of_a_split_model_are_one(tmp_path: Path) -> None:
    header = read_header(dense(tmp_path / "whole.gguf"))
    half = len(header.tensors) // 2
    # As llama-gguf-split does it: each file counts its places from its own start.
    first = header.tensors[half].offset
    moved = tuple(changed(tensor, offset=tensor.offset - first) for tensor in header.tensors[half:])
    parts = [changed(header, tensors=header.tensors[:half]), changed(header, tensors=moved)]
    settings = LoadSettings(ctx_size=4096)
    whole, split = need(shape_of([header]), settings).host, need(shape_of(parts), settings).host
    assert (split.kv_cache, split.compute) == (whole.kv_cache, whole.compute)
    assert abs(split.weights - whole.weights) < 2 * MIB, "only what lies between mapped parts differs"


def test_a_processor_that_rearranges_more_types_needs_more(tmp_path: Path) -> None:
    model = shape(untied, tmp_path)
    settings = LoadSettings(ctx_size=4096)
    here = need(model, settings).host.weights
    there = need(model, replace(settings, repacked=REPACKED_ON_ARM)).host.weights
    assert 1.5 < there / here < 2
