"""The log lines of all sources."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract.errors import InvalidParams
from sidecar.contract.logs import GetLogsResult, Level
from sidecar.logs.store import BYTES_IN_MEMORY, LINE_BYTES, LINES_IN_MEMORY, LogStore
from tests.trust.hostile_names import NAMES


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[LogStore]:
    store = LogStore(tmp_path, max_file_bytes=1_000_000, kept_files=2)
    yield store
    store.close()


def page(
    logs: LogStore,
    *,
    source: str | None = None,
    since: int | None = None,
    limit: int = 100_000,
    min_level: Level = "debug",
) -> GetLogsResult:
    return logs.get(source=source, since=since, limit=limit, min_level=min_level)


def messages(found: GetLogsResult) -> list[str]:
    return [entry.message for entry in found.entries]


# --- taking lines in ---------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    lines=st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"_").replace(b"\r", b"_"))),
    cuts=st.lists(st.integers(0, 200)),
)
def test_output_that_is_cut_anywhere_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    folder = tmp_path_factory.mktemp("logs")
    for name in ("whole", "pieces"):
        (folder / name).mkdir()
    whole, pieces = (LogStore(folder / name, max_file_bytes=10**6, kept_files=1) for name in ("whole", "pieces"))
    whole.source("a").feed(stream)
    for start, end in pairwise(bounds):
        pieces.source("a").feed(stream[start:end])
    assert messages(page(whole)) == messages(page(pieces))
    assert len(page(whole).entries) == sum(1 for line in lines if line)
    assert (folder / "pieces" / "a.log").exists() is bool(stream)
    if stream:
        assert (folder / "whole" / "a.log").read_bytes() == (folder / "pieces" / "a.log").read_bytes()
    whole.close()
    pieces.close()


def test_a_last_line_without_an_end_is_taken_in_when_the_output_ends(logs: LogStore) -> None:
    source = logs.source("a")
    source.feed(b"one\r\ntwo")
    assert messages(page(logs)) == ["one"]
    source.flush()
    source.flush()
    assert messages(page(logs)) == ["one", "two"]


@pytest.mark.case(25)
def test_endless_output_without_an_end_of_line_is_bounded_in_memory(logs: LogStore) -> None:
    source = logs.source("a")
    for _ in range(1000):
        source.feed(b"x" * 10_000)
    source.feed(b"y" * 100_000 + b"\nshort\n")
    found = page(logs)
    assert max(len(message) for message in messages(found)) == LINE_BYTES
    assert messages(found)[-1] == "short"
    source.write("info", "z" * 100_000)
    assert messages(page(logs))[-1] == "z" * LINE_BYTES
    found = page(logs)
    assert BYTES_IN_MEMORY * 0.9 < sum(len(message) for message in messages(found)) <= BYTES_IN_MEMORY
    assert not found.complete


def test_blank_lines_are_no_lines(logs: LogStore) -> None:
    with logs.followed() as news:
        logs.source("a").feed(b"\n\r\n\n")
        assert (page(logs).entries, logs.taken_in(None), news.is_set()) == ([], 0, False)


def test_lines_of_ours_have_their_level_and_a_time_in_the_file(logs: LogStore) -> None:
    logs.source("sidecar").write("warning", "one\ntwo \x1b[0m \udcff")
    [entry] = page(logs).entries
    assert (entry.level, entry.message) == ("warning", "one\\x0atwo \\x1b[0m \\udcff")
    [line] = Path(logs.sources()[0].file).read_text(encoding="utf-8").splitlines()
    assert line.endswith("Z WARNING one\\x0atwo \\x1b[0m \\udcff")


# --- reading them ------------------------------------------------------------------------------------------------


def test_lines_of_all_sources_come_in_the_order_in_which_they_came(logs: LogStore) -> None:
    logs.source("a").feed(b"1\n2\n")
    logs.source("b").feed(b"3\n")
    logs.source("a").feed(b"4\n")
    found = page(logs)
    assert [(e.seq, e.source, e.message) for e in found.entries] == [
        (1, "a", "1"),
        (2, "a", "2"),
        (3, "b", "3"),
        (4, "a", "4"),
    ]
    assert (found.last_seq, found.complete) == (4, True)
    assert messages(page(logs, source="b")) == ["3"]
    assert messages(page(logs, limit=2)) == ["3", "4"]


def test_a_host_goes_on_where_it_was(logs: LogStore) -> None:
    logs.source("a").feed(b"1\n2\n3\n")
    first = page(logs)
    assert messages(page(logs, since=first.last_seq)) == []
    logs.source("a").feed(b"4\n")
    assert messages(page(logs, since=first.last_seq)) == ["4"]
    assert messages(page(logs, since=1)) == ["2", "3", "4"]
    assert messages(page(logs, since=99)) == []
    assert messages(page(logs, since=-5)) == ["1", "2", "3", "4"]


def test_a_limit_counts_the_lines_of_the_level_asked_for(logs: LogStore) -> None:
    for number in range(6):
        logs.source("a").write("error" if number % 2 else "info", str(number))
    assert messages(page(logs, limit=2, min_level="error")) == ["3", "5"]
    assert messages(page(logs, limit=2)) == ["4", "5"]


def test_lines_of_lower_levels_can_be_left_out(logs: LogStore) -> None:
    logs.source("a").feed(b"D one\nI two\nW three\nE four\nfive\n")
    levels: list[Level] = ["debug", "info", "warning", "error"]
    assert [len(page(logs, min_level=level).entries) for level in levels] == [5, 4, 2, 1]
    assert messages(page(logs, min_level="warning", limit=1)) == ["E four"]


def test_what_is_no_longer_in_memory_is_told(logs: LogStore) -> None:
    source = logs.source("a")
    for number in range(LINES_IN_MEMORY + 10):
        source.feed(b"%d\n" % number)
    found = page(logs)
    assert (found.complete, messages(found)[0], len(found.entries)) == (False, "10", LINES_IN_MEMORY)
    assert not page(logs, since=9).complete
    assert page(logs, since=10).complete
    source.feed(b"".join(b"%d\n" % i for i in range(3 * LINES_IN_MEMORY)))
    last = page(logs).last_seq
    assert page(logs, since=last - LINES_IN_MEMORY).complete
    assert not page(logs, since=last - LINES_IN_MEMORY - 1).complete
    assert source.taken_in == 4 * LINES_IN_MEMORY + 10


def test_the_last_lines_are_ready_to_show(logs: LogStore) -> None:
    source = logs.source("a")
    source.feed(b"1\n2\x1b\n3\n")
    assert source.tail(2) == ["2\\x1b", "3"]
    assert source.tail(99) == ["1", "2\\x1b", "3"]


def test_a_source_that_nobody_knows_is_refused(logs: LogStore) -> None:
    logs.source("a")
    for ask in (lambda: page(logs, source="b"), lambda: logs.clear("b")):
        with pytest.raises(InvalidParams) as refused:
            ask()
        assert refused.value.data == {"path": "$.source"}


# --- sources, clearing, listening --------------------------------------------------------------------------------


def test_sources_tell_their_file_and_how_much_is_in_it(logs: LogStore, tmp_path: Path) -> None:
    logs.source("server:default").feed(b"one\ntwo\n")
    logs.source("sidecar")
    told = [(s.source, Path(s.file).name, s.lines, s.file_bytes) for s in logs.sources()]
    assert told == [("server:default", "server-default.log", 2, 8), ("sidecar", "sidecar.log", 0, 0)]
    assert {path.name for path in tmp_path.iterdir()} == {"server-default.log"}


@pytest.mark.parametrize("name", ["../evil", "a/b", "..", "C:\\x", "\0", "server:" + "a" * 64])
def test_every_name_of_a_source_is_a_file_in_the_folder(logs: LogStore, tmp_path: Path, name: str) -> None:
    logs.source(name).feed(b"x\n")
    [file] = tmp_path.iterdir()
    assert Path(logs.sources()[0].file) == file


@pytest.mark.case(35)
def test_hostile_names_of_sources_each_have_a_file_of_their_own_in_the_folder(logs: LogStore, tmp_path: Path) -> None:
    for name in NAMES:
        logs.source(name).feed(name.encode("utf-8", "replace") + b"\n")
        logs.source(name).file.close()
    files = [Path(source.file) for source in logs.sources()]
    assert {file.parent for file in files} == {tmp_path}
    assert len({file.name.casefold() for file in files}) == len(NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {file.name for file in files}


def test_servers_whose_ids_differ_in_case_only_have_different_files(logs: LogStore) -> None:
    for name in ("server:a", "server:A"):
        logs.source(name)
    one, other = (Path(source.file).name for source in logs.sources())
    assert (one, other.casefold() != one) == ("server-a.log", True)


def test_clearing_one_source_leaves_the_others_and_the_numbers(logs: LogStore) -> None:
    logs.source("a").feed(b"1\n2\nhalf a li")
    logs.source("b").feed(b"3\n")
    logs.clear("a")
    found = page(logs)
    assert (messages(found), found.last_seq, found.complete) == (["3"], 3, False)
    assert page(logs, since=2).complete
    logs.source("a").feed(b"ne\n")
    assert messages(page(logs, since=3)) == ["ne"]
    logs.clear(None)
    assert page(logs).entries == []
    assert [s.file_bytes for s in logs.sources()] == [0, 0]


def test_who_follows_wakes_when_there_are_new_lines_and_can_count_them(logs: LogStore) -> None:
    with logs.followed() as news:
        logs.source("a").feed(b"1\n2\n3")
        assert (news.is_set(), logs.taken_in("a"), logs.taken_in(None)) == (True, 2, 2)
        news.clear()
        logs.source("sidecar").write("info", "ours")
        assert (news.is_set(), logs.taken_in("a"), logs.taken_in(None)) == (True, 2, 3)
        news.clear()
    logs.source("a").feed(b"\n")
    assert (news.is_set(), logs.taken_in("a")) == (False, 3)


@pytest.mark.parametrize(
    ("line", "kept"), [(b"x", LINES_IN_MEMORY), (b"x" * LINE_BYTES, BYTES_IN_MEMORY // LINE_BYTES)]
)
def test_of_more_lines_at_once_than_are_kept_all_are_counted_and_the_newest_are_there(
    logs: LogStore, line: bytes, kept: int
) -> None:
    logs.source("a").feed((line + b"\n") * (LINES_IN_MEMORY + 5))
    assert (taken_in := logs.taken_in(None)) == LINES_IN_MEMORY + 5
    assert [entry.seq for entry in page(logs).entries] == list(range(taken_in - kept + 1, taken_in + 1))
    assert not page(logs, since=taken_in - kept - 1).complete
    assert page(logs, since=taken_in - kept).complete


def test_the_lines_after_a_number_come_oldest_first_from_all_sources_or_one(logs: LogStore) -> None:
    logs.source("a").feed(b"1\n2\n")
    logs.source("b").feed(b"3\n")
    logs.source("a").feed(b"4\n5\n")

    def after(seq: int, source: str | None = None) -> list[tuple[str, int, bytes]]:
        count, lines = logs.after(seq, source=source)
        found = [(line.source, line.seq, line.raw) for line in lines]
        assert len(found) == count
        return found

    assert after(3) == [("a", 4, b"4"), ("a", 5, b"5")]
    assert after(1) == [("a", 2, b"2"), ("b", 3, b"3"), *after(3)]
    assert after(4, "a") == [("a", 5, b"5")]
    assert after(0, "b") == [("b", 3, b"3")]
    assert after(5) == after(99) == after(0, "nobody") == []
    logs.clear("a")
    logs.source("a").feed(b"6\n")
    assert after(0) == [("b", 3, b"3"), ("a", 6, b"6")]


def test_long_lines_are_kept_as_far_as_their_bytes_go(logs: LogStore) -> None:
    kept = BYTES_IN_MEMORY // LINE_BYTES
    source = logs.source("a")
    for _ in range(3):
        source.feed((b"x" * LINE_BYTES + b"\n") * kept)
    found = page(logs)
    assert (len(found.entries), found.last_seq, found.complete) == (kept, 3 * kept, False)
    assert page(logs, since=2 * kept).complete
    logs.clear("a")
    source.feed((b"y" * LINE_BYTES + b"\n") * kept)
    assert len(page(logs).entries) == kept


def test_closing_takes_in_what_is_left_and_can_be_done_twice(logs: LogStore) -> None:
    logs.source("a").feed(b"no end")
    logs.close()
    logs.close()
    assert messages(page(logs)) == ["no end"]
    assert Path(logs.sources()[0].file).read_bytes() == b"no end\n"
