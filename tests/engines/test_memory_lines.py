"""What engines' logs say of memory: llama.cpp 0.5 as built here, and older builds and GPUs from reports of users."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.engines.output.memory_lines import MIB, GpuMemory, MemoryLines, Taken

PLAN = """\
0.00.187.258 I common_memory_breakdown_print: | memory breakdown [MiB] | total   free    self   model   context   compute    unaccounted |
0.00.187.282 I common_memory_breakdown_print: |   - Host               |                   33 =     8 +       8 +      17                |
0.00.187.283 I common_memory_breakdown_print: |   - CPU_REPACK         |                   15 =    15 +       0 +       0                |
0.00.191.000 I common_fit_params: fitting params to free memory took 0.17 seconds
"""  # noqa: E501 - as it was written

# The layout of common/fit.cpp for a GPU, with the numbers of ggml-org/llama.cpp#17542's kind of machine
GPU_PLAN = """\
common_memory_breakdown_print: | memory breakdown [MiB]  | total    free     self   model   context   compute    unaccounted |
common_memory_breakdown_print: |   - CUDA0 (RTX 3080)    | 10238 = 8100 + ( 6187 =  4000 +    2000 +     187) +       -4049 |
common_memory_breakdown_print: |   - Host                |                   533 =   500 +       0 +      33                |
"""  # noqa: E501


HALF = MIB // 2
"""Rows are cut to whole MiB."""


def read(text: str) -> MemoryLines:
    lines = MemoryLines()
    for line in text.encode().split(b"\n"):
        lines.read(line)
    return lines


def test_what_is_kept_twice_for_the_processor_counts_for_the_host() -> None:
    lines = read(PLAN)
    assert lines.planned == {"Host": Taken(weights=24 * MIB, kv_cache=8 * MIB + HALF, compute=17 * MIB + HALF)}
    assert lines.fitted


def test_a_gpu_s_row_has_its_room_as_well() -> None:
    lines = read(GPU_PLAN)
    assert lines.planned == {
        "CUDA0": Taken(weights=4000 * MIB + HALF, kv_cache=2000 * MIB + HALF, compute=187 * MIB + HALF),
        "Host": Taken(weights=500 * MIB + HALF, compute=33 * MIB + HALF),
    }
    assert lines.gpu_memory == {"CUDA0": GpuMemory("RTX 3080", 10238 * MIB, 8100 * MIB)}


def test_of_several_plans_the_last_counts() -> None:
    assert read(GPU_PLAN + PLAN).planned.keys() == {"Host"}


def test_a_draft_model_s_plan_comes_on_top() -> None:
    table, end = PLAN.rsplit("0.00.191", 1)
    told = "I common_params_fit_impl: getting device memory data for the extra model at a context size of 4096:\n"
    assert read(GPU_PLAN + table + told + table + "0.00.191" + end).planned == {
        "Host": Taken(weights=48 * MIB, kv_cache=17 * MIB, compute=35 * MIB)
    }


@pytest.mark.parametrize(
    ("line", "device", "taken"),
    [
        ("load_tensors:   CPU_Mapped model buffer size =    14.00 MiB", "Host", Taken(weights=14 * MIB)),
        ("load_tensors:   CPU_REPACK model buffer size =    15.00 MiB", "Host", Taken(weights=15 * MIB)),
        ("load_tensors:    CUDA_Host model buffer size =    92.00 MiB", "Host", Taken(weights=92 * MIB)),
        ("load_tensors:  MTL0_Mapped model buffer size =     7.00 MiB", "MTL0", Taken(weights=7 * MIB)),
        ("llm_load_tensors:      CUDA0 buffer size = 4096.00 MiB", "CUDA0", Taken(weights=4096 * MIB)),
        ("llama_kv_cache_init:      CUDA0 KV buffer size =  1952.00 MiB", "CUDA0", Taken(kv_cache=1952 * MIB)),
        ("llama_memory_recurrent:  CPU RS buffer size =     2.00 MiB", "Host", Taken(kv_cache=2 * MIB)),
        ("llama_context:        CPU  output buffer size =     4.00 MiB", "Host", Taken(kv_cache=4 * MIB)),
        ("sched_reserve:      CUDA0 compute buffer size =   164.00 MiB", "CUDA0", Taken(compute=164 * MIB)),
        ("alloc_compute_meta:   CPU compute buffer size =    50.00 MiB", "Host", Taken(projector=50 * MIB)),
        ("load_hparams: model size:         190.00 MiB", "Host", Taken(projector=190 * MIB)),
    ],
)
def test_a_buffer_counts_for_its_device(line: str, device: str, taken: Taken) -> None:
    assert read(line).taken == {device: taken}


def test_buffers_of_a_model_that_was_only_tried_on_do_not_count() -> None:
    tried = "sched_reserve:        CPU compute buffer size =    98.00 MiB\n"
    assert read(tried + PLAN + tried).taken == {"Host": Taken(compute=98 * MIB)}


def test_the_projector_is_part_of_the_plan() -> None:
    lines = read(
        "I srv load_model: [mtmd] estimated worst-case memory usage of mmproj is 812.00 MiB (took 9 ms)\n" + PLAN
    )
    assert lines.planned["Host"].projector == 812 * MIB


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_line_does_harm(junk: bytes) -> None:
    lines = MemoryLines()
    for start in (
        b"common_memory_breakdown_print: |   - ",
        b"x: CPU model buffer size = ",
        b"load_hparams: model size: ",
    ):
        lines.read(start + junk)
        lines.read(start + b"9..9. MiB" + junk)
    assert all(taken.total >= 0 for taken in lines.taken.values())
