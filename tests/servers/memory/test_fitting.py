"""Whether it fits, how far it can go, and what to lower first."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sidecar.library.gguf.model_shape import Layer, ModelShape
from sidecar.servers.memory.fitting import GPU_RESERVE, HOST_RESERVE, Fitting, Free
from sidecar.servers.memory.formula import LoadSettings, Need, Parts

GIB = 2**30
MIB = 2**20


def shape(layers: int = 8, trained_for: int = 32768) -> ModelShape:
    return ModelShape(
        architecture="llama",
        layers=(Layer(k_row=512, v_row=512),) * layers,
        weights=(),
        width=1024,
        vocabulary=1000,
        trained_for=trained_for,
        window=0,
        heads=8,
        attention_floats=0,
        attention_floats_plain=0,
        feed_forward_floats=0,
        recurrent_floats=0,
        state_elements=0,
    )


def linear(settings: LoadSettings) -> Need:
    """A GiB of weights, 64 KiB a token of f16 cache; a ninth of both on the GPU for each layer there."""
    half = 1 if settings.cache_type_k == "f16" else 2
    cache = (settings.ctx_size or 32768) * 64 * 1024 // half
    on_gpu = min(settings.gpu_layers, 9) / 9 if settings.gpus else 0
    gpu = Parts(weights=int(GIB * on_gpu), kv_cache=int(cache * on_gpu))
    host = Parts(weights=GIB - gpu.weights, kv_cache=cache - gpu.kv_cache, compute=settings.ubatch * MIB // 8)
    return Need(host=host, gpus=[gpu] if settings.gpus else [])


def fitting(host: int, *gpus: int, margin: float = 0.0) -> Fitting:
    return Fitting(shape(), linear, Free(host, gpus), margin)


def test_what_is_missing_counts_margin_and_reserve() -> None:
    settings = LoadSettings(ctx_size=16384, ubatch=8)
    need = linear(settings).host.total
    assert fitting(need + HOST_RESERVE).short(linear(settings)) == [0]
    assert fitting(need + HOST_RESERVE - 1).short(linear(settings)) == [1]
    assert fitting(need + HOST_RESERVE, margin=0.1).short(linear(settings)) == [pytest.approx(need * 0.1, abs=1)]


def test_each_gpu_counts_for_itself() -> None:
    settings = LoadSettings(ctx_size=16384, ubatch=8, gpu_layers=99, gpus=(GIB,))
    short = fitting(8 * GIB, GIB).short(linear(settings))
    assert short == [0, GIB + GPU_RESERVE]


@pytest.mark.parametrize(
    ("free", "largest"),
    [
        (GIB + HOST_RESERVE + MIB + 256 * 64 * 1024, 256),
        (GIB + HOST_RESERVE + MIB + 256 * 64 * 1024 - 1, None),
        (GIB + HOST_RESERVE + MIB + 10_000 * 64 * 1024, 9984),  # whole steps of 256
        (64 * GIB, 32768),  # the model's own
    ],
)
def test_the_largest_context_is_the_last_that_fits(free: int, largest: int | None) -> None:
    assert fitting(free).largest_ctx(LoadSettings(ctx_size=4096, ubatch=8)) == largest


@pytest.mark.parametrize(
    ("free", "layers"),
    [(GPU_RESERVE, 0), (GPU_RESERVE + 9 * GIB // 16 + MIB, 4), (64 * GIB, 9)],
)
def test_as_many_layers_go_to_the_gpu_as_fit(free: int, layers: int) -> None:
    settings = LoadSettings(ctx_size=4096, ubatch=8, gpus=(free,))
    assert fitting(GIB // 4, free).most_layers(settings) == layers
    assert fitting(GIB).most_layers(LoadSettings(ctx_size=4096)) is None


def test_settings_are_lowered_in_order_until_it_fits() -> None:
    settings = LoadSettings(ctx_size=32768)
    assert list(fitting(64 * GIB).changes(settings)) != [], "asked for, it says what could be lowered"
    [shorter] = fitting(2 * GIB).changes(settings)
    assert (shorter.setting, shorter.fits_then) == ("ctx_size", True)
    assert fitting(2 * GIB).fits(replace(settings, ctx_size=int(shorter.value)))
    assert shorter.frees == linear(settings).total - linear(shorter.settings).total
    everything = list(fitting(GIB).changes(settings))
    assert [change.setting for change in everything] == ["ctx_size", "cache_type_k", "ubatch_size"]
    assert not any(change.fits_then for change in everything)


def test_layers_are_taken_off_a_gpu_that_is_short() -> None:
    free = GPU_RESERVE + GIB // 2
    changes = list(fitting(64 * GIB, free).changes(LoadSettings(ctx_size=4096, gpu_layers=9, gpus=(free,))))
    assert changes[-1].setting == "n_gpu_layers"
    assert changes[-1].fits_then
