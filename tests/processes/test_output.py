"""What a child has written: that its reader has all of it, in whole lines, and that it is bounded."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.processes import output as output_module
from sidecar.processes.child import ChildProcess
from sidecar.processes.output import ChildOutput
from tests.processes.programs import WAIT_SECONDS, python, wait_for_file

pytestmark = pytest.mark.anyio

LONGEST = 40
TEXT = b"one\n\ntwo\r\n" + b"x" * 30 + b"\nthe end"


async def all_lines(output: ChildOutput, *, longest: int = LONGEST) -> list[bytes]:
    lines = []
    with anyio.fail_after(WAIT_SECONDS):
        while (together := await output.read_lines(longest=longest)) is not None:
            lines += together.split(b"\n")
    return lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(0, len(TEXT))), reads=st.booleans())
async def test_any_cutting_gives_the_same_lines(cuts: list[int], reads: bool) -> None:
    output = ChildOutput()
    places = [0, *sorted(cuts), len(TEXT)]
    lines: list[bytes] = []
    for start, end in zip(places, places[1:], strict=False):  # noqa: RUF007 - the bytes between two cuts
        output.put(TEXT[start:end])
        if reads and b"\n" in TEXT[start:end]:
            together = await output.read_lines(longest=LONGEST)
            assert together is not None
            lines += together.split(b"\n")
    output.end()
    assert lines + await all_lines(output) == TEXT.split(b"\n")


async def test_a_line_without_an_end_is_given_in_parts() -> None:
    output = ChildOutput()
    output.put(b"x" * (LONGEST + 1))
    assert await output.read_lines(longest=LONGEST) == b"x" * (LONGEST + 1)
    output.put(b"x" * LONGEST)
    with anyio.move_on_after(0) as bound:
        await output.read_lines(longest=LONGEST)
    assert bound.cancelled_caught
    output.end()
    assert await all_lines(output) == [b"x" * LONGEST]


async def test_a_reader_that_waits_is_woken_by_bytes_and_by_the_end() -> None:
    output = ChildOutput()
    read: list[bytes] = []

    async def reader() -> None:
        while data := await output.read():
            read.append(data)

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await anyio.wait_all_tasks_blocked()
            output.put(b"a")
            output.put(b"b")
            await anyio.wait_all_tasks_blocked()
            assert read == [b"ab"]
            output.end()
    assert await output.read() == b""


async def test_a_reader_that_does_not_come_stops_no_child_and_loses_the_oldest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(output_module, "MAX_UNREAD_BYTES", 300_000)
    written = tmp_path / "written"
    program = f"for n in range(10): os.write(1, b'%d' % n * 100_000)\nopen({str(written)!r}, 'w')"
    child = await ChildProcess.start(python(program))
    with anyio.fail_after(WAIT_SECONDS):
        await child.ended.wait()
    wait_for_file(written)
    data = await child.output.read()
    assert len(data) + child.output.dropped_bytes == 1_000_000
    assert len(data) <= 300_000
    assert data.endswith(b"9" * 100_000)
    assert sum("writes faster than" in record.getMessage() for record in caplog.records) == 1
