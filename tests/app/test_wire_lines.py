"""Whatever a host writes: each line has its answer, and the next ping is answered."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Talking
from tests.raw_host import LineHost, RawHost, validate


def replies(host: LineHost, data: bytes) -> list[Any]:
    """What is written between these bytes and the answer to a ping behind them."""
    marker = str(uuid.uuid4())
    host.send_bytes(data)
    host.send({"jsonrpc": "2.0", "id": marker, "method": "ping"})
    found: list[Any] = []
    while True:
        message = json.loads(host.raw_line())
        for one in message if isinstance(message, list) else [message]:
            if "error" in one:
                validate(one, "ErrorResponse")
        if isinstance(message, dict) and message["id"] == marker:
            return found
        found.append(message)


def outcomes(host: LineHost, data: bytes) -> list[Any]:
    """The same as `id: result or error name`."""
    return [brief(message) for message in replies(host, data)]


def brief(message: Any) -> Any:
    if isinstance(message, list):
        return sorted(brief(one) for one in message)
    return f"{message['id']}: {message['error']['data']['name'] if 'error' in message else message['result']}"


PARSE_ERROR, INVALID_REQUEST = "None: PARSE_ERROR", "None: INVALID_REQUEST"


@pytest.mark.parametrize(
    ("request_", "outcome"),
    [
        ({"id": "é\u2028\0\U0001f600", "method": "ping"}, "é\u2028\0\U0001f600: pong"),
        ({"id": "", "method": "ping"}, ": pong"),
        ({"id": 2**53, "method": "ping"}, f"{2**53}: pong"),
        ({"id": -(2**53), "method": "ping"}, f"{-(2**53)}: pong"),
        ({"id": None, "method": "ping"}, "None: pong"),
        ({"id": 2**53 + 1, "method": "ping"}, INVALID_REQUEST),
        ({"id": 2**63, "method": "ping"}, INVALID_REQUEST),
        ({"id": 10**30, "method": "ping"}, INVALID_REQUEST),
        ({"id": 1.5, "method": "ping"}, INVALID_REQUEST),
        ({"id": 1.0, "method": "ping"}, INVALID_REQUEST),
        ({"id": True, "method": "ping"}, INVALID_REQUEST),
        ({"id": {}, "method": "ping"}, INVALID_REQUEST),
        ({"id": ["a"], "method": "ping"}, INVALID_REQUEST),
        ({"id": "a", "method": "ping", "params": None}, "a: pong"),
        ({"id": "a", "method": "ping", "params": {}}, "a: pong"),
        ({"id": "a", "method": "ping", "params": []}, "a: pong"),
        ({"id": "a", "method": "ping", "params": [1]}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "ping", "params": "x"}, "a: INVALID_REQUEST"),
        ({"id": "a", "method": "ping", "params": {"x": 1}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": ["ping"]}, "a: INVALID_REQUEST"),
        ({"id": "a", "method": "Ping"}, "a: METHOD_NOT_FOUND"),
        ({"id": "a", "method": "rpc.nothing"}, "a: METHOD_NOT_FOUND"),
        ({"id": "a", "method": "launch_process"}, "a: METHOD_NOT_FOUND"),
        ({"id": "a", "method": "x" * 100_000}, "a: METHOD_NOT_FOUND"),
        ({"id": "a", "method": "get_session", "params": {"session_id": 5}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "get_session", "params": {"session_id": "\0"}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "get_logs", "params": {"limit": 10**30}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "get_logs", "params": {"limit": 0}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "get_logs", "params": {"since": 1e5}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "start_llama_server", "params": {"ctx_size": "4096"}}, "a: INVALID_PARAMS"),
        ({"id": "a", "method": "$/cancel", "params": {"id": 1}}, "a: METHOD_NOT_FOUND"),
    ],
)
def test_a_request_has_its_answer(shared: LineHost, request_: dict[str, Any], outcome: str) -> None:
    line = json.dumps({"jsonrpc": "2.0", **request_}, ensure_ascii=False).encode()
    assert outcomes(shared, line + b"\n") == [outcome]


def test_requests_without_the_version_are_refused_under_their_id(shared: LineHost) -> None:
    lines: list[Any] = [
        {"id": 801, "method": "ping"},
        {"jsonrpc": "1.0", "id": 802, "method": "ping"},
        {"jsonrpc": 2, "id": 803},
    ]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert outcomes(shared, data) == [f"{id_}: INVALID_REQUEST" for id_ in (801, 802, 803)]


@pytest.mark.case(8)
def test_carriage_returns_and_blank_lines_are_tolerated(shared: LineHost) -> None:
    ping = b'{"jsonrpc":"2.0","id":"%b","method":"ping"}'
    assert outcomes(shared, b"\r\n\n  \n\t\r\n" + ping % b"a" + b"\r\n\n" + ping % b"b" + b" \n") == [
        "a: pong",
        "b: pong",
    ]


def test_a_line_may_come_in_any_pieces(shared: LineHost) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": "ä\u2029", "method": "ping"}, ensure_ascii=False).encode()
    for byte in line:
        shared.send_bytes(bytes([byte]))
    assert outcomes(shared, b"\n") == ["ä\u2029: pong"]


@pytest.mark.case(14)
def test_notifications_have_no_answer(shared: LineHost) -> None:
    lines: list[dict[str, Any]] = [
        {"method": "ping"},
        {"method": "nothing"},
        {"method": "ping", "params": {"wrong": 1}},
        {"method": "ping", "params": [1]},
        {"method": "get_session", "params": {"session_id": "00000000-0000-4000-8000-000000000000"}},
        {"method": "$/cancel", "params": {"id": "nobody"}},
        {"method": "$/progress", "params": {}},
    ]
    for batch in (False, True):
        messages = [{"jsonrpc": "2.0", **line} for line in lines]
        data = json.dumps(messages).encode() + b"\n"
        if not batch:
            data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        assert outcomes(shared, data) == []


@pytest.mark.case(14)
@pytest.mark.parametrize(
    ("batch", "answers"),
    [  # the examples of the specification
        (b"[]", [INVALID_REQUEST]),
        (b"[1]", [[INVALID_REQUEST]]),
        (b"[1,2,3]", [[INVALID_REQUEST] * 3]),
        (
            b'[{"jsonrpc": "2.0", "method": "ping", "params": {}, "id": "1"}, {"jsonrpc": "2.0", "method"]',
            [PARSE_ERROR],
        ),
        (
            b'[{"jsonrpc": "2.0", "method": "ping", "id": "1"},'
            b' {"jsonrpc": "2.0", "method": "ping", "params": {"x": 7}},'
            b' {"foo": "boo"},'
            b' {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},'
            b' {"jsonrpc": "2.0", "method": "ping", "id": "9"}]',
            [["1: pong", "5: METHOD_NOT_FOUND", "9: pong", INVALID_REQUEST]],
        ),
        (b'[{"jsonrpc": "2.0", "method": "ping"}, {"jsonrpc": "2.0", "method": "x", "params": {}}]', []),
    ],
)
def test_a_batch_is_answered_as_the_specification_says(shared: LineHost, batch: bytes, answers: list[Any]) -> None:
    assert outcomes(shared, batch + b"\n") == answers


def test_a_large_batch_is_answered_at_once(shared: LineHost) -> None:
    batch = [{"jsonrpc": "2.0", "id": f"b{i}", "method": "ping"} for i in range(1000)]
    [answers] = outcomes(shared, json.dumps(batch).encode() + b"\n")
    assert answers == sorted(f"b{i}: pong" for i in range(1000))


def test_thousands_of_requests_at_once_are_all_answered(shared: LineHost) -> None:
    data = b"".join(b'{"jsonrpc":"2.0","id":"n%d","method":"ping"}\n' % i for i in range(5000))
    assert outcomes(shared, data) == [f"n{i}: pong" for i in range(5000)]


@pytest.mark.case(9)
def test_no_separator_that_a_host_may_split_at_is_ever_raw_on_the_wire(shared: LineHost) -> None:
    text = "a\u2028b\u2029c\x85d\x0b\x0c\x1c\x1d\x1e"
    created = shared.call("create_session", title=text, system=text)
    assert (created["title"], created["system"]) == (text, text)
    shared.begin("get_session", session_id=created["session_id"])
    raw = shared.raw_line()
    assert len(raw.decode().splitlines()) == 1
    assert json.loads(raw)["result"]["title"] == text


@pytest.mark.case(7)
def test_a_null_character_survives_the_way_there_and_back(shared: LineHost) -> None:
    created = shared.call("create_session", title="a\0b")
    assert shared.call("get_session", session_id=created["session_id"])["title"] == "a\0b"


@pytest.mark.case(7)
def test_a_null_character_in_a_message_is_kept_found_and_exported(talk: Talking) -> None:
    text = "before\0between \0\0 behind"
    session_id = talk.say(text)["session_id"]
    assert talk.call("get_messages", session_id=session_id)["messages"][0]["content"] == text
    for word in ("before", "between", "behind", "before\0between"):
        hits = talk.call("search_messages", query=word, session_id=session_id)["hits"]
        assert [hit["snippet"].replace("\u0002", "").replace("\u0003", "") for hit in hits] == [text]
    exported = talk.call("export_session", session_id=session_id)["content"]
    copy = talk.call("import_session", content=exported)["session_id"]
    assert talk.branch(copy) == talk.branch(session_id)
    assert text in talk.call("export_session", session_id=session_id, format="markdown")["content"]


@pytest.mark.case(10)
def test_a_lone_surrogate_is_refused_and_changes_nothing(shared: LineHost) -> None:
    before = shared.call("list_sessions")["sessions"]
    line = b'{"jsonrpc":"2.0","id":"s","method":"create_session","params":{"title":"\\ud800"}}\n'
    assert outcomes(shared, line) == [PARSE_ERROR]
    assert shared.call("list_sessions")["sessions"] == before


def test_a_line_just_within_the_bound_is_read(data_dir: Path) -> None:
    with RawHost(data_dir, "--max-line-bytes", "1000") as host:
        assert host.call("initialize")["capabilities"]["max_line_bytes"] == 1000
        line = b'{"jsonrpc":"2.0","id":"e","method":"ping"}'
        assert outcomes(host, line + b" " * (1000 - len(line)) + b"\r\n") == ["e: pong"]
        assert outcomes(host, line + b" " * (1001 - len(line)) + b"\n") == [PARSE_ERROR]


@pytest.mark.case(18)
def test_what_a_library_prints_never_reaches_the_host(data_dir: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "psutil.py").write_text(  # imported by get_resources, long after the start
        "import os, sys, ctypes\n"
        "print('stray python')\n"
        "os.write(1, b'stray descriptor')\n"
        "libc = ctypes.CDLL(None); libc.puts(b'stray native'); libc.fflush(None)\n"
        "os.system('echo stray child')\n"
        "raise ImportError('a library that only talks')\n"
    )
    with RawHost(data_dir, env={"PYTHONPATH": f"{site}{os.pathsep}{Path.cwd()}"}) as host:
        host.fail("get_resources")
        assert host.call("ping") == "pong"
    for stray in (b"python", b"descriptor", b"native", b"child"):
        assert b"stray " + stray in host.stderr
