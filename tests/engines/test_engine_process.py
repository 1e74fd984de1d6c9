"""An engine's process: which of its lines go where, and that nothing it writes does any harm."""

from __future__ import annotations

import gc
from itertools import pairwise
from pathlib import Path

import anyio
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.engines.lifecycle.engine_process import EngineProcess
from sidecar.engines.output.start_output import EngineOutput, Progress
from sidecar.logs.store import LogStore, Source
from tests.processes.programs import WAIT_SECONDS, python

pytestmark = pytest.mark.anyio

STATE = 'cmd_child_to_router:state:{"state":"loading","payload":{"stages":["m"],"current":"m","value":0.5}}'
SAMPLE = (
    f"0.00.001 I srv  init: Grüße\n\n{STATE}\n0.00.002 W two\r\n0.00.003 {STATE}\n"
    "0.00.004 I srv  llama_server: listening on http://127.0.0.1:8080\nthe end"
).encode()
LINES = [
    "0.00.001 I srv  init: Grüße",
    "0.00.002 W two",
    "0.00.003 ",
    "0.00.004 I srv  llama_server: listening on http://127.0.0.1:8080",
    "the end",
]


async def until_ended(process: EngineProcess) -> None:
    with anyio.fail_after(WAIT_SECONDS):
        await process.ended.wait()


async def test_states_are_read_and_everything_else_is_logged(source: Source) -> None:
    process = await EngineProcess.start(python("os.write(1, bytes.fromhex(sys.argv[1]))", SAMPLE.hex()), source)
    await until_ended(process)
    assert process.tail() == LINES
    assert process.output == EngineOutput(supervised=True, progress=Progress("m", 0.5), port=8080)


async def test_a_start_is_news_and_so_is_its_end(source: Source) -> None:
    program = f"print('nothing new', flush=True); sys.stdin.read(); print({STATE!r})"
    process = await EngineProcess.start(python(program), source)
    with anyio.fail_after(WAIT_SECONDS):
        while not process.lines:
            assert not await process.wait_for_change(0.01)
        await process.stop(grace_seconds=WAIT_SECONDS)
        assert await process.wait_for_change(WAIT_SECONDS)
    assert not await process.wait_for_change(0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, SAMPLE.count(b"\n"))))
def test_lines_that_come_one_by_one_or_together_are_the_same(cuts: list[int], tmp_path: Path) -> None:
    logs = LogStore(tmp_path, max_file_bytes=65_536, kept_files=1)
    process = EngineProcess(logs.source("x"))
    lines = SAMPLE.split(b"\n")
    places = [0, *sorted({*cuts} - {0}), len(lines)]
    for start, end in pairwise(places):
        process.feed(b"\n".join(lines[start:end]))
    assert process.tail() == LINES
    assert process.output == EngineOutput(supervised=True, progress=Progress("m", 0.5), port=8080)
    logs.close()


@given(st.lists(st.binary()))
def test_any_bytes_are_taken_in(pieces: list[bytes]) -> None:
    logs = LogStore(Path("/nowhere"), max_file_bytes=65_536, kept_files=1)
    process = EngineProcess(logs.source("x"))
    for piece in pieces:
        process.feed(piece)
        process.feed(b"cmd_child_to_router:state:" + piece)
    assert not process.output.ready


async def test_the_tail_knows_nothing_of_an_earlier_start(source: Source) -> None:
    for word in ("first", "second"):
        process = await EngineProcess.start(python("print(sys.argv[1])", word), source)
        await until_ended(process)
        assert process.tail() == [word]
    silent = await EngineProcess.start(python("os._exit(1)"), source)
    await until_ended(silent)
    assert silent.tail() == []


@pytest.mark.parametrize(
    "program",
    [
        "block = b'y' * 1_000_000\nfor _ in range(200): os.write(2, block)",
        "block = b'E error: ' + b'x' * 91 + b'\\n'\nfor _ in range(100): os.write(2, block * 10_000)",
    ],
    ids=["endless bytes", "a flood of lines"],
)
async def test_a_flood_of_output_fills_neither_memory_nor_disk(program: str, source: Source, tmp_path: Path) -> None:
    gc.collect()
    before = psutil.Process().memory_info().rss
    process = await EngineProcess.start(python(program), source)
    await until_ended(process)
    grown = psutil.Process().memory_info().rss - before
    on_disk = sum(file.stat().st_size for file in (tmp_path / "logs").iterdir())
    assert (process.exit_code, grown < 80_000_000, on_disk < 1_000_000) == (0, True, True), (grown, on_disk)


# --- the port ---

LISTEN = """
import socket
ports = []
sockets = [socket.socket() for _ in range({count})]
for s in sockets:
    s.bind(('127.0.0.1', 0)); s.listen(); ports.append(s.getsockname()[1])
print(*ports, flush=True)
print('listening on http://127.0.0.1:%d' % {told}, flush=True)
sys.stdin.read()
"""


async def listening(source: Source, *, count: int, told: str) -> tuple[EngineProcess, list[int]]:
    """A process that listens on some ports and tells one."""
    process = await EngineProcess.start(python(LISTEN.format(count=count, told=told)), source)
    with anyio.fail_after(WAIT_SECONDS):
        while process.output.port is None:
            await process.wait_for_change(1)
    return process, [int(port) for port in process.tail()[0].split()]


async def test_the_port_that_is_told_counts_where_it_is_the_engines_own(source: Source) -> None:
    process, ports = await listening(source, count=2, told="ports[1]")
    assert await process.listening_port(0) == ports[1]
    await process.stop(grace_seconds=1)


async def test_the_only_port_counts_where_another_one_is_told(source: Source) -> None:
    process, ports = await listening(source, count=1, told="9")
    assert await process.listening_port(0) == ports[0]
    await process.stop(grace_seconds=1)


async def test_a_strangers_port_is_never_taken(source: Source) -> None:
    process, _ = await listening(source, count=2, told="9")
    assert await process.listening_port(0) is None
    assert await process.listening_port(9) is None
    await process.stop(grace_seconds=1)


async def test_the_wanted_port_counts_once_the_engine_listens_there(source: Source) -> None:
    process, ports = await listening(source, count=1, told="ports[0]")
    assert await process.listening_port(ports[0]) == ports[0]
    assert await process.listening_port(ports[0] + 1) is None
    await process.stop(grace_seconds=1)


async def test_what_is_told_must_do_where_the_system_does_not_say_who_listens(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.host.process_tree.listening_ports", lambda pid: None)
    process, ports = await listening(source, count=1, told="ports[0]")
    assert [await process.listening_port(wanted) for wanted in (0, 81)] == [ports[0], 81]
    await process.stop(grace_seconds=1)
