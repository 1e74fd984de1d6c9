"""Search in all scripts and in code, and titles: reports of what was said and could not be found again."""

# ruff: noqa: RUF001 - letters of other scripts are what this is about

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.chat import search as searching
from sidecar.chat import sessions
from sidecar.chat.search import search
from sidecar.chat.titles import title_of
from sidecar.storage.search_index import fold, folded_pieces
from tests.chat.rows import a_session, open_history, say


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(open_history()) as db:
        yield db


def found(db: sqlite3.Connection, query: str) -> list[str]:
    """The snippets of what is found, with < and > around the matches."""
    hits = search(db, query, session_id=None, limit=100, cursor=None).hits
    return [hit.snippet.replace("\u0002", "<").replace("\u0003", ">") for hit in hits]


def test_words_of_scripts_without_spaces_are_found_wherever_they_stand(db: sqlite3.Connection) -> None:
    """claude-mem#3801, hermes-agent#11511."""
    texts = {
        "我喜欢机器学习。": ("机器学习", "学习", "机器", "习", "喜欢机器学"),
        "今日は天気がいい": ("天気", "天", "いい"),
        "ภาษาไทยไม่ยาก": ("ภาษา", "ไทย"),
        "한국어공부를 시작": ("공부", "한국어", "시"),
        "使用Python学习AI": ("Python", "python", "ai", "使用", "pyth"),
        "ភាសាខ្មែរ": ("ខ្មែរ",),
        "終わりは猫": ("猫", "は猫"),
    }
    session = a_session(db)
    for text in texts:
        say(db, session, text)
    for text, queries in texts.items():
        for query in queries:
            shown = found(db, query)
            assert text in [snippet.replace("<", "").replace(">", "") for snippet in shown], query
            assert all("<" in snippet for snippet in shown), query
    for absent in ("器学机", "気天", "犬", "라면"):
        assert found(db, absent) == []


def test_names_with_symbols_find_themselves_and_not_every_letter(db: sqlite3.Connection) -> None:
    """dlang.org#4119: C++ finds every c."""
    session = a_session(db)
    for text in (
        "c is a letter",
        "C++ is a language",
        "so is C#",
        "and F#.",
        "B+ is a grade",
        "use g++ here",
        "c-- too",
    ):
        say(db, session, text)
    assert found(db, "C++") == ["<C++> is a language"]
    assert found(db, "c++ language") == ["<C++> is a <language>"]
    assert found(db, "c#") == ["so is <C#>"]
    assert found(db, "F#") == ["and <F#>."]
    assert found(db, "g++") == ["use <g++> here"]
    assert found(db, "c--") == ["<c--> too"]
    assert len(found(db, "c")) == 4


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("see v1.2.3 now", "1.2.3", "see v<1>.<2>.<3> now"),
        ("getUserNameById(x)", "UserName", "get<UserName>ById(x)"),
        ("getUserNameById(x)", "username", "get<UserName>ById(x)"),
        ("parseHTTPResponse", "response", "parseHTTP<Response>"),
        ("the win32api", "api", "the win32<api>"),
        ("don\u2019t", "don't", "<don>\u2019<t>"),
        ("MAX_SIZE_BYTES", "size", "MAX_<SIZE>_BYTES"),
        ("std::vector<int>", "std::vec", "<std>::<vector><int>"),
    ],
)
def test_parts_of_names_in_code_are_found(db: sqlite3.Connection, text: str, query: str, shown: str) -> None:
    """claude-mem#3801: `1.2.3` in `v1.2.3`, `UserName` in `getUserNameById`."""
    say(db, a_session(db), text)
    assert found(db, query) == [shown]


def test_the_middle_of_a_plain_word_is_not_a_match(db: sqlite3.Connection) -> None:
    say(db, a_session(db), "concatenate getUser 天気")
    assert found(db, "cat") == []
    assert found(db, "cat 天気") == []
    assert found(db, "天気 conc") == ["<concatenate> getUser <天気>"]


def test_titles_and_messages_are_folded_alike(db: sqlite3.Connection) -> None:
    session = a_session(db, title="Größe des CAFÉS: \uff30\uff59\uff54\uff48\uff4f\uff4e und I\u2019m")
    for query in ("große", "cafes", "python", "i'm", "CAFÉ"):
        page = sessions.page(db, query=query, archived=False, limit=5, cursor=None)
        assert [one.session_id for one in page.sessions] == [session.session_id], query


def test_a_character_of_very_many_messages_is_found_without_the_index(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_TERMS", 3)
    session = a_session(db)
    for n in range(8):
        say(db, session, f"的{chr(0x4E00 + n)}{n}")
    say(db, session, "none")
    assert len(found(db, "的")) == 8


def test_a_page_of_costly_candidates_ends_early_and_the_next_ones_have_the_rest(
    db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_EXAMINED", 3)
    session = a_session(db)
    texts = ["c--", *["c and more"] * 10, "c-- again"]
    for text in texts:
        say(db, session, text)
    hits, cursor, pages = [], None, 0
    while True:
        page = search(db, "c--", session_id=None, limit=10, cursor=cursor)
        hits += [hit.snippet for hit in page.hits]
        pages += 1
        if (cursor := page.next_cursor) is None:
            break
    assert len(hits) == 2
    assert pages > 2


NO_SPACES = st.text("机器学习天気ภาษาไทย공부한국어AIPython1.2+# ", min_size=1, max_size=12)


@given(before=NO_SPACES, word=st.text("机器学習天気공부", min_size=1, max_size=5), behind=NO_SPACES)
def test_any_run_of_ideograms_in_a_message_finds_it(before: str, word: str, behind: str) -> None:
    with closing(open_history()) as db:
        say(db, a_session(db), before + word + behind)
        assert len(found(db, word)) == 1


@given(st.text())
def test_pieces_of_a_folded_text_are_the_whole_of_it(text: str) -> None:
    pieces = list(folded_pieces(text))
    assert "".join(text[begin:end] for begin, end, _ in pieces) == text
    assert "".join(folded for _, _, folded in pieces) == fold(text)


def test_what_may_be_written_in_several_ways_is_found_in_each(db: sqlite3.Connection) -> None:
    """claude-mem#3801: points, accents, strokes, width, ligatures and joined letters; and titles by the same rule."""
    texts = {
        "\u0643\u0650\u062a\u064e\u0627\u0628\u064c \u062c\u062f\u064a\u062f": "\u0643\u062a\u0627\u0628",
        "\u0643\u062a\u0640\u0640\u0627\u0628": "\u0643\u062a\u0627\u0628",
        "\u0623\u062d\u0645\u062f": "\u0627\u062d\u0645\u062f",
        "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u05e2\u05d5\u05dc\u05dd": "\u05e9\u05dc\u05d5\u05dd",
        "Tie\u0302\u0301ng Vie\u0323\u0302t": "Tiếng Việt",
        "Đường đi": "duong",
        "Łódź i smørrebrød": "lodz smorrebrod",
        "Ελληνική γλώσσα": "ελληνικη",
        "ΟΔΟΣ": "οδός",
        "Ёлка": "елка",
        "Straße": "STRASSE",
        "\ufb01nal": "final",
        "Ｐｙｔｈｏｎ３": "python3",
        "\uff83\uff9e\uff70\uff80": "データ",
        "か\u3099き": "が",
        "\u1112\u1161\u11ab\u1100\u116e\u11a8": "한국",
        "well\u2011known": "well-known",
        "soft\u00adware": "software",
    }
    for text, query in texts.items():
        session = a_session(db, title=text)
        say(db, session, text)
        assert any("<" in shown for shown in found(db, query)), text
        titles = sessions.page(db, query=query.split()[0], archived=False, limit=50, cursor=None).sessions
        assert session.session_id in [one.session_id for one in titles], text


def test_vowel_signs_are_a_part_of_their_word(db: sqlite3.Connection) -> None:
    """claude-mem#3801: a word of Hindi was split at each vowel, and any word of the same consonants was a match."""
    session = a_session(db)
    for text in ("हिन्दी भाषा", "भूषण", "தமிழ் மொழி", "বাংলা"):
        say(db, session, text)
    assert found(db, "भाषा") == ["हिन्दी <भाषा>"]
    assert found(db, "भा") == ["हिन्दी <भाषा>"]
    assert found(db, "हिन्दी") == ["<हिन्दी> भाषा"]
    assert found(db, "தமிழ்") == ["<தமிழ்> மொழி"]
    assert found(db, "বাং") == ["<বাংলা>"]
    assert found(db, "भषा") == []


def test_a_sign_on_its_own_is_searched_for(db: sqlite3.Connection) -> None:
    """dlang.org#4119: an operator or an emoji found nothing; between words a sign says nothing."""
    session = a_session(db)
    for text in ("run && stop", "p->next", "50€ bill", "hi 👍🏽 there", "❤\ufe0f it"):
        say(db, session, text)
    for query, shown in {
        "&&": "run <&&> stop",
        "->": "p<->>next",
        "€": "50<€> bill",
        "👍": "hi <👍>🏽 there",
        "❤": "<❤>\ufe0f it",
        "run - stop": "<run> && <stop>",
    }.items():
        assert found(db, query) == [shown]
    assert found(db, "||") == []


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\u200b\nHello", "Hello"),
        ("\u2060\ufeff \nHello", "Hello"),
        ("```python\nprint(1)\n```", "print(1)"),
        ("~~~\ncode", "code"),
        ("# A heading\ntext", "A heading"),
        ("\u202eevil\u202c title\x1b[31m", "evil title[31m"),
        ("👨\u200d👩\u200d👧\u200d👦" * 20, "👨\u200d👩\u200d👧\u200d👦" * 8 + "…"),
        ("a" * 58 + "👍🏽 and more", "a" * 58 + "👍🏽…"),
        ("🇩🇪" * 31 + "!", "🇩🇪" * 30 + "…"),
        ("b" + "🇩🇪" * 31, "b" + "🇩🇪" * 29 + "…"),
        ("e\u0301" * 40, "e\u0301" * 30 + "…"),
        ("```", "New chat"),
        ("\u200b", "New chat"),
    ],
)
def test_a_title_shows_something_and_cuts_no_character_in_two(text: str, title: str) -> None:
    """botmux#1253."""
    assert title_of(text) == title
