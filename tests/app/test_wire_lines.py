"""Whatever a host writes: each line has its answer, and the next ping is answered."""

from __future__ import annotations

import json
import os
import random
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.raw_host import RawHost, validate

MIB = 1024 * 1024


def replies(host: RawHost, data: bytes) -> list[Any]:
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


def outcomes(host: RawHost, data: bytes) -> list[Any]:
    """The same as `id: result or error name`."""
    return [brief(message) for message in replies(host, data)]


def brief(message: Any) -> Any:
    if isinstance(message, list):
        return sorted(brief(one) for one in message)
    return f"{message['id']}: {message['error']['data']['name'] if 'error' in message else message['result']}"


PARSE_ERROR, INVALID_REQUEST, INVALID_PARAMS = "None: PARSE_ERROR", "None: INVALID_REQUEST", "None: INVALID_PARAMS"

# In the manner of JSONTestSuite's n_…: a parser must refuse each.
NO_JSON = (
    rb"""
[1 true]|["": 1]|[""],|[,1]|[1,,2]|["x"]]|["",]|["x"|[x|[3[4]]|[1:2]|[,]|[-]|[   , ""]|[1,|["a"\f]|[*]|[1,1,|[1]x|[fals]
[nul]|[tru]|[++1234]|[+1]|[+Inf]|[-01]|[-1.0.]|[-2.]|[-NaN]|[.-1]|[.2e-3]|[0.1.2]|[0.3e+]|[0.3e]|[0.e1]|[0E+]|[0e]
[1.0e+]|[1 000.0]|[1eE2]|[2.e+3]|[9.e+]|[Inf]|[NaN]|[1+2]|[0x1]|[0x42]
[Infinity]|[-Infinity]|[-foo]|[- 1]|[-012]|[1ea]|[1.]|[012]
{"x", null}|{"x"::"b"}|{"a":"a" 123}|{key: 'value'}|{"a" b}|{:"b"}|{"a" "b"}|{"a":|{1:1}|{null:null}|{"id":0,,,,,}
{'a':0}|{"id":0,}|{"a":"b"}/**/|{"a":"b"}#|{"a":"b",,"c":"d"}|{a: "b"}|{"a":"a|{ "foo" : "bar", "a" }
["\uD800\"]|["\uD800\u1"]|["\uD800\u1x"]|["\uD800"]|["\uDC00\uD800"]|["\x00"]|["\a"]|["\u00A"]|[\u0020"asd"]|[\n]|"
['single quote']|abc|["\|"\UA66D"|""x|<.>|[<null>]|aA|[True]|1]|{"x": true,|]|[|2@|{}}|{"":
{"a":/*comment*/"b"}|{'a'|["a|{|{"|{,|{[|{"a|{'a'}|*
{"a":"b"}#{}|[\u000A""]|["asd]|["\u|[1e999]|[-1e999]|nan|undefined|'ping'|ping|{"jsonrpc":"2.0","id":1,"method":"ping"
{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}|{"jsonrpc":"2.0","id":1,"method":"ping"},
""".strip()
    .replace(b"\n", b"|")
    .split(b"|")
)
NO_JSON += [
    *(
        b"[a\xe5]",
        b"[\xff]",
        b'["\x0ba"\\f]',
        b"[\xef\xbc\x91]",
        b"{\xf0\x9f\x87\xa8}",
        b" \x1f",
        b"[\xc3\xa9]",
        b'["\\\0"]',
    ),
    *(
        b'["\xe5"]',
        b'["a\0a"]',
        b'["\t"]',
        b"\xef\xbb{}",
        b"\xe5",
        b'["\xed\xa0\x80"]',
        b"\xe2\x81\xa0",
        b"\xef\xbb\xbf{}",
        b"\0",
    ),
    *(
        b"\xff\xfe[\0]\0",
        b'"\xc0\xaf"',
        b'"\xf4\x90\x80\x80"',
        b"\x1b[31m{}",
        b"{}\x0c",
        b"\xc2\x85{}",
        b"\xe2\x80\xa8{}",
    ),
]


def test_a_line_that_is_no_json_has_one_parse_error(shared: RawHost) -> None:
    found = replies(shared, b"".join(line + b"\n" for line in NO_JSON))
    assert [brief(message) for message in found] == [PARSE_ERROR] * len(NO_JSON)
    assert {message["error"]["code"] for message in found} == {-32700}


def test_values_that_are_no_request_have_one_invalid_request_each(shared: RawHost) -> None:
    values = [
        b"1",
        b"-0.0",
        b"1e5",
        b"null",
        b"true",
        b'"ping"',
        b"{}",
        b'{"a":1,"a":2}',
        b' {"jsonrpc":"2.0"} ',
        b"[]",
    ]
    assert outcomes(shared, b"\n".join(values) + b"\n") == [INVALID_REQUEST] * len(values)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_without_end_is_a_parse_error(shared: RawHost, opening: bytes, closing: bytes) -> None:
    deep = opening * 100_000
    assert outcomes(shared, deep + b"\n") == [PARSE_ERROR]
    assert outcomes(shared, deep + b"1" + closing * 100_000 + b"\n") == [PARSE_ERROR]


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
        ({"id": "a", "method": "ping", "params": []}, "a: INVALID_PARAMS"),
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
def test_a_request_has_its_answer(shared: RawHost, request_: dict[str, Any], outcome: str) -> None:
    line = json.dumps({"jsonrpc": "2.0", **request_}, ensure_ascii=False).encode()
    assert outcomes(shared, line + b"\n") == [outcome]


def test_requests_without_the_version_are_refused_under_their_id(shared: RawHost) -> None:
    lines: list[Any] = [
        {"id": 801, "method": "ping"},
        {"jsonrpc": "1.0", "id": 802, "method": "ping"},
        {"jsonrpc": 2, "id": 803},
    ]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    assert outcomes(shared, data) == [f"{id_}: INVALID_REQUEST" for id_ in (801, 802, 803)]


def test_carriage_returns_and_blank_lines_are_tolerated(shared: RawHost) -> None:
    ping = b'{"jsonrpc":"2.0","id":"%b","method":"ping"}'
    assert outcomes(shared, b"\r\n\n  \n\t\r\n" + ping % b"a" + b"\r\n\n" + ping % b"b" + b" \n") == [
        "a: pong",
        "b: pong",
    ]


def test_a_line_may_come_in_any_pieces(shared: RawHost) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": "ä\u2029", "method": "ping"}, ensure_ascii=False).encode()
    for byte in line:
        shared.send_bytes(bytes([byte]))
    assert outcomes(shared, b"\n") == ["ä\u2029: pong"]


def test_notifications_have_no_answer(shared: RawHost) -> None:
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
def test_a_batch_is_answered_as_the_specification_says(shared: RawHost, batch: bytes, answers: list[Any]) -> None:
    assert outcomes(shared, batch + b"\n") == answers


def test_a_large_batch_is_answered_at_once(shared: RawHost) -> None:
    batch = [{"jsonrpc": "2.0", "id": f"b{i}", "method": "ping"} for i in range(1000)]
    [answers] = outcomes(shared, json.dumps(batch).encode() + b"\n")
    assert answers == sorted(f"b{i}: pong" for i in range(1000))


def test_thousands_of_requests_at_once_are_all_answered(shared: RawHost) -> None:
    data = b"".join(b'{"jsonrpc":"2.0","id":"n%d","method":"ping"}\n' % i for i in range(5000))
    assert outcomes(shared, data) == [f"n{i}: pong" for i in range(5000)]


def test_no_separator_that_a_host_may_split_at_is_ever_raw_on_the_wire(shared: RawHost) -> None:
    text = "a\u2028b\u2029c\x85d\x0b\x0c\x1c\x1d\x1e"
    created = shared.call("create_session", title=text, system=text)
    assert (created["title"], created["system"]) == (text, text)
    shared.begin("get_session", session_id=created["session_id"])
    raw = shared.raw_line()
    assert len(raw.decode().splitlines()) == 1
    assert json.loads(raw)["result"]["title"] == text


def test_a_null_character_survives_the_way_there_and_back(shared: RawHost) -> None:
    created = shared.call("create_session", title="a\0b")
    assert shared.call("get_session", session_id=created["session_id"])["title"] == "a\0b"


def test_a_lone_surrogate_is_refused_and_changes_nothing(shared: RawHost) -> None:
    before = shared.call("list_sessions")["sessions"]
    line = b'{"jsonrpc":"2.0","id":"s","method":"create_session","params":{"title":"\\ud800"}}\n'
    assert outcomes(shared, line) == [PARSE_ERROR]
    assert shared.call("list_sessions")["sessions"] == before


def rss(host: RawHost) -> int:
    return int(psutil.Process(host.process.pid).memory_info().rss)


def test_lines_that_are_too_long_have_one_error_each_and_memory_stays_bounded(shared: RawHost) -> None:
    before = rss(shared)
    line = b'{"jsonrpc":"2.0","id":"big","method":"create_session","params":{"title":"' + b"x" * 20 * MIB + b'"}}\n'
    assert outcomes(shared, line) == [PARSE_ERROR]
    for _ in range(100):
        shared.send_bytes(b"y" * MIB)
    assert outcomes(shared, b"\n") == [PARSE_ERROR]
    assert outcomes(shared, b"\0" * 17 * MIB + b"\n" + b"\xff" * 17 * MIB + b"\n") == [PARSE_ERROR] * 2
    assert rss(shared) - before < 32 * MIB


def test_a_line_just_within_the_bound_is_read(data_dir: Path) -> None:
    with RawHost(data_dir, "--max-line-bytes", "1000") as host:
        assert host.call("initialize")["capabilities"]["max_line_bytes"] == 1000
        line = b'{"jsonrpc":"2.0","id":"e","method":"ping"}'
        assert outcomes(host, line + b" " * (1000 - len(line)) + b"\r\n") == ["e: pong"]
        assert outcomes(host, line + b" " * (1001 - len(line)) + b"\n") == [PARSE_ERROR]


seeds: list[Any] = [
    {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    {"jsonrpc": "2.0", "id": "a", "method": "get_logs", "params": {"limit": 5, "min_level": "info"}},
    [{"jsonrpc": "2.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "method": "ping"}],
    {"jsonrpc": "2.0", "id": 3, "method": "set_config", "params": {"patch": {"chat": {"temperature": "x"}}}},
    {"jsonrpc": "2.0", "id": 4, "method": "subscribe", "params": {"topics": ["nothing"], "channel": "f"}},
    {"jsonrpc": "2.0", "id": 5, "method": "unsubscribe", "params": {"channel": "f"}},
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers())
def test_requests_with_random_damage_are_answered_and_harm_nobody(shared: RawHost, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - a test
    lines = []
    for _ in range(50):
        line = bytearray(json.dumps(rng.choice(seeds)).encode())
        for _ in range(rng.randint(1, 4)):
            position = rng.randrange(len(line))
            if rng.random() < 0.5:
                line[position] = rng.choice(b'{}[]":,0123456789.eE+-\\\x00\xff truefalsn')
            else:
                del line[position : position + rng.randint(1, 8)]
            line = line or bytearray(b"x")
        lines.append(bytes(line).replace(b"\n", b""))
    for message in replies(shared, b"".join(line + b"\n" for line in lines)):
        for one in message if isinstance(message, list) else [message]:
            assert one.keys() == {"jsonrpc", "id", "result"} or one["error"]["data"]["name"] != "INTERNAL_ERROR"


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
