"""What engines' output tells, and what it can not be made to tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.engines.output.context_lines import ContextLines
from sidecar.engines.output.memory_lines import Taken
from sidecar.engines.output.start_output import STATE_LINE, STATE_PREFIX, EngineOutput, GpuLines, Progress
from tests.engines import recordings


def state(json: str) -> bytes:
    return STATE_LINE + json.encode()


def loading(current: str, value: float, *stages: str) -> bytes:
    names = ",".join(f'"{stage}"' for stage in stages)
    return state(f'{{"state":"loading","payload":{{"stages":[{names}],"current":"{current}","value":{value}}}}}')


def test_a_recorded_start_tells_all_that_is_known() -> None:
    output = EngineOutput()
    for line in recordings.log("llama-server-start")[1]:
        (output.read_state if line.startswith(STATE_PREFIX.decode()) else output.read_log)(line.encode())
    assert output == EngineOutput(
        prefixed=True,
        supervised=True,
        ready=True,
        progress=Progress("text_model", 1.0),
        warming=True,
        port=45449,
        build="0 (unknown)",
        offloaded=(31, 31),
        memory=output.memory,
        context=ContextLines(tokens=1024, unified=True),
        gpu_lines=GpuLines(backends={"CPU"}),
    )
    assert (output.memory.taken, output.memory.fitted) == (
        {"Host": Taken(weights=96_573_849, kv_cache=24_379_392, compute=15_214_837)},
        True,
    )
    assert (output.gpu_layers, output.total_layers) == (0, 31)


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (loading("text_model", 0.5, "text_model"), Progress("text_model", 0.5)),
        (loading("text_model", 0.5, "text_model", "mmproj_model"), Progress("text_model", 0.25)),
        (loading("mmproj_model", 0.5, "text_model", "mmproj_model"), Progress("mmproj_model", 0.75)),
        (loading("mmproj_model", 1, "text_model", "mmproj_model"), Progress("mmproj_model", 1.0)),
        (loading("other", 0.5, "text_model"), Progress("other", 0.5)),
        (loading("text_model", 7, "text_model"), Progress("text_model", 1.0)),
        (loading("text_model", -1, "text_model"), Progress("text_model", 0.0)),
        (loading("text_model", 0.5), Progress("text_model", 0.5)),
        (state('{"state":"loading"}'), Progress("text_model", 0.0)),
    ],
)
def test_progress_is_told_over_all_stages(line: bytes, progress: Progress) -> None:
    output = EngineOutput()
    assert output.read_state(line)
    assert output == EngineOutput(supervised=True, progress=progress, warming=progress.value >= 1)


def test_a_further_stage_ends_the_warming_up() -> None:
    output = EngineOutput()
    for line in (loading("a", 1, "a"), loading("b", 0, "a", "b")):
        output.read_state(line)
    assert output == EngineOutput(supervised=True, progress=Progress("b", 0.5), warming=False)


@pytest.mark.parametrize(
    "line",
    [
        STATE_PREFIX + b"ready",  # builds of late 2025
        STATE_PREFIX + b"info:{}",
        state(""),
        state("{"),
        state("[]"),
        state('{"state":7}'),
        state('{"state":"loading","payload":7}'),
        state('{"state":"loading","payload":{"value":"much"}}'),
        state('{"state":"loading","payload":' + "[" * 100_000),
        STATE_LINE + b'{"state":"\xff"}',
        STATE_LINE + b'{"state":"\xed\xa0\x80"}',
    ],
)
def test_garbage_in_a_state_line_changes_nothing(line: bytes) -> None:
    output = EngineOutput()
    assert not output.read_state(line)
    assert output == EngineOutput()


def test_a_state_that_is_not_known_says_only_that_there_are_states() -> None:
    output = EngineOutput()
    assert output.read_state(state('{"state":"sleeping","payload":{}}'))
    assert output == EngineOutput(supervised=True)


@pytest.mark.parametrize(
    ("line", "port"),
    [
        ("0.01.844.949 I srv  llama_server: listening on http://127.0.0.1:45449", 45449),
        ("main: server is listening on http://127.0.0.1:8080 - starting the main loop", 8080),
        ("0.00.1 I srv  llama_server: listening on http://[::1]:8081", 8081),
        ("embedded engine: listening on http://127.0.0.1:8082", 8082),
        ("INFO:     Uvicorn running on http://127.0.0.1:8083 (Press CTRL+C to quit)", 8083),
        ("0.00.1 I srv  llama_server: listening on unix:///run/x.sock", None),
        ("listening on http://127.0.0.1:999999", None),
        ("listening on http://127.0.0.1", None),
        ("listening on nothing", None),
    ],
)
def test_the_port_is_read_from_the_log(line: str, port: int | None) -> None:
    output = EngineOutput()
    output.read_log(line.encode())
    assert (output.port, output.offloaded, output.build) == (port, None, None)


ALL = "load_tensors: offloaded 31/31 layers to GPU"
MAPPED = "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB"
PINNED = "load_tensors:    CUDA_Host model buffer size =    92.10 MiB"
CUDA = "load_tensors:        CUDA0 model buffer size =  4096.00 MiB"
OLD = ["llm_load_tensors: offloaded 39/41 layers to GPU", "llm_load_tensors:      CUDA0 buffer size = 45460.59 MiB"]


@pytest.mark.parametrize(
    ("lines", "gpu_layers", "total_layers"),
    [
        ([], None, None),
        ([ALL], None, 31),
        ([ALL, MAPPED], 0, 31),
        ([ALL, MAPPED, PINNED], 0, 31),
        (["load_tensors: offloaded 20/31 layers to GPU", MAPPED, CUDA], 20, 31),
        (OLD, 39, 41),
        ([CUDA], None, None),
    ],
)
def test_layers_count_as_on_a_gpu_only_where_a_gpu_holds_some(
    lines: list[str], gpu_layers: int | None, total_layers: int | None
) -> None:
    output = EngineOutput()
    output.read_log("\n".join(lines).encode())
    assert (output.gpu_layers, output.total_layers) == (gpu_layers, total_layers)


def test_devices_are_remembered_up_to_a_bound() -> None:
    output = EngineOutput()
    for number in range(1000):
        output.read_log(b"load_tensors: X%d model buffer size = 1.0 MiB" % number)
    assert len(output.memory.taken) == 256


def test_only_lines_that_say_something_are_news() -> None:
    output = EngineOutput()
    assert [
        output.read_log(line) for line in (b"", b"I load: 0 unused tokens", b"running on empty", b"buffer size")
    ] == [False] * 4
    assert output.read_log(b"x\nI common_init_: warming up the model with an empty run\ny")
    assert output == EngineOutput(warming=True)


@given(st.binary())
def test_any_bytes_are_taken_in(data: bytes) -> None:
    output = EngineOutput()
    output.read_log(data)
    output.read_log(b"listening on http://" + data)
    output.read_state(STATE_LINE + data)
