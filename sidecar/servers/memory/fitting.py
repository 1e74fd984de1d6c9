"""Whether a need fits into the free memory, and how far settings can be raised before it does not.

Pure. Owns reserves, margins, the searches, and the order in which settings are lowered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from sidecar.library.gguf.model_shape import ModelShape
from sidecar.servers.memory.formula import CELL_STEP, LoadSettings, Need

HOST_RESERVE = 256 * 1024 * 1024
"""Main memory that stays free: for the page cache, for programs that grow, for the engine's own requests."""

RESERVE_SHARE = 16
"""The reserve is at most this part of all the memory: a container of 1 GiB holds no other programs that grow."""

GPU_RESERVE = 1024 * 1024 * 1024
"""Memory that llama.cpp leaves free on each GPU (--fit-target); the engine itself reduces a start that needs more."""

MAX_CTX = 16 * 1024 * 1024
"""The upper end of the search for the largest context if the model's header names none."""

MIN_CTX = 512
"""A context that still holds a question and an answer."""

SMALL_UBATCH = 128
"""A step that still keeps a processor busy."""

Estimate = Callable[[LoadSettings], Need]
"""The memory that settings need."""


class Free(msgspec.Struct, frozen=True):
    """The memory that is free now, in bytes; `None` if it is not known.

    Attributes:
        shared: for each GPU, whether its memory is main memory; missing for none.
        host_total: all main memory that may be used.
    """

    host: int | None
    gpus: tuple[int | None, ...] = ()
    shared: tuple[bool, ...] = ()
    host_total: int | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A setting to lower.

    Attributes:
        settings: the settings with this change and those before it.
        frees: bytes that this change alone frees, over all devices.
        fits_then: whether the model fits with this change and those before it.
    """

    setting: str
    value: int | str
    settings: LoadSettings
    reason: str
    frees: int = 0
    fits_then: bool = False


class Fitting(msgspec.Struct, frozen=True):
    """The question whether one model fits.

    Attributes:
        margin: how far off `estimate` may be, as a fraction.
    """

    shape: ModelShape
    estimate: Estimate
    free: Free
    margin: float

    def short(self, found: Need) -> list[int]:
        """Bytes that are missing on the host and on each GPU, with margin and reserve; 0 where it fits."""
        shared = [gpu.total for gpu, is_shared in zip(found.gpus, self.free.shared, strict=False) if is_shared]
        on_host = found.host.total - found.droppable + sum(shared)
        total = self.free.host_total
        reserve = HOST_RESERVE if total is None else min(HOST_RESERVE, total // RESERVE_SHARE)
        return [
            self._short(on_host, self.free.host, reserve),
            *(self._short(gpu.total, *self._room(index)) for index, gpu in enumerate(found.gpus)),
        ]

    def _room(self, index: int) -> tuple[int | None, int]:
        """The free memory of a GPU, and what stays free of it."""
        free = self.free.gpus[index]
        if index < len(self.free.shared) and self.free.shared[index]:
            known = [one for one in (free, self.free.host) if one is not None]
            return min(known, default=None), HOST_RESERVE
        return free, GPU_RESERVE

    def fits(self, settings: LoadSettings) -> bool:
        """Whether these settings fit everywhere."""
        return not any(self.short(self.estimate(settings)))

    def largest_ctx(self, settings: LoadSettings) -> int | None:
        """The largest context that fits, up to the model's own; `None` where not even the smallest does."""
        trained = self.shape.trained_for
        most = max(1, -(-(trained or MAX_CTX) // CELL_STEP))
        steps = _largest(
            1, most, lambda steps: self.fits(msgspec.structs.replace(settings, ctx_size=steps * CELL_STEP))
        )
        if steps is None:
            return None
        return min(steps * CELL_STEP, trained or MAX_CTX)

    def most_layers(self, settings: LoadSettings) -> int | None:
        """The most layers that fit on the GPUs; 0 if none fits, `None` if there is no GPU.

        The host's memory is not considered: if it is short in any case, the GPUs are used as far as possible.
        """
        if not settings.gpus:
            return None
        every = len(self.shape.layers) + 1

        def fit(layers: int) -> bool:
            return not any(self.short(self.estimate(msgspec.structs.replace(settings, gpu_layers=layers)))[1:])

        return _largest(0, every, fit)

    def changes(self, settings: LoadSettings) -> Iterator[Change]:
        """The settings to lower, in order, until the model fits.

        First the memory of earlier prompts, then those that only shorten conversations, then those that cost a little
        quality, then those that cost speed.
        """
        now, whole = settings, self.estimate(settings)
        for lower in (_no_prompt_cache, self._shorter, _smaller_cache, _smaller_step, _fewer_slots, self._fewer_layers):
            change, alone = lower(now), lower(settings)
            if change is None or alone is None:
                continue
            frees = whole.total - self.estimate(alone.settings).total
            if change.setting == "n_gpu_layers":  # the layers move to the host
                frees = _on_gpus(whole) - _on_gpus(self.estimate(alone.settings))
            if frees <= 0:
                continue
            now = change.settings
            fits = self.fits(now)
            yield msgspec.structs.replace(change, frees=frees, fits_then=fits)
            if fits:
                return

    def _shorter(self, settings: LoadSettings) -> Change | None:
        current = settings.ctx_size or self.shape.trained_for
        shortest = min(MIN_CTX, current)
        best = max(self.largest_ctx(settings) or shortest, shortest)
        if best >= current:
            return None
        return Change(
            setting="ctx_size",
            value=best,
            settings=msgspec.structs.replace(settings, ctx_size=best),
            reason="The cache grows with the context; answers stay as good, conversations are cut earlier.",
        )

    def _fewer_layers(self, settings: LoadSettings) -> Change | None:
        best = self.most_layers(settings)
        if best is None or best >= settings.gpu_layers:
            return None
        return Change(
            setting="n_gpu_layers",
            value=best,
            settings=msgspec.structs.replace(settings, gpu_layers=best),
            reason="The other layers run on the CPU, which is several times slower.",
        )

    def _short(self, needed: int, free: int | None, reserve: int) -> int:
        if free is None or not needed:
            return 0
        return max(0, int(needed * (1 + self.margin)) + reserve - free)


def _no_prompt_cache(settings: LoadSettings) -> Change | None:
    if not settings.cache_ram:
        return None
    return Change(
        setting="cache_ram_mib",
        value=0,
        settings=msgspec.structs.replace(settings, cache_ram=0),
        reason="Earlier prompts are not kept; returning to another conversation reads it again.",
    )


def _smaller_cache(settings: LoadSettings) -> Change | None:
    if settings.cache_type_k not in ("f16", "bf16", "f32") or not settings.flash_attn:
        return None
    return Change(
        setting="cache_type_k",
        value="q8_0",
        settings=msgspec.structs.replace(settings, cache_type_k="q8_0", cache_type_v="q8_0"),
        reason="With cache_type_v q8_0 as well: half the cache, with hardly a difference in the answers.",
    )


def _smaller_step(settings: LoadSettings) -> Change | None:
    if settings.ubatch <= SMALL_UBATCH:
        return None
    return Change(
        setting="ubatch_size",
        value=SMALL_UBATCH,
        settings=msgspec.structs.replace(settings, ubatch=SMALL_UBATCH),
        reason="Less working memory; long prompts are read more slowly.",
    )


def _fewer_slots(settings: LoadSettings) -> Change | None:
    if settings.parallel == 1:
        return None
    return Change(
        setting="parallel",
        value=1,
        settings=msgspec.structs.replace(settings, parallel=1),
        reason="One message is answered at a time; this frees much only with models that keep a state or a window.",
    )


def _on_gpus(found: Need) -> int:
    return sum(gpu.total for gpu in found.gpus)


def _largest(low: int, high: int, good: Callable[[int], bool]) -> int | None:
    """The largest good number between low and high, by bisection; `None` if low is not good."""
    if high < low or not good(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if good(middle) else (low, middle - 1)
    return low
