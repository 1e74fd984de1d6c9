"""GGUF headers made by accident or by malice: always a header or ModelInvalid, in little time and memory."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sidecar.contract.errors import ModelInvalid
from sidecar.library.gguf import values as gguf_window
from sidecar.library.gguf.header import GgufHeader
from sidecar.library.gguf.reader import read_header
from sidecar.library.inspection import inspect

from .gguf_files import (
    ARRAY,
    STRING,
    UINT32,
    Raw,
    Tensor,
    gguf_bytes,
    model_bytes,
    text,
)
from .mutations import HEADER_BYTES, SAMPLE, spoiled

CASES = 2000
"""Mutations of each seed: some seconds for all."""

SLOWEST_SECONDS = 5.0
"""What we promise for any file; the slowest takes 0.7 s on a laptop."""

MOST_MEMORY_BYTES = 64 * 1024 * 1024
"""For the worst file: names of 65,536 tensors and some copies on the way."""


def outcome(path: Path, data: bytes) -> list[GgufHeader | str]:
    """Reads the file both ways; anything but a header or ModelInvalid fails the test."""
    with path.open("r+b") as file:  # not anew: ext4 would write each of the thousands to the disk
        file.write(data)
        file.truncate()
    results: list[GgufHeader | str] = []
    for full in (True, False):
        try:
            results.append(read_header(path, full=full))
        except ModelInvalid as error:
            results.append(f"{error.message} {error.hint}")
    if isinstance(results[0], GgufHeader):
        msgspec.json.encode(inspect(path))
    return results


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all cases: they come by the thousand."""
    path = tmp_path_factory.mktemp("mutations") / "mutated.gguf"
    path.touch()
    return path


def test_the_sample_is_sound_before_it_is_mutated(path: Path) -> None:
    full, quick = outcome(path, SAMPLE)
    assert isinstance(full, GgufHeader)
    assert full == quick
    assert full.parameters == 256 * 4 * 2 + 64


@pytest.mark.case(37)
@pytest.mark.parametrize("seed", range(3))
def test_changed_bytes_give_a_header_or_model_invalid(path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - it shall be the same each time
    refused = 0
    for _ in range(CASES // 2):
        refused += isinstance(outcome(path, spoiled(rng))[0], str)
    assert refused > CASES // 20  # the mutations reach what is checked


@pytest.mark.case(37)
def test_a_file_cut_short_anywhere_is_never_taken_for_whole(path: Path) -> None:
    for length in range(0, len(SAMPLE), 3):
        full, _ = outcome(path, SAMPLE[:length])
        assert isinstance(full, str), length


@given(st.binary(max_size=400))
@example(b"GGUF")
@example(b"")
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_bytes_after_the_magic_never_raise_anything_else(path: Path, tail: bytes) -> None:
    outcome(path, b"GGUF" + tail)
    outcome(path, b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + tail)
    outcome(path, b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + tail)
    outcome(path, tail)


@given(
    start=st.integers(0, HEADER_BYTES),
    removed=st.integers(0, 64),
    inserted=st.binary(max_size=64),
    window=st.sampled_from([16, 24, 100, 16384]),
)
@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_moved_parts_give_the_same_through_a_window_of_any_size(
    path: Path, start: int, removed: int, inserted: bytes, window: int
) -> None:
    data = SAMPLE[:start] + inserted + SAMPLE[start + removed :]
    whole = outcome(path, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gguf_window, "FIRST_READ_BYTES", window)
        patch.setattr(gguf_window, "NEXT_READ_BYTES", window)
        assert repr(outcome(path, data)) == repr(whole)  # repr: a NaN is not equal to itself


@pytest.mark.case(37)
def test_a_template_in_the_metadata_is_never_run(path: Path) -> None:
    hostile = "{{ cycler.__init__.__globals__.os.system('touch pwned') }}"
    path.write_bytes(model_bytes(tokenizer__chat_template=hostile))
    assert inspect(path).chat_template == hostile


WORST: dict[str, Callable[[], bytes]] = {
    "texts of no length": lambda: gguf_bytes(
        {f"a{n}": Raw(struct.pack("<IIQ", ARRAY, STRING, 2**21) + bytes(2**24)) for n in range(3)}
    ),
    "tensors": lambda: gguf_bytes({}, [Tensor(f"{n:0500}", (1,), 999, offset=0) for n in range(65_536)], data=b""),
    "keys": lambda: gguf_bytes({f"{n:0256}": list(range(64)) for n in range(4096)}),
    "one text": lambda: gguf_bytes({"a": "x" * 2**24, "b": "y"}),
    "texts": lambda: gguf_bytes({f"a{n}": ["x" * 1000] * 64 for n in range(500)}),
    "a claim of much": lambda: gguf_bytes({"a": Raw(struct.pack("<I", STRING) + text("", 2**40))}),
    "a claim of many": lambda: gguf_bytes({"a": Raw(struct.pack("<IIQ", ARRAY, UINT32, 2**24))}),
}


@pytest.fixture(scope="module")
def worst(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """These files; each is made once, which takes longer than to read it."""
    folder = tmp_path_factory.mktemp("worst")

    def made(name: str) -> Path:
        path = folder / name
        if not path.exists():
            path.write_bytes(WORST[name]())
        return path

    return made


@pytest.mark.case(37)
@pytest.mark.parametrize("name", WORST)
def test_the_worst_files_are_read_in_bounded_time(worst: Callable[[str], Path], name: str) -> None:
    path = worst(name)
    started = time.process_time()
    try:
        read_header(path)
    except ModelInvalid:
        pass  # either way, only the time counts
    assert time.process_time() - started < SLOWEST_SECONDS


@pytest.mark.parametrize("name", [name for name in WORST if name != "texts of no length"])
def test_the_worst_files_are_read_in_bounded_memory(worst: Callable[[str], Path], name: str) -> None:
    path = worst(name)
    tracemalloc.start()
    try:
        read_header(path)
    except ModelInvalid:
        pass  # either way, only the memory counts
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY_BYTES
