"""A damaged history is put aside whole, and what can be read of it goes on."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio
import msgspec
import pytest

from sidecar.chat import messages, sessions
from sidecar.contract.config import StorageConfig
from sidecar.contract.errors import DiskFull, StorageError
from sidecar.contract.life import Notice
from sidecar.storage import atomic_files, database, integrity, migrations
from sidecar.storage.database import Database
from sidecar.storage.salvage import recovery, rescue
from sidecar.storage.salvage.pages import DamagedFile
from tests.config_files import config_file
from tests.storage import keyrings
from tests.storage.histories import (
    PAGE,
    Rows,
    page_kinds,
    require_consistent,
    rows_of,
    session_id,
    use,
    write_history,
    write_session,
)

pytestmark = pytest.mark.case(32)

MOST_STARTS = 3
"""Until a damaged history is usable again: one meets the damage, the next saves what there is."""

Harm = Callable[[bytearray], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history that is never touched."""
    path = tmp_path_factory.mktemp("whole") / "history.db"
    write_history(path)
    return path


@pytest.fixture(scope="module")
def rows(whole: Path) -> Rows:
    return rows_of(whole)


@pytest.fixture
def path(tmp_path: Path, whole: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path))


def harm(path: Path, how: Harm, *, is_found_at_once: bool = True) -> bytes:
    """Damage a file; returns its bytes. What SQLite might not meet for long is looked for."""
    data = bytearray(path.read_bytes())
    how(data)
    path.write_bytes(data)
    if is_found_at_once:
        path.with_name("history.db-wal").write_bytes(b"not closed")  # which is when the whole file is looked at
    return bytes(data)


def zero(number: int) -> Harm:
    def how(data: bytearray) -> None:
        data[(number - 1) * PAGE : number * PAGE] = bytes(PAGE)

    return how


def cut(size: int) -> Harm:
    def how(data: bytearray) -> None:
        del data[size:]

    return how


def use_until_it_works(path: Path) -> list[Notice]:
    """Start again and again, as a host would; what was told about the history on the way."""
    told: list[Notice] = []
    for _ in range(MOST_STARTS):
        try:
            told += use(path)
        except StorageError as error:
            if not error.hint.startswith("Start llama-sidecar again"):
                raise
        else:
            return told
    raise AssertionError(f"not usable after {MOST_STARTS} starts: {told}")


def aside(path: Path) -> list[Path]:
    """What was put aside, without logs."""
    return sorted(path.parent.glob("history-damaged-*.db"))


def left(path: Path) -> list[str]:
    """The files of the history that are neither itself nor put aside."""
    return sorted(p.name for p in path.parent.iterdir() if p != path and "-damaged-" not in p.name)


def content(rows: Rows) -> dict[str, tuple[object, ...]]:
    """Rows without the parent, which changes where another row is lost."""
    return {id_: (*row[:3], *row[4:]) for id_, row in rows.items()}


# --- what is saved -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "messages inner",
        "sqlite_autoindex_messages_1 inner",
        "sqlite_autoindex_messages_1 leaf",
        "messages_by_parent leaf",
        "messages_text_data inner",
        "messages_text_data leaf",
        "messages_text_docsize leaf",
        "facts leaf",
    ],
)
def test_no_message_is_lost_with_a_page_that_holds_none(path: Path, whole: Path, rows: Rows, kind: str) -> None:
    before = harm(path, zero(page_kinds(whole)[kind][0]))
    [notice] = use_until_it_works(path)
    assert rows_of(path) == rows
    require_consistent(path)
    [kept] = aside(path)
    assert (kept.read_bytes(), left(path)) == (before, [])
    assert (notice.name, str(kept) in notice.message) == ("HISTORY_DAMAGED", True)
    assert "120 messages in 6 sessions" in notice.message


@pytest.mark.parametrize("how", [zero(1), lambda data: data.__setitem__(slice(0, 100), os.urandom(100))])
def test_no_message_is_lost_with_the_page_that_says_where_everything_is(path: Path, rows: Rows, how: Harm) -> None:
    harm(path, how, is_found_at_once=False)
    use_until_it_works(path)
    assert rows_of(path) == rows
    require_consistent(path)


def test_with_a_page_of_messages_only_its_own_are_lost_and_the_others_follow_on_each_other(
    path: Path, whole: Path, rows: Rows
) -> None:
    leaves = page_kinds(whole)["messages leaf"]
    harm(path, zero(leaves[len(leaves) // 2]))
    use_until_it_works(path)
    saved = rows_of(path)
    assert content(saved).items() <= content(rows).items()
    assert 100 <= len(saved) < 120
    require_consistent(path)


def test_messages_whose_session_is_lost_get_one_with_a_title_of_their_own(path: Path, whole: Path, rows: Rows) -> None:
    harm(path, zero(page_kinds(whole)["sessions leaf"][0]))
    use_until_it_works(path)
    assert content(rows_of(path)) == content(rows)
    require_consistent(path)
    with closing(sqlite3.connect(path)) as db:
        found = sessions.page(db, query=None, archived=False, limit=100, cursor=None).sessions
    assert {s.session_id for s in found} == {session_id(n) for n in range(6)}
    assert {s.title.split(" message")[0] for s in found} == {f"session {n}" for n in range(6)}


@pytest.mark.anyio
async def test_an_encrypted_history_is_saved_encrypted_and_sessions_that_are_made_up_have_no_title(
    path: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.storage.keyrings.GoodKeyring")
    monkeypatch.setenv(keyrings.FOLDER_VARIABLE, str(tmp_path))
    encrypted = Database(path, config_file(storage=StorageConfig(encrypt=True)))
    before = await encrypted.run(lambda db: messages.all_of(db, session_id(3)))
    await encrypted.close()
    harm(path, zero(page_kinds(path)["sessions leaf"][0]))
    again = Database(path)
    found = await again.run(lambda db: sessions.page(db, query=None, archived=False, limit=100, cursor=None).sessions)
    assert [(s.title, s.message_count) for s in found] == [("New chat", 20)] * 6
    assert await again.run(lambda db: messages.all_of(db, session_id(3))) == before
    await again.run(lambda db: sessions.update(db, session_id(3), {"title": "given anew"}))
    await again.close()
    assert b"some words" not in path.read_bytes()


def test_where_nothing_can_be_read_the_history_is_empty_and_says_so(path: Path) -> None:
    different = [b"this is no database" * 1000, b"x", bytes(100_000)]
    for data in different:
        path.write_bytes(data)
        [notice] = use_until_it_works(path)
        assert "empty" in notice.message
        assert len(rows_of(path)) == 0
        require_consistent(path)
    # Put aside in the same second, or in several.
    assert sorted(kept.read_bytes() for kept in aside(path)) == sorted(different)


@pytest.mark.parametrize("size", [1, 99, 100, 511, PAGE, PAGE + 1, 10 * PAGE, 80 * PAGE + 17])
def test_of_a_file_that_was_cut_off_its_beginning_is_saved(path: Path, rows: Rows, size: int) -> None:
    before = harm(path, cut(size), is_found_at_once=False)
    use_until_it_works(path)
    saved = rows_of(path)
    assert content(saved).items() <= content(rows).items()
    assert len(saved) > 40 or size < 50 * PAGE
    require_consistent(path)
    assert aside(path)[0].read_bytes() == before


def test_what_is_in_the_log_alone_is_saved_and_log_and_file_stay_as_they_were(tmp_path: Path, rows: Rows) -> None:
    there = tmp_path / "there"
    there.mkdir()
    open_still = write_history(tmp_path / "history.db", kept_open=True)
    assert open_still is not None
    open_still.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    write_session(open_still, 100)
    with closing(open_still):
        for name in ("history.db", "history.db-wal"):
            shutil.copy(tmp_path / name, there)
        path = there / "history.db"
        expected = {row[1]: row for row in open_still.execute("SELECT * FROM messages")}
    harm(path, zero(page_kinds(tmp_path / "history.db")["messages_by_parent inner"][0]), is_found_at_once=False)
    before = {p.name: p.read_bytes() for p in there.iterdir()}
    [notice] = use_until_it_works(path)
    assert rows_of(path) == expected
    require_consistent(path)
    [kept] = aside(path)
    assert kept.read_bytes() == before["history.db"]
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == before["history.db-wal"]
    assert "140 messages in 7 sessions" in notice.message


def test_a_log_whose_history_is_gone_is_put_aside_and_not_deleted(path: Path) -> None:
    path.unlink()
    log = path.with_name("history.db-wal")
    log.write_bytes(b"whatever it says")
    use_until_it_works(path)
    [kept] = aside(path)
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == b"whatever it says"


def test_what_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    """Not even from a file of before deleted texts were overwritten, which still has them in pages that are free."""
    path = tmp_path / "history.db"
    write_history(path, thorough=False)
    assert b"session 7 message" in path.read_bytes()
    rows = rows_of(path)
    harm(path, zero(page_kinds(path)["messages inner"][0]))
    use_until_it_works(path)
    assert rows_of(path) == rows


def test_a_value_that_would_make_its_whole_session_unreadable_is_set_right(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE messages SET role = 'usfr', state = 'complexe' WHERE rowid = 1")
        db.execute("UPDATE messages SET usage = '{broken', timings = '[]' WHERE rowid = 2")
        db.execute('UPDATE sessions SET config = \'{"top_k": "x"}\' WHERE id = ?', (session_id(1),))
    recovery.recover(path, "told so")
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT role, state, usage, timings FROM messages WHERE rowid <= 2 ORDER BY rowid"
        assert db.execute(query).fetchall() == [
            ("assistant", "interrupted", None, None),
            ("assistant", "complete", None, None),
        ]
        assert db.execute("SELECT config FROM sessions WHERE id = ?", (session_id(1),)).fetchone() == ("{}",)
    use(path)


def test_a_history_of_an_older_version_is_saved_as_such_and_then_brought_up(
    path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = "ALTER TABLE messages ADD COLUMN note TEXT; UPDATE messages SET note = 'brought up';"
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, second))
    harm(path, zero(page_kinds(path)["messages inner"][0]))
    use_until_it_works(path)
    assert rows_of(path) == {id_: (*row, "brought up") for id_, row in rows.items()}


def test_rows_that_end_before_a_column_that_was_added_later_are_saved(path: Path, rows: Rows) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ALTER TABLE messages ADD COLUMN note TEXT")
    with closing(sqlite3.connect(":memory:")) as db:
        migrations.take_steps(db, to=len(migrations.STEPS))
        db.execute("ALTER TABLE messages ADD COLUMN note TEXT")
        table = rescue.Table(db, "messages")
        with DamagedFile(path, path.with_name("none")) as damaged:
            assert sum(table.takes(row) for row in damaged.rows()) == len(rows)


def test_every_table_can_be_told_from_the_others_by_its_rows() -> None:
    """Else give one of them a column of another kind: the damaged file may not say which table a page is of."""
    with closing(sqlite3.connect(":memory:")) as db:
        migrations.take_steps(db, to=0)
        tables = [rescue.Table(db, name) for name in rescue.table_names(db)]
    assert len(tables) >= 3
    for one in tables:
        for other in tables:
            if one is not other:
                lengths = range(max(one._fewest, other._fewest), min(len(one._kinds), len(other._kinds)) + 1)
                assert not any(
                    all(set(a) & set(b) for a, b in zip(one._kinds[:n], other._kinds[:n], strict=True)) for n in lengths
                )


# --- damage of every kind ----------------------------------------------------------------------------------------


def flip(random: random.Random, data: bytearray) -> None:
    for _ in range(random.choice((1, 1, 4, 30))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def flip_in_a_header(random: random.Random, data: bytearray) -> None:
    page = random.choice((0, 0, random.randrange(len(data) // PAGE)))
    data[page * PAGE + random.randrange(110)] ^= 1 << random.randrange(8)


def zero_a_page(random: random.Random, data: bytearray) -> None:
    zero(random.randrange(1, len(data) // PAGE + 1))(data)


def fill_with_noise(random: random.Random, data: bytearray) -> None:
    start = random.randrange(len(data))
    data[start : start + random.randrange(1, 5 * PAGE)] = random.randbytes(random.randrange(1, 5 * PAGE))


def swap_pages(random: random.Random, data: bytearray) -> None:
    one, other = (slice(n * PAGE, (n + 1) * PAGE) for n in random.sample(range(len(data) // PAGE), 2))
    data[one], data[other] = data[other], data[one]


def cut_off(random: random.Random, data: bytearray) -> None:
    cut(random.randrange(1, len(data)))(data)


HARMS = (flip, flip_in_a_header, zero_a_page, fill_with_noise, swap_pages, cut_off)


@pytest.mark.parametrize("how", HARMS)
def test_whatever_is_damaged_the_history_is_usable_again_and_holds_only_what_was_there(
    tmp_path: Path, whole: Path, rows: Rows, how: Callable[[random.Random, bytearray], None]
) -> None:
    for seed in range(12):
        chance = random.Random(f"{how.__name__} {seed}")  # noqa: S311
        path = tmp_path / str(seed) / "history.db"
        path.parent.mkdir()
        data = bytearray(whole.read_bytes())
        how(chance, data)
        path.write_bytes(data)
        if is_unclean := chance.random() < 0.7:
            path.with_name("history.db-wal").write_bytes(b"not closed")
        version = int.from_bytes(data[60:64], "big", signed=True)
        if data.startswith(b"SQLite format 3\0") and version > len(migrations.STEPS):
            with pytest.raises(StorageError, match="newer"):
                use(path)
            assert path.read_bytes() == data
            continue
        use_until_it_works(path)
        saved, there = content(rows_of(path)), content(rows)
        wrong = [id_ for id_, row in saved.items() if there.get(id_) != row]
        # A flipped bit in the middle of a text is not to be seen by anybody.
        assert len(wrong) <= (30 if how in (flip, flip_in_a_header) else 1), (seed, wrong)
        if kept := aside(path):
            require_consistent(path)
            assert not is_unclean or kept[0].read_bytes() == data


# --- when it is found --------------------------------------------------------------------------------------------


def test_damage_that_is_met_in_use_is_told_and_noted_and_the_next_start_saves_what_there_is(
    path: Path, whole: Path, rows: Rows
) -> None:
    harm(path, zero(page_kinds(whole)["messages inner"][0]), is_found_at_once=False)
    with pytest.raises(StorageError) as told:
        use(path)
    assert told.value.hint.startswith("Start llama-sidecar again")
    assert (left(path), aside(path)) == (["history.db-damaged"], [])
    assert [notice.name for notice in use(path)] == ["HISTORY_DAMAGED"]
    assert (left(path), rows_of(path)) == ([], rows)
    assert use(path) == []


@pytest.mark.anyio
async def test_a_text_that_has_become_a_blob_and_is_no_text_is_damage(path: Path) -> None:
    history = Database(path)
    with pytest.raises(StorageError, match="not UTF-8"):
        await history.run(lambda db: msgspec.json.decode(db.execute("SELECT x'22ff22'").fetchone()[0]))
    await history.close()
    assert left(path) == ["history.db-damaged"]


def test_a_note_that_is_damaged_itself_is_a_note(path: Path, rows: Rows) -> None:
    integrity.note_path(path).write_bytes(b'{"found": "\xff"}')
    assert [notice.name for notice in use(path)] == ["HISTORY_DAMAGED"]
    assert (left(path), rows_of(path)) == ([], rows)


def test_a_history_that_was_not_closed_and_is_whole_is_just_opened(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    open_still = write_history(tmp_path / "history.db", kept_open=True)
    assert open_still is not None
    with closing(open_still):
        for name in ("history.db", "history.db-wal"):
            shutil.copy(tmp_path / name, there)
    assert integrity.is_suspect(there / "history.db")
    assert use(there / "history.db") == []
    assert rows_of(there / "history.db") == rows_of(tmp_path / "history.db")
    assert aside(there / "history.db") == []
    assert not integrity.is_suspect(there / "history.db")


@pytest.mark.case(33)
@pytest.mark.parametrize("broken", [False, True])
def test_a_newer_history_is_refused_also_when_it_was_not_closed_or_is_damaged(tmp_path: Path, broken: bool) -> None:
    there = tmp_path / "there"
    there.mkdir()
    open_still = write_history(tmp_path / "history.db", kept_open=True)
    assert open_still is not None
    open_still.execute("PRAGMA user_version = 99")
    with closing(open_still):
        for name in ("history.db", "history.db-wal"):
            shutil.copy(tmp_path / name, there)
    path = there / "history.db"
    if broken:
        harm(path, zero(30), is_found_at_once=False)
        integrity.mark(path, "met in use")
    before = {p.name: p.read_bytes() for p in there.iterdir()}
    for _ in range(2):
        with pytest.raises(StorageError, match="newer"):
            use(path)
    assert {p.name: p.read_bytes() for p in there.iterdir()} == before


@pytest.mark.parametrize("step", range(1, 9))
def test_saving_that_is_broken_off_anywhere_is_gone_on_with_by_the_next_start(
    path: Path, whole: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = harm(path, zero(page_kinds(whole)["messages inner"][0]))
    steps = 0

    def broken_off(real: Callable[..., object]) -> Callable[..., object]:
        def one_step(*args: object, **kwargs: object) -> object:
            nonlocal steps
            steps += 1
            if steps == step:
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)

        return one_step

    with monkeypatch.context() as patch:
        patch.setattr("sidecar.storage.integrity.write_atomically", broken_off(atomic_files.write_atomically))
        patch.setattr("sidecar.storage.salvage.recovery.put_in_place", broken_off(atomic_files.put_in_place))
        patch.setattr(rescue, "save", broken_off(rescue.save))
        for name in ("rename", "unlink", "touch"):
            patch.setattr(Path, name, broken_off(getattr(Path, name)))
        with pytest.raises(DiskFull):
            use(path)
    assert [n.name for n in use(path)] == ["HISTORY_DAMAGED"]
    assert rows_of(path) == rows
    [kept] = aside(path)
    assert (kept.read_bytes(), left(path)) == (before, [])
    require_consistent(path)


# --- what a host is told -----------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_host_that_asks_immediately_waits_for_the_examination_but_not_forever(
    path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, examine = threading.Event(), integrity.examine

    def slow(path: Path) -> None:
        go_on.wait(30)
        examine(path)

    harm(path, zero(page_kinds(whole)["messages inner"][0]))
    monkeypatch.setattr(integrity, "examine", slow)
    monkeypatch.setattr(database, "NOTICES_SECONDS", 0.05)
    history = Database(path)
    assert await history.notices() == [recovery.under_way()]
    monkeypatch.setattr(database, "NOTICES_SECONDS", 30.0)
    asking = asyncio.create_task(history.notices())
    await anyio.wait_all_tasks_blocked()
    go_on.set()
    [notice] = await asking
    assert "120 messages" in notice.message
    await history.close()
    assert await history.notices() == [notice]


def test_a_history_too_large_to_be_examined_whole_is_used_as_it_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000) SELECT max(i) FROM n"

    class Large(sqlite3.Connection):
        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
            return super().execute(long if "quick_check" in sql else sql, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(integrity, "EXAMINE_SECONDS", 0.02)
    with closing(sqlite3.connect(path, factory=Large)) as db:
        assert integrity._quick_check(db) == "ok"
        assert db.execute("SELECT count(*) FROM messages").fetchone() == (120,)


@pytest.mark.anyio
async def test_a_host_of_a_history_that_was_closed_does_not_wait(path: Path) -> None:
    history = Database(path)
    assert await history.notices() == []
    assert history._thread is None
    await history.close()


@pytest.mark.anyio
async def test_a_history_that_cannot_be_opened_at_all_is_no_reason_not_to_answer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    path.with_name("history.db-wal").write_bytes(b"not closed")
    monkeypatch.setattr(integrity, "examine", refuse)
    history = Database(path)
    assert await history.notices() == []
    await history.close()
