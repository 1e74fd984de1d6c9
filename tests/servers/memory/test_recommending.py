"""Which settings are recommended, by what a model would take and by the machine's cores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.contract.memory import MemoryEstimate, RecommendSettingsResult
from sidecar.contract.server_settings import ServerSettings
from sidecar.engines.kinds.embedded import Embedded
from sidecar.engines.launch import Launch
from sidecar.servers.memory import recommending
from sidecar.servers.memory.recommending import Cores, recommend

pytestmark = pytest.mark.anyio

TRAINED_FOR = 32768
LAUNCH = Launch(
    engine=Embedded("1"),
    model_name="tiny",
    model_path=Path("/tiny.gguf"),
    ctx_size=4096,
    parallel=4,
    n_gpu_layers=-1,
    settings=ServerSettings(),
)


def estimate(largest: Callable[[Launch], int | None], layers: int | None = None) -> recommending.Estimate:
    """What a model takes that fits up to so many tokens."""

    async def estimated(launch: Launch) -> MemoryEstimate:
        most, ctx_size = largest(launch), launch.ctx_size or TRAINED_FOR
        return MemoryEstimate(
            model="tiny",
            model_path="/tiny.gguf",
            engine="embedded",
            ctx_size=ctx_size,
            parallel=launch.parallel,
            n_gpu_layers=0,
            total_layers=31,
            method="formula",
            error_margin=0.1,
            observations=0,
            devices=[],
            total_bytes=0,
            fits=most is not None and ctx_size <= most,
            message="",
            largest_ctx_size=most,
            largest_n_gpu_layers=layers,
            lower_first=[],
            notes=[],
        )

    return estimated


async def recommended(found: recommending.Estimate) -> RecommendSettingsResult:
    return await recommend(LAUNCH, found, chosen={"model": "tiny"})


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommending, "read_cores", lambda: Cores(4, 0.2))


async def test_a_model_that_fits_gets_its_own_context_and_nothing_is_made_smaller() -> None:
    found = await recommended(estimate(lambda _: TRAINED_FOR))
    assert found.settings == {
        "model": "tiny",
        "threads": 3,
        "n_gpu_layers": 0,
        "ctx_size": TRAINED_FOR,
        "parallel": 4,
        "flash_attn": "auto",
    }
    assert found.fits


async def test_a_context_is_cut_before_the_cache_is_made_smaller() -> None:
    found = await recommended(estimate(lambda _: 9984))
    assert (found.settings["ctx_size"], "cache_type_k" in found.settings) == (9984, False)


async def test_a_context_that_would_be_of_no_use_makes_the_cache_smaller() -> None:
    found = await recommended(estimate(lambda launch: 8192 if launch.settings.cache_type_k else 4096))
    names = ("ctx_size", "cache_type_k", "cache_type_v", "flash_attn")
    assert [found.settings[name] for name in names] == [8192, "q8_0", "q8_0", "on"]
    assert found.fits


async def test_what_does_not_fit_at_all_is_said_to() -> None:
    found = await recommended(estimate(lambda _: None))
    assert (found.fits, found.settings["parallel"]) == (False, 1)


@pytest.mark.parametrize(("layers", "value"), [(31, -1), (20, 20), (0, 0)])
async def test_as_many_layers_as_fit_go_to_the_gpu(layers: int, value: int) -> None:
    found = await recommended(estimate(lambda _: TRAINED_FOR, layers))
    assert found.settings["n_gpu_layers"] == value


@pytest.mark.parametrize(
    ("cores", "threads"),
    [
        (Cores(1, 5.0), 1),
        (Cores(2, 0.0), 1),
        (Cores(2, 7.0), 1),
        (Cores(8, 0.9), 7),
        (Cores(8, 2.5), 5),
        (Cores(8, 99.0), 3),
    ],
)
async def test_a_core_is_left_for_others_and_those_they_use_as_well(
    cores: Cores, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommending, "read_cores", lambda: cores)
    found = await recommended(estimate(lambda _: TRAINED_FOR))
    assert found.settings["threads"] == threads
    assert "core" in found.reasons[0].reason
