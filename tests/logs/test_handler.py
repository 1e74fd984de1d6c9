"""Python's logging into the log store and onto stderr."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from sidecar.contract.logs import Level
from sidecar.logs.defects import internal_error
from sidecar.logs.handler import StderrHandler, StoreHandler, set_up
from sidecar.logs.store import LogStore, Source

pytestmark = pytest.mark.anyio

logger = logging.getLogger("test.logger")


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    store = LogStore(tmp_path, max_file_bytes=1_000_000, kept_files=2)
    yield store
    store.close()


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(logs: LogStore) -> list[tuple[str, str]]:
    return [(e.level, e.message) for e in logs.get(source=None, since=None, limit=1000, min_level="debug").entries]


async def test_records_of_the_level_and_above_come_into_the_store(logs: LogStore) -> None:
    set_up("info", logs.source("sidecar"), asyncio.get_running_loop())
    logger.debug("not kept")
    logger.info("one %s", 1)
    logger.warning("two\nlines")
    logger.critical("three")
    logger.log(25, "between")
    assert lines(logs) == [
        ("info", "test.logger: one 1"),
        ("warning", "test.logger: two\\x0alines"),
        ("error", "test.logger: three"),
        ("info", "test.logger: between"),
    ]


async def test_setting_up_again_changes_the_level_and_doubles_nothing(logs: LogStore) -> None:
    for level in ("error", "debug"):
        set_up(level, logs.source("sidecar"), asyncio.get_running_loop())
    logger.debug("once")
    assert lines(logs) == [("debug", "test.logger: once")]
    set_up("debug", None)
    logger.debug("not in the store")
    assert len(lines(logs)) == 1


async def test_records_of_other_threads_come_in_through_the_loop(
    logs: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    source, write = logs.source("sidecar"), Source.write

    def written(self: Source, level: Level, message: str) -> None:
        threads.append(threading.get_ident())
        write(self, level, message)

    monkeypatch.setattr(Source, "write", written)
    set_up("info", source, asyncio.get_running_loop())
    await to_thread.run_sync(lambda: logger.warning("from a thread"))
    await anyio.wait_all_tasks_blocked()
    assert (lines(logs), threads) == ([("warning", "test.logger: from a thread")], [threading.get_ident()])


@pytest.mark.parametrize("record", [("%d items", "many"), ("too few %s %s", 1)])
async def test_a_record_that_cannot_be_formatted_stops_nobody(logs: LogStore, record: tuple[str, object]) -> None:
    logging.getLogger().handlers[:] = []
    set_up("info", logs.source("sidecar"), asyncio.get_running_loop())
    raising, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        logger.info(*record)
    finally:
        logging.raiseExceptions = raising
    logger.info("the next one: %s", b"model-\xff".decode("utf-8", "surrogateescape"))
    assert lines(logs) == [("info", "test.logger: the next one: model-\\udcff")]


def test_a_record_after_the_loop_has_ended_stops_nobody(logs: LogStore) -> None:
    loop = asyncio.new_event_loop()
    handler = StoreHandler(logs.source("sidecar"), loop)
    handler._thread = -1  # as if from another thread
    loop.close()
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "late", None, None))
    assert lines(logs) == []


def stderr_of(fd: int) -> StderrHandler:
    handler = StderrHandler(fd)
    logging.getLogger().handlers[:] = [handler]
    return handler


def test_records_on_stderr_are_printable_lines() -> None:
    read_fd, write_fd = os.pipe()
    stderr_of(write_fd)
    logger.warning("red \x1b[31m\nand \u2028 more %s", "\udcff")
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as reader:
        assert reader.read() == b"WARNING test.logger: red \\x1b[31m\\x0aand \\u2028 more \\udcff\n"


def test_a_traceback_on_stderr_cannot_be_taken_for_further_records() -> None:
    read_fd, write_fd = os.pipe()
    stderr_of(write_fd)
    try:
        raise ValueError("x\nERROR sidecar: forged\r\x85\u2028ERROR sidecar: forged")
    except ValueError:
        logger.exception("it failed\nERROR sidecar: forged")
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as reader:
        first, *traceback = reader.read().decode().splitlines()
    assert first == "ERROR test.logger: it failed\\x0aERROR sidecar: forged"
    assert len(traceback) > 3
    assert all(line.startswith("    ") for line in traceback)


def test_a_record_that_was_cut_short_does_not_run_into_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    read_fd, write_fd = os.pipe()
    stderr_of(write_fd)
    room = iter([True, False, True, True, True, True])
    monkeypatch.setattr(StderrHandler, "_takes_a_piece", lambda self: next(room))
    logger.warning("%s", "x" * 1000)
    logger.warning("whole")
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as reader:
        cut, whole = reader.read().decode().splitlines()
    assert (len(cut), whole) == (512, "WARNING test.logger: whole")


def test_a_host_that_does_not_read_stderr_stops_nobody() -> None:
    read_fd, write_fd = os.pipe()
    stderr_of(write_fd)
    for number in range(5000):
        logger.warning("%s %d", "x" * 1000, number)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as reader:
        written = reader.read()
    assert written.startswith(b"WARNING test.logger: " + b"x" * 1000 + b" 0\n")
    assert len(written) <= 1_048_576


def test_a_host_that_has_closed_stderr_stops_nobody() -> None:
    read_fd, write_fd = os.pipe()
    stderr_of(write_fd)
    os.close(read_fd)
    logger.warning("nobody reads this")
    os.close(write_fd)
    logger.warning("nor this")


def test_a_defect_is_logged_under_the_id_that_the_host_is_told(caplog: pytest.LogCaptureFixture) -> None:
    errors = [internal_error(RuntimeError("the details")) for _ in range(2)]
    assert errors[0].data["error_id"] != errors[1].data["error_id"]
    for error, record in zip(errors, caplog.records, strict=True):
        assert error.data["error_id"] in record.getMessage()
        assert "the details" not in error.message
