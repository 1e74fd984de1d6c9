"""The memory that a start needs, computed from a model's shape and the settings.

Pure. Follows llama.cpp 0.5 (the build in build/locks): src/llama-model.cpp for where layers go, src/llama-kv-cache.cpp,
-iswa.cpp and src/llama-memory-recurrent.cpp for the cache, ggml-cpu/repack.cpp for weights that are kept twice. Working
memory (`compute_bytes`) was found by measurement: the buffers that live together in the worst step, to within 4 % for
the shapes of tests/memory.
"""

from __future__ import annotations

import platform
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import msgspec

from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.launch import ALL_LAYERS, Launch
from sidecar.library.gguf.model_shape import Layer, ModelShape, Weight
from sidecar.library.gguf.reader import TENSOR_TYPES

HOST = "Host"

EMBEDDING = "token_embd.weight"

CELL_STEP = 256
"""The context and the window's cache are rounded up to this (GGML_PAD in llama-context.cpp and llama-kv-cache-iswa)."""

FLOAT_BYTES, HALF_BYTES = 4, 2
MIB = 1024 * 1024

REPACKED = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
"""Types that are repacked for a processor with AVX2 (ggml_repack_get_optimal_repack_type): the mapped file stays, and a
second copy is made. Rows are repacked in groups of eight."""

REPACKED_ON_ARM = REPACKED | {"Q5_K", "Q6_K", "Q8_0"}
"""The same for ARM with dot products (untested); without them, the plan is too large."""

BATCH, UBATCH = 2048, 512

_UNMAPPED = frozenset({"--no-mmap", "--load-mode"})

_SIZES = {name: (block, size) for name, block, size in TENSOR_TYPES.values()}


class LoadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that memory depends on, with every default filled in.

    Attributes:
        ctx_size: in tokens; 0 is the model's own.
        gpu_layers: layers on GPUs, the output layer included.
        gpus: free bytes of each GPU that layers may go to.
        split: proportions of the model on the GPUs; empty for their free memory.
        cache_ram: bytes for earlier prompts.
        swa_full: layers with a window keep the whole context.
        mapped: weights are mapped from the file, which is the default.
        repacked: types that are repacked for the machine's processor.
    """

    ctx_size: int
    parallel: int = 1
    batch: int = BATCH
    ubatch: int = UBATCH
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    flash_attn: bool = True
    gpu_layers: int = 0
    cpu_moe: int = 0
    gpus: tuple[int, ...] = ()
    split: tuple[float, ...] = ()
    cache_ram: int = 0
    swa_full: bool = False
    mapped: bool = True
    repacked: frozenset[str] = REPACKED


def load_settings(launch: Launch, gpus: Sequence[int]) -> LoadSettings:
    """The settings of a launch, with the engine's defaults filled in (common/common.h).

    -1 for the layers becomes all of them here: the caller decides how many fit.

    Args:
        gpus: free bytes of each GPU that the engine can use.
    """
    given = launch.settings
    layers = ALL_LAYERS if launch.n_gpu_layers < 0 else launch.n_gpu_layers
    return LoadSettings(
        ctx_size=launch.ctx_size,
        parallel=launch.parallel,
        batch=given.batch_size or BATCH,
        ubatch=given.ubatch_size or UBATCH,
        cache_type_k=given.cache_type_k or "f16",
        cache_type_v=given.cache_type_v or "f16",
        flash_attn=given.flash_attn not in (False, "off"),
        gpu_layers=layers if gpus else 0,
        cpu_moe=given.n_cpu_moe or 0,
        gpus=tuple(gpus),
        split=_split(given, len(gpus)),
        cache_ram=max(0, launch.cache_ram_mib or 0) * MIB,
        swa_full=bool(given.swa_full),
        repacked=REPACKED_ON_ARM if platform.machine().lower() in ("arm64", "aarch64") else REPACKED,
        mapped=not (_UNMAPPED & set(given.extra_args or ()) or given.no_mmap),
    )


def draft_settings(settings: LoadSettings, given: ServerSettings) -> LoadSettings:
    """The settings of a draft model beside a model with these settings (common_speculative_init in llama.cpp)."""
    layers = given.spec_draft_n_gpu_layers
    return msgspec.structs.replace(
        settings,
        cpu_moe=0,
        cache_ram=0,
        gpu_layers=ALL_LAYERS if settings.gpus and (layers is None or layers < 0) else layers or 0,
        cache_type_k="f16",
        cache_type_v="f16",
    )


def _split(given: ServerSettings, gpus: int) -> tuple[float, ...]:
    if given.split_mode == "none":
        return tuple(float(index == (given.main_gpu or 0)) for index in range(gpus))
    chosen = (given.tensor_split or [])[:gpus]
    return (*chosen, *(0.0 for _ in range(gpus - len(chosen)))) if any(chosen) else ()


class Parts(msgspec.Struct):
    """What is needed of one device's memory, in bytes."""

    weights: int = 0
    kv_cache: int = 0
    compute: int = 0
    projector: int = 0
    program: int = 0
    prompt_cache: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv_cache + self.compute + self.projector + self.program + self.prompt_cache


class Need(msgspec.Struct):
    """What is needed of the memory of each device.

    Attributes:
        gap: bytes of the host's weights that are mapped only because they lie between others.
        droppable: bytes of the host's weights that the system can take back without harm: the gap, of which a copy is
            used, and a mapped table of embeddings of which only some rows are read.
    """

    host: Parts = msgspec.field(default_factory=Parts)
    gpus: list[Parts] = msgspec.field(default_factory=list)
    gap: int = 0
    droppable: int = 0

    @property
    def total(self) -> int:
        return self.host.total + sum(gpu.total for gpu in self.gpus)


def need(shape: ModelShape, settings: LoadSettings) -> Need:
    """What a model needs with these settings, without the projector and the program itself."""
    found = Need(gpus=[Parts() for _ in settings.gpus])
    places = [_gpu_of(index, shape, settings) for index in range(len(shape.layers) + 1)]  # the last is the output layer
    _place_weights(found, shape, settings, places)
    for index, layer in enumerate(shape.layers):
        _at(found, places[index]).kv_cache += cache_bytes(layer, shape.window, settings, cells(shape, settings))
    found.host.prompt_cache = settings.cache_ram
    outputs = settings.parallel * shape.vocabulary * FLOAT_BYTES  # llama_context::output_reserve
    found.host.kv_cache += outputs
    working = compute_bytes(shape, settings)
    used = {place for place in places if place is not None}
    if not used:
        found.host.compute = working
    for place in used:
        found.gpus[place].compute = working
        found.host.compute = _tokens(shape, settings) * shape.width * FLOAT_BYTES + _masks(shape, settings, flash=True)
    return found


def cells(shape: ModelShape, settings: LoadSettings) -> int:
    """Places in the KV cache; all messages share them (kv_unified)."""
    return _padded(settings.ctx_size or shape.trained_for)


def cache_bytes(layer: Layer, window: int, settings: LoadSettings, all_cells: int) -> int:
    """A layer's cache and state (llama_kv_cache, llama_kv_cache_iswa, llama_memory_recurrent)."""
    own = _window_cells(window, settings, all_cells) if layer.windowed else all_cells
    rows = row_bytes(settings.cache_type_k, layer.k_row) + row_bytes(settings.cache_type_v, layer.v_row)
    return own * rows + layer.state * FLOAT_BYTES * settings.parallel


def compute_bytes(shape: ModelShape, settings: LoadSettings) -> int:
    """Working memory: the largest of what the steps attention, feed-forward, recurrence and output need.

    With flash attention the masks are halves; without, they are floats and every head also has a row of scores.
    """
    tokens, row = _tokens(shape, settings), FLOAT_BYTES
    masks = _masks(shape, settings, flash=settings.flash_attn)
    attention = tokens * row * (shape.attention_floats if settings.flash_attn else shape.attention_floats_plain)
    if not settings.flash_attn and shape.attention_floats:
        attention += shape.heads * cells(shape, settings) * tokens * row
    feed_forward = tokens * row * shape.feed_forward_floats
    recurrent = tokens * row * shape.recurrent_floats + settings.parallel * shape.state_elements * row
    outputs = settings.parallel * shape.vocabulary * row + tokens * row * shape.width
    return max(masks + attention, masks + feed_forward, recurrent if shape.recurrent_floats else 0, outputs)


def row_bytes(kind: str, elements: int) -> int:
    """ggml_row_size."""
    block, size = _SIZES[kind.upper()]
    return -(-elements // block) * size


def _padded(count: int) -> int:
    return -(-count // CELL_STEP) * CELL_STEP


def _tokens(shape: ModelShape, settings: LoadSettings) -> int:
    return min(cells(shape, settings), settings.batch, settings.ubatch)


def _window_cells(window: int, settings: LoadSettings, all_cells: int) -> int:
    if settings.swa_full:
        return all_cells
    return _padded(min(all_cells, window * settings.parallel + settings.ubatch))


def _masks(shape: ModelShape, settings: LoadSettings, *, flash: bool) -> int:
    """The attention masks: one for the layers with full attention, one for those with a window."""
    all_cells, attending = cells(shape, settings), [layer for layer in shape.layers if layer.k_row]
    count = all_cells if any(not layer.windowed for layer in attending) else 0
    if any(layer.windowed for layer in attending):
        count += _window_cells(shape.window, settings, all_cells)
    return count * _tokens(shape, settings) * (HALF_BYTES if flash else FLOAT_BYTES)


def _gpu_of(index: int, shape: ModelShape, settings: LoadSettings) -> int | None:
    """The GPU of a layer, `None` for the CPU (get_layer_buft_list): the last ones are on GPUs, by free memory."""
    every = len(shape.layers) + 1
    on_gpus = min(settings.gpu_layers, every)
    start = every - on_gpus
    if not settings.gpus or index < start:
        return None
    shares: Sequence[float] = settings.split or settings.gpus
    free = sum(shares)
    splits = [part / free for part in accumulate(shares)] if free else [1.0] * len(settings.gpus)
    return min(bisect_right(splits, (index - start) / on_gpus), len(settings.gpus) - 1)


def _at(found: Need, place: int | None) -> Parts:
    return found.host if place is None else found.gpus[place]


def _place_weights(found: Need, shape: ModelShape, settings: LoadSettings, places: Sequence[int | None]) -> None:
    on_host: list[Weight] = []
    output = places[-1]
    for weight in shape.weights:
        if weight.layer is not None:
            place = places[weight.layer]
            if weight.expert and weight.layer < settings.cpu_moe:
                place = None
        else:
            place = output if weight.name.startswith("output") else None
            if weight.name == EMBEDDING and shape.tied and output is not None:
                found.gpus[output].weights += weight.bytes  # once more, as the output layer
        if place is None:
            on_host.append(weight)
        else:
            found.gpus[place].weights += weight.bytes
    # With a GPU in the machine llama.cpp repacks nothing for the CPU (make_cpu_buft_list).
    twice = [] if settings.gpus else [weight for weight in on_host if _repacked(weight, shape, settings)]
    found.host.weights = sum(weight.bytes for weight in twice)
    gone = {weight.name for weight in twice} - {EMBEDDING}
    once = [weight for weight in on_host if weight.name not in gone]
    found.gap = _span(once) - sum(weight.bytes for weight in once) if settings.mapped else 0
    found.host.weights += sum(weight.bytes for weight in once) + found.gap
    multiplied = shape.tied and output is None and EMBEDDING not in {weight.name for weight in twice}
    if settings.mapped and not multiplied:  # only the rows of a prompt's tokens are read
        found.droppable += sum(weight.bytes for weight in once if weight.name == EMBEDDING)
    found.droppable += found.gap


def _repacked(weight: Weight, shape: ModelShape, settings: LoadSettings) -> bool:
    flat = len(weight.dims) == 2 or weight.expert
    if weight.type not in settings.repacked or not flat or weight.dims[1] % 8:
        return False
    # If the embedding is also the output layer, llama.cpp makes a copy of it.
    return weight.layer is not None or weight.name == (EMBEDDING if shape.tied else "output.weight")


def _span(weights: Sequence[Weight]) -> int:
    """The mapped bytes: of each file, from the first used tensor to the last, with everything in between."""
    files: dict[int, tuple[int, int]] = {}
    for weight in weights:
        start, end = files.get(weight.file, (weight.start, weight.end))
        files[weight.file] = min(start, weight.start), max(end, weight.end)
    return sum(end - start for start, end in files.values())
