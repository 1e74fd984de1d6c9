"""Memory plans, recommended settings and the GPU's state over the wire, with an engine that says what it is told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fake_engine
from tests.library.gguf_files import Tensor, gguf_bytes, llama_metadata
from tests.raw_host import ANSWER_SECONDS, RawHost
from tests.servers.memory.shapes import Shape, dense

MIB = 1024 * 1024
HALF = MIB // 2
"""An engine's plan is told in whole MiB, cut."""

PLAN = """\
I common_memory_breakdown_print: | memory breakdown [MiB] | total free self model context compute unaccounted |
I common_memory_breakdown_print: |   - Host               |                   33 =     8 +       8 +      17      |
I common_memory_breakdown_print: |   - CPU_REPACK         |                   15 =    15 +       0 +       0      |
I common_fit_params: fitting params to free memory took 0.17 seconds"""

GPU_PLAN = """\
I common_memory_breakdown_print: | memory breakdown [MiB] | total free self model context compute unaccounted |
I common_memory_breakdown_print: |   - CUDA0 (RTX 3080)   | 10238 = 8100 + ( 1024 = 800 + 200 + 24) + 1 |
I common_memory_breakdown_print: |   - Host               |                   60 =    50 +       0 +      10      |
I common_fit_params: fitting params to free memory took 0.17 seconds"""

ON_CPU = """\
I common_params: system_info: n_threads = 2 | CPU : SSE3 = 1 | AVX2 = 1 |
I load_tensors: offloaded 5/5 layers to GPU
I load_tensors:   CPU_Mapped model buffer size =    14.00 MiB
I load_tensors:   CPU_REPACK model buffer size =    15.27 MiB
I llama_context:        CPU  output buffer size =     0.49 MiB
I llama_kv_cache:        CPU KV buffer size =     8.00 MiB
I sched_reserve:        CPU compute buffer size =    17.00 MiB"""

Says = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHost]:
    with RawHost(tmp_path_factory.mktemp("memory") / "data") as host:
        yield host


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dense(tmp_path_factory.mktemp("models") / "tiny.gguf", Shape())


@pytest.fixture
def says(tmp_path: Path, model: Path) -> Says:
    """Settings for an engine that says this while it loads."""

    def settings(text: str) -> dict[str, Any]:
        folder = fake_engine.install(tmp_path / "llama.cpp", "--say-on-load", text)
        return {"llama_cpp_path": str(folder), "model_path": str(model)}

    return settings


def refused(host: RawHost, method: str, **params: Any) -> dict[str, Any]:
    error: dict[str, Any] = host.answer(host.begin(method, **params))["error"]
    return error


def test_an_engine_s_own_plan_is_believed(host: RawHost, says: Says) -> None:
    told = host.call("estimate_memory", **says(PLAN))
    [device] = told["devices"]
    assert (told["method"], device["device"], device["fits"]) == ("allocator", "Host", True)
    assert (device["kv_cache_bytes"], device["compute_bytes"]) == (8 * MIB + HALF, 17 * MIB + HALF)
    # 24 by the plan; what lies between those that are mapped is mapped as well.
    assert device["weights_bytes"] // MIB == 29
    assert told["largest_ctx_size"] == told["ctx_size"] * 8, "the model's own"
    assert told["lower_first"] == []


def test_a_gpu_has_a_plan_of_its_own(host: RawHost, says: Says) -> None:
    told = host.call("estimate_memory", **says(GPU_PLAN))
    main, gpu = told["devices"]
    assert (main["device"], gpu["device"], gpu["free_bytes"]) == ("Host", "CUDA0", 8100 * MIB)
    assert (gpu["weights_bytes"], gpu["kv_cache_bytes"]) == (800 * MIB + HALF, 200 * MIB + HALF)
    assert (told["fits"], told["largest_n_gpu_layers"], told["total_layers"]) == (True, 5, 5)


def test_an_engine_without_a_plan_leaves_it_to_the_formula(host: RawHost, says: Says) -> None:
    settings = says("I nothing of use") | {"n_gpu_layers": 0}
    told, quick = host.call("estimate_memory", **settings), host.call("estimate_memory", quick=True, **settings)
    for one in (told, quick):
        assert (one["method"], one["error_margin"]) == ("formula", 0.1)
        parts = one["devices"][0]
        assert [round(parts[name] / MIB, 1) for name in ("weights_bytes", "kv_cache_bytes", "compute_bytes")] == [
            29.3,
            8.5,
            17.0,
        ]


def test_what_does_not_fit_says_what_to_lower_and_by_how_much(host: RawHost, says: Says) -> None:
    told = host.call("estimate_memory", quick=True, ctx_size=2**31 - 1, **says(PLAN))
    assert told["fits"] is False
    assert told["devices"][0]["short_by_bytes"] > 2**30
    first = told["lower_first"][0]
    assert (first["setting"], first["fits_then"]) == ("ctx_size", True)
    assert host.call("estimate_memory", quick=True, ctx_size=first["value"], **says(PLAN))["fits"] is True


def test_recommended_settings_start_a_server(host: RawHost, says: Says) -> None:
    told = host.call("recommend_settings", **says(PLAN))
    assert told["fits"] is True
    assert {one["setting"]: one["value"] for one in told["reasons"]}.items() <= told["settings"].items()
    assert all(one["reason"] for one in told["reasons"])
    assert told["settings"]["ctx_size"] == 32768
    assert told["settings"]["n_gpu_layers"] == 0
    info = host.call("start_llama_server", server_id="recommended", **told["settings"])
    assert (info["ctx_size"], info["warning"]) == (32768, None)
    host.call("stop_llama_server", server_id="recommended")


def test_a_header_that_claims_the_impossible_does_not_fit(host: RawHost, says: Says, tmp_path: Path) -> None:
    names = ("block_count", "embedding_length", "feed_forward_length", "context_length", "attention.head_count_kv")
    most = {f"llama.{name}": 2**32 - 1 for name in (*names, "attention.key_length", "attention.value_length")}
    tensors = [Tensor(f"blk.{layer}.attn_k.weight") for layer in range(50)]
    path = tmp_path / "huge.gguf"
    path.write_bytes(gguf_bytes(llama_metadata(**most), tensors))
    told = host.call("estimate_memory", **(says("I nothing of use") | {"model_path": str(path), "ctx_size": 0}))
    assert (told["fits"], told["total_bytes"], told["largest_ctx_size"]) == (False, 2**53, None)


def test_a_model_that_is_none_is_refused(host: RawHost, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(60))
    assert refused(host, "estimate_memory", model_path=str(broken))["data"]["name"] in (
        "MODEL_INVALID",
        "ENGINE_NOT_FOUND",
    )


def test_a_start_teaches_the_next_plan(host: RawHost, says: Says) -> None:
    settings = says(f"{PLAN}\n{ON_CPU}")
    before = host.call("estimate_memory", **settings)
    info = host.call("start_llama_server", server_id="teacher", n_gpu_layers=0, **settings)
    assert [one["kv_cache_bytes"] for one in info["plan"]["memory"]] == [8 * MIB + HALF]
    assert [one["kv_cache_bytes"] for one in info["actual"]["memory"]] == [int(8.49 * MIB)]
    until = time.monotonic() + ANSWER_SECONDS
    after = before
    while after["observations"] == before["observations"] and time.monotonic() < until:
        after = host.call("estimate_memory", **settings)
    assert after["observations"] == before["observations"] + 1
    # Of the fake engine's memory next to nothing is a model's: the program itself is known now.
    assert after["devices"][0]["program_bytes"] < before["devices"][0]["program_bytes"]
    host.call("stop_llama_server", server_id="teacher")


def test_a_model_that_is_silently_on_the_cpu_gives_a_warning(host: RawHost, says: Says) -> None:
    settings = says(ON_CPU)
    info = host.call("start_llama_server", server_id="cpu", n_gpu_layers=20, **settings)
    assert (info["state"], info["actual"]["gpu_layers"]) == ("ready", 0)
    assert (info["warning"]["code"], info["warning"]["cause"]) == ("GPU_NOT_USED", "NO_GPU_BACKEND")
    assert host.call("get_server", server_id="cpu")["warning"] == info["warning"]
    logged = host.call("get_logs", source="sidecar", min_level="warning")["entries"]
    assert any("no GPU backend" in entry["message"] for entry in logged)
    host.call("stop_llama_server", server_id="cpu")


def test_nobody_who_did_not_want_a_gpu_is_warned(host: RawHost, says: Says) -> None:
    info = host.call("start_llama_server", server_id="cpu", n_gpu_layers=0, **says(ON_CPU))
    assert info["warning"] is None
    host.call("stop_llama_server", server_id="cpu")


def test_a_gpu_that_is_required_and_not_used_ends_the_start(host: RawHost, says: Says) -> None:
    error = refused(host, "start_llama_server", server_id="cpu", require_gpu=True, **says(ON_CPU))
    assert (error["data"]["name"], error["data"]["cause"]) == ("ENGINE_START_FAILED", "GPU_NOT_USED")
    assert "install_engine" in [remedy["action"] for remedy in error["data"]["remedies"]]
    assert host.call("is_llama_running", server_id="cpu") is False
