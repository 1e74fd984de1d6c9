"""A history that is encrypted: what is in its file, who can read it, and the way there and back."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from sidecar.chat import messages, search, sessions
from sidecar.chat.messages import StoredMessage
from sidecar.contract.chat import SendMessageParams
from sidecar.contract.config import StorageConfig
from sidecar.contract.errors import DiskFull, NotSupported, StorageError
from sidecar.contract.sessions import ListSessionsParams, Session, SessionConfig, ToolCall, ToolFunction
from sidecar.storage import encryption, migrations, reencrypt, search_index
from sidecar.storage.cipher import Cipher
from sidecar.storage.database import Database, Work
from tests.chat.rows import a_session, history_in, say
from tests.chat.scripted import BOUND_SECONDS, Held, Stage, shown
from tests.config_files import config_file
from tests.storage import keyrings
from tests.storage.histories import opened
from tests.storage.secret_words import CANARY, SECRETS, TITLE, files_with

pytestmark = pytest.mark.anyio

Everything = tuple[list[Session], list[list[StoredMessage]]]


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a good keyring."""
    folder = tmp_path / "keyring"
    folder.mkdir()
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.storage.keyrings.GoodKeyring")
    monkeypatch.setenv(keyrings.FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "history.db"


def talk(db: sqlite3.Connection) -> Session:
    """A session with a secret in each of its words."""
    config = SessionConfig(stop=[CANARY])
    session = a_session(db, title=TITLE, system=CANARY, config=config)
    question = say(db, session, CANARY)
    question = messages.new_message(session.session_id, question.message_id, role="user", content=CANARY)
    question.parts = [{"type": "text", "text": CANARY}]
    messages.insert(db, question)
    answer = messages.new_message(session.session_id, question.message_id, role="assistant", content="")
    answer.state = "running"
    messages.insert(db, answer)
    answer.content, answer.reasoning, answer.state = CANARY, CANARY, "complete"
    answer.tool_calls = [ToolCall(id="1", type="function", function=ToolFunction(name="f", arguments=CANARY))]
    messages.finish(db, answer)
    sessions.set_head(db, session.session_id, answer.message_id)
    return session


def execute(statement: str) -> Work[None]:
    def work(db: sqlite3.Connection) -> None:
        db.execute(statement)

    return work


def everything(db: sqlite3.Connection) -> Everything:
    found = sessions.page(db, query=None, archived=False, limit=1000, cursor=None).sessions
    return found, [messages.all_of(db, session.session_id) for session in found]


def found(db: sqlite3.Connection) -> int:
    return len(search.search(db, "vicuña", session_id=None, limit=100, cursor=None).hits)


def use_words(database: Database, folder: Path) -> list[Callable[[], Awaitable[object]]]:
    """Work of every kind that needs the words."""
    history = history_in(database, folder)
    return [
        lambda: history.page(ListSessionsParams()),
        lambda: history.open(messages.new_id()),
        lambda: history.get(messages.new_id()),
        lambda: history.change(messages.new_id(), insert_message),
        lambda: database.run(found),
        lambda: database.run(a_session),
    ]


def insert_message(db: sqlite3.Connection) -> None:
    messages.insert(db, messages.new_message(messages.new_id(), None, role="user", content="x"))


# --- what is in the file -------------------------------------------------------------------------------------


async def test_an_encrypted_history_gives_back_what_was_said_and_no_file_holds_it(path: Path) -> None:
    async with opened(path) as plain:
        await plain.run(talk)
        expected = await plain.run(everything)
    async with opened(path, encrypt=True) as database:
        assert await database.run(everything) == expected
        await database.run(talk)
        await database.run(lambda db: sessions.update(db, expected[0][0].session_id, {"title": TITLE}))
        assert files_with(path.parent, *SECRETS) == set()  # while it is open: with the WAL
        now = await database.run(everything)
        assert len(now[0]) == 2
    async with opened(path, encrypt=True) as database:
        assert await database.run(everything) == now
    assert files_with(path.parent, *SECRETS, "guanaco", "vicuña") == set()


async def test_switching_on_and_off_again_takes_effect_at_once_and_loses_nothing(path: Path) -> None:
    async with opened(path) as database:
        await database.run(talk)
        expected = await database.run(everything)
        assert await database.run(found) == 3
        await database.encrypt(True)
        assert files_with(path.parent, *SECRETS) == set()
        assert await database.run(everything) == expected
        with pytest.raises(NotSupported):
            await database.run(found)
        await database.encrypt(True)
        await database.encrypt(False)
        assert await database.run(everything) == expected
        assert (await database.run(found), database.cipher) == (3, None)
        await database.run(talk)
        assert await database.run(found) == 6
    assert files_with(path.parent, CANARY) == {"history.db"}


async def test_what_was_deleted_before_is_gone_from_the_file_too(path: Path) -> None:
    async with opened(path) as database:
        await database.run(execute("PRAGMA secure_delete = OFF"))  # some builds of SQLite have it on
        for _ in range(20):
            await database.run(talk)
        await database.run(execute("DELETE FROM sessions"))
        assert files_with(path.parent, CANARY) != set()
        await database.encrypt(True)
        assert files_with(path.parent, *SECRETS) == set()


async def test_titles_are_found_in_an_encrypted_history(path: Path) -> None:
    async with opened(path, encrypt=True) as database:
        for number in range(5):
            await database.run(partial(a_session, title=f"{TITLE} {number}"))
        await database.run(partial(a_session, title="Other"))

        def titles(query: str, cursor: str | None = None) -> Any:
            return lambda db: sessions.page(db, query=query, archived=False, limit=3, cursor=cursor)

        first = await database.run(titles("DIARY of"))
        rest = await database.run(titles("DIARY of", first.next_cursor))
        assert [s.title[-1] for s in (*first.sessions, *rest.sessions)] == ["4", "3", "2", "1", "0"]
        assert rest.next_cursor is None


async def test_a_title_is_taken_from_the_first_message_of_an_encrypted_history(path: Path) -> None:
    async with opened(path, encrypt=True) as database:
        session = await database.run(a_session)
        for text in ("First words", "Other words"):
            await database.run(partial(sessions.give_title, session_id=session.session_id, text=text))
        assert (await database.run(lambda db: sessions.get(db, session.session_id))).title == "First words"


async def test_the_file_itself_refuses_plain_text(path: Path) -> None:
    async with opened(path, encrypt=True) as database:
        await database.run(talk)
        for statement in (
            "UPDATE messages SET reasoning = 'plain'",
            "UPDATE sessions SET title = 'plain'",
            "INSERT INTO messages (id, session_id, role, content, state, created_at)"
            " SELECT 'x', id, 'user', 'plain', 'complete', 0 FROM sessions",
        ):
            with pytest.raises(StorageError):
                await database.run(execute(statement))


# --- who can read it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "swap",
    [
        "UPDATE messages SET content = (SELECT content FROM messages m WHERE m.rowid = messages.rowid % 3 + 1)",
        "UPDATE messages SET reasoning = content",
        "UPDATE messages SET session_id = (SELECT id FROM sessions WHERE id <> messages.session_id)",
        "UPDATE sessions SET system = (SELECT system FROM sessions s WHERE s.id <> sessions.id)",
        "UPDATE sessions SET title = system",
    ],
)
async def test_records_that_change_places_are_refused(path: Path, swap: str) -> None:
    async with opened(path, encrypt=True) as database:
        for _ in range(2):
            await database.run(talk)
        await database.run(execute(swap))
        with pytest.raises(StorageError):
            await database.run(everything)


@pytest.mark.parametrize("encrypt", [True, False, None])
async def test_without_its_key_a_history_is_refused_and_left_as_it_is(
    path: Path, keyring: Path, encrypt: bool | None
) -> None:
    async with opened(path, encrypt=True) as database:
        await database.run(talk)
    before = path.read_bytes()
    passwords = keyring / "passwords.json"
    kept = passwords.read_text()
    other = json.dumps(dict.fromkeys(json.loads(kept), "A" * 43 + "="))
    for wrong in ("{}", other):
        passwords.write_text(wrong)
        async with opened(path, encrypt) as database:
            for work in use_words(database, path.parent):
                with pytest.raises(StorageError):
                    await work()
            with pytest.raises(StorageError):
                await database.encrypt(False)
            with pytest.raises(StorageError):
                _ = database.cipher
        assert (path.read_bytes(), passwords.read_text()) == (before, wrong)
    passwords.write_text(kept)
    async with opened(path, encrypt) as database:
        assert len((await database.run(everything))[0]) == 1


async def test_without_a_keyring_nothing_is_written_in_plain_text_instead(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption, "RETRY_SECONDS", 0)
    with monkeypatch.context() as without:
        without.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        async with opened(path, encrypt=True) as database:
            for work in use_words(database, path.parent):
                with pytest.raises(NotSupported):
                    await work()
            # What holds no words is not refused.
            await history_in(database, path.parent).tidy()
            without.setenv("PYTHON_KEYRING_BACKEND", "tests.storage.keyrings.GoodKeyring")
            await database.run(talk)
    assert files_with(path.parent, *SECRETS) == set()


async def test_a_person_is_not_asked_for_each_request(
    path: Path, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encryption, "RETRY_SECONDS", 3600)
    (keyring / "locked").touch()
    async with opened(path, encrypt=True) as database:
        for work in use_words(database, path.parent):
            with pytest.raises(StorageError):
                await work()
    assert len((keyring / "asked").read_text().splitlines()) == 1


async def test_the_end_does_not_wait_for_a_keyring_that_hangs(
    path: Path, keyring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.storage.database.KEYRING_AT_THE_END_SECONDS", 0.05)
    (keyring / "hanging").touch()
    database = Database(path, config_file(storage=StorageConfig(encrypt=True)))
    work = database.submit(a_session)
    with anyio.fail_after(BOUND_SECONDS):
        with anyio.fail_after(encryption.RETRY_SECONDS):
            await database.close()
        with pytest.raises(StorageError):
            await work
    (keyring / "hanging").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM facts",
        "UPDATE facts SET value = '{'",
        'UPDATE facts SET value = \'{"key": "an older one", "sealed": false}\'',
    ],
)
async def test_a_history_that_does_not_say_that_it_is_encrypted_is_known_by_its_records(
    path: Path, keyring: Path, damage: str
) -> None:
    """As one that was put together anew from a damaged file."""
    async with opened(path, encrypt=True) as database:
        session = (await database.run(talk)).session_id
        tree = await database.run(partial(messages.all_of, session_id=session))
        index = await database.run(index_rows)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(damage)
        db.execute("UPDATE sessions SET config = '', title = '', system = ''")
        search_index.register(db)
        db.execute(f"CREATE TRIGGER messages_text_insert {search_index.INDEX_TRIGGERS['messages_text_insert']}")
        db.execute("INSERT INTO messages_text (messages_text) VALUES ('rebuild')")
    passwords = keyring / "passwords.json"
    kept = passwords.read_text()
    passwords.write_text(json.dumps(dict.fromkeys(json.loads(kept), "A" * 43 + "=")))
    async with opened(path) as database:
        with pytest.raises(StorageError):
            await database.run(everything)
    passwords.write_text(kept)
    for encrypt in (None, True):
        async with opened(path, encrypt) as database:
            assert await database.run(partial(messages.all_of, session_id=session)) == tree
            assert (await database.run(partial(sessions.get, session_id=session))).title == "New chat"
            assert await database.run(index_rows) == index
            with pytest.raises(StorageError):
                await database.run(execute("UPDATE messages SET content = 'plain'"))


def index_rows(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    return db.execute("SELECT * FROM messages_text_data").fetchall()


# --- the way there and back ----------------------------------------------------------------------------------


async def test_a_lost_config_decrypts_nothing(path: Path) -> None:
    async with opened(path, encrypt=True) as database:
        await database.run(talk)
    async with opened(path) as database:
        assert len((await database.run(everything))[0]) == 1
        await database.run(talk)
    assert files_with(path.parent, *SECRETS) == set()


async def test_a_config_that_says_no_decrypts(path: Path) -> None:
    async with opened(path, encrypt=True) as database:
        await database.run(talk)
        expected = await database.run(everything)
    async with opened(path, encrypt=False) as database:
        assert (await database.run(everything), await database.run(found)) == (expected, 3)


async def test_encrypting_again_takes_the_key_from_before(path: Path, keyring: Path) -> None:
    async with opened(path) as database:
        for encrypted in (True, False, True):
            await database.encrypt(encrypted)
    assert len(json.loads((keyring / "passwords.json").read_text())) == 1


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_switch_that_fails_half_way_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    def failing_after(count: int) -> Callable[[Cipher, str, str], str]:
        left = iter(range(count))

        def fail(cipher: Cipher, text: str, about: str) -> str:
            if next(left, None) is None:
                raise sqlite3.OperationalError("database or disk is full")
            return whole(cipher, text, about)

        return fail

    def rows(db: sqlite3.Connection) -> list[tuple[object, ...]]:
        return db.execute("SELECT * FROM messages").fetchall()

    method = "encrypt_text" if encrypted else "decrypt_text"
    whole: Callable[[Cipher, str, str], str] = getattr(Cipher, method)
    async with opened(path, encrypt=not encrypted) as database:
        await database.run(talk)
        expected = await database.run(everything)
        dumped = await database.run(rows)
        for count in (1, 5, 9):
            with monkeypatch.context() as patch:
                patch.setattr(Cipher, method, failing_after(count))
                with pytest.raises(StorageError):
                    await database.encrypt(encrypted)
            assert await database.run(rows) == dumped
            assert await database.run(everything) == expected
        await database.run(talk)
        await database.encrypt(encrypted)
        assert len((await database.run(everything))[0]) == 2


async def test_a_damaged_record_keeps_a_history_encrypted_and_the_others_can_be_read(path: Path) -> None:
    async with opened(path, encrypt=True) as database:
        await database.run(talk)
        whole = await database.run(talk)
        await database.run(execute("UPDATE messages SET content = parts WHERE rowid = 2"))
        with pytest.raises(StorageError):
            await database.encrypt(False)
    async with opened(path, encrypt=False) as database:
        assert len(await database.run(lambda db: messages.all_of(db, whole.session_id))) == 3
        assert [notice.name for notice in await database.notices()] == ["HISTORY_STILL_ENCRYPTED"]
    assert files_with(path.parent, CANARY) == set()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from sidecar.storage import migrations, encryption, reencrypt
from sidecar.storage.cipher import Cipher
from sidecar.storage.database import Database, Work

encrypted, die_at = sys.argv[2] == "True", int(sys.argv[3])

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def counted(method):
    whole, left = getattr(Cipher, method), iter(range(die_at))
    setattr(Cipher, method, lambda *given: whole(*given) if next(left, None) is not None else die())

if die_at >= 0:
    counted("encrypt_text" if encrypted else "decrypt_text")
else:
    reencrypt.clean = die

async def main():
    await Database(Path(sys.argv[1])).encrypt(encrypted)

asyncio.run(main())
"""


@pytest.mark.case(34)
@pytest.mark.parametrize(("encrypted", "die_at"), [(True, 0), (True, 7), (True, -1), (False, 5)])
async def test_a_kill_in_the_middle_of_a_switch_leaves_the_old_state_or_the_new(
    path: Path, encrypted: bool, die_at: int
) -> None:
    async with opened(path, encrypt=not encrypted) as database:
        await database.run(talk)
        expected = await database.run(everything)
    argv = [sys.executable, "-c", KILLED, str(path), str(encrypted), str(die_at)]
    with anyio.fail_after(BOUND_SECONDS):
        killed = await anyio.run_process(argv, check=False, env={**os.environ, "PYTHONPATH": "."})
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, b"")
    async with opened(path) as database:
        assert await database.run(everything) == expected
        # Killed between the commit and the cleaning, it is encrypted, and the next start cleans.
        assert (database.cipher is None) == (encrypted and die_at >= 0)
        if database.cipher is not None:
            assert files_with(path.parent, *SECRETS) == set()
        await database.encrypt(encrypted)
        assert await database.run(everything) == expected


async def test_a_file_that_could_not_be_cleaned_is_told_of_and_cleaned_at_the_next_start(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with opened(path) as database:
        for _ in range(20):
            await database.run(talk)
        with monkeypatch.context() as patch:
            patch.setattr(reencrypt, "clean", full)
            await database.encrypt(True)
        assert [notice.name for notice in await database.notices()] == ["HISTORY_NOT_CLEANED"]
        assert database.cipher is not None
    async with opened(path) as database:
        await database.run(everything)
        assert await database.notices() == []
    assert files_with(path.parent, *SECRETS) == set()


async def test_a_full_disk_is_told_as_such_and_the_history_goes_on_in_plain_text(path: Path) -> None:
    async with opened(path) as database:
        await database.run(talk)
        pages = await database.run(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
        await database.run(execute(f"PRAGMA max_page_count = {pages}"))
        for _ in range(30):
            try:
                await database.run(talk)
            except DiskFull:
                break
        with pytest.raises(DiskFull):
            await database.encrypt(True)
        assert database.cipher is None
        await database.run(everything)


async def test_older_copies_that_are_not_encrypted_are_named(path: Path) -> None:
    async with opened(path) as database:
        await database.run(talk)
        await database.run(lambda db: None)
    data = path.read_bytes()
    plain, damaged = path.with_name("history-before-schema-9.db"), path.with_name("history-damaged-1.db")
    plain.write_bytes(data)
    damaged.write_bytes(data[: len(data) // 2])
    async with opened(path) as database:
        await database.encrypt(True)
        [notice] = await database.notices()
        assert (notice.name, plain.name in notice.message, damaged.name in notice.message) == (
            "HISTORY_COPIES_NOT_ENCRYPTED",
            True,
            True,
        )
    assert (plain.read_bytes(), damaged.exists()) == (data, True)  # they are the user's to remove
    plain.write_bytes(path.read_bytes())  # an encrypted copy is none to tell of
    damaged.unlink()
    async with opened(path) as database:
        await database.run(everything)
        assert await database.notices() == []


async def test_an_answer_that_streams_while_the_history_is_encrypted_is_kept_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, answer = Stage(tmp_path), Held(CANARY)
    stage.server.answers = [answer]
    async with stage.run():
        turn = stage.chat.send(SendMessageParams(message=TITLE))
        await answer.reached.wait()
        with monkeypatch.context() as without:
            without.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
            with pytest.raises(NotSupported):  # which is no harm to the answer
                await stage.history.encrypt(True)
        assert shown(turn.events)[-1] == ("token", CANARY)
        assert {Path(name).suffix for name in files_with(tmp_path, CANARY)} == {".jsonl"}
        await stage.history.encrypt(True)
        assert files_with(tmp_path, *SECRETS) == set()
        answer.released.set()
        result = await turn.result()
        assert result.content == f"{CANARY}Hello"
        assert [content for _, content, _ in await stage.rows(turn.session_id)] == [TITLE, result.content]
        kept = stage.journals.read(turn.session_id)
        assert kept is not None
        assert kept.text("token") == result.content
    assert files_with(tmp_path, *SECRETS) == set()


def test_every_column_is_encrypted_or_is_known_to_hold_no_text() -> None:
    """A new column has to be put in one of the two."""
    visible = {
        "messages": "rowid id session_id parent_id role tool_call_id state finish_reason usage timings context model"
        " warnings created_at edited_at request_key",
        "sessions": "id title_is_own server_id archived head message_count created_at updated_at deleted_at",
    }
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrations.migrate(db, Path("unused"))
        for table, columns in reencrypt.TEXT_COLUMNS.items():
            every = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
            assert every == {*columns, *visible[table].split()}
