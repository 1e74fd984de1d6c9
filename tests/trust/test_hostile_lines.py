"""Whatever a host writes: the right answer, bounded memory, and the next ping is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.raw_host import RawHost, validate
from tests.trust.debts import Debts
from tests.trust.hostile_lines import DECIDED_TAKEN, LINES, REFUSED, TAKEN, Hostile
from tests.trust.memory import Memory
from tests.trust.oracle import answers_to

MIB = 1024 * 1024
PING = {"jsonrpc": "2.0", "id": "fence", "method": "ping"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHost]:
    with RawHost(tmp_path_factory.mktemp("hostile") / "data") as host:
        host.call("ping")
        yield host


def answered(host: RawHost, data: bytes) -> list[Any]:
    """What comes back for these bytes, until a ping behind them is answered."""
    host.send_bytes(data)
    host.send(PING)
    found = []
    while (message := json.loads(host.raw_line())) != {"jsonrpc": "2.0", "id": "fence", "result": "pong"}:
        found.append(message)
        first = message[0] if isinstance(message, list) else message
        if "error" in first:
            validate(first, "ErrorResponse")
    return found


def check(host: RawHost, hostile: Hostile) -> None:
    debts = Debts()
    debts.owe(hostile.answers)
    shown = hostile.line[:200]
    for message in answered(host, hostile.line + b"\n"):
        debts.settle(message)
        if isinstance(message, dict) and "error" in message:
            assert len(json.dumps(message["error"])) < 20_000, shown
    assert debts.count == 0, f"not answered: {debts} for {shown!r}"


def test_the_corpus_is_as_large_as_it_claims_to_be() -> None:
    assert len(set(REFUSED)) >= 188
    assert len(set(TAKEN)) >= 95


@pytest.mark.parametrize("kind", LINES)
def test_the_contract_says_the_same_of_the_corpus(kind: str) -> None:
    for hostile in LINES[kind]:
        said = answers_to(hostile.line)
        ours, theirs = (_without_methods(answers) for answers in (hostile.answers, said))
        assert ours == theirs, hostile.line[:200]


def _without_methods(answers: Any) -> Any:
    # The oracle does not know which methods there are and what they take.
    if answers is None:
        return None
    shape = answers if isinstance(answers, list) else [answers]
    return [(a.id, a.code if a.code in (-32700, -32600) else None) for a in shape], isinstance(answers, list)


@pytest.mark.case(1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14)
@pytest.mark.parametrize("kind", LINES)
def test_a_hostile_line_has_its_answer_and_the_next_ping_is_answered(host: RawHost, kind: str) -> None:
    for hostile in LINES[kind]:
        check(host, hostile)


@pytest.mark.case(2, 7, 9)
def test_every_text_that_is_json_comes_back_as_it_was(host: RawHost) -> None:
    texts = [text for value in TAKEN + DECIDED_TAKEN if len(value) < 500 for text in _texts(json.loads(value))]
    assert len(texts) > 60
    for text in texts:
        session = host.call("create_session", title=text)
        assert host.call("get_session", session_id=session["session_id"])["title"] == (text or "New chat")


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    members = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for member in members for text in _texts(member)]


@pytest.mark.case(10, 13)
def test_what_is_refused_changes_nothing(host: RawHost) -> None:
    before = host.call("list_sessions", limit=1000)["sessions"]
    for params in (b'{"title":"\\ud800"}', b'{"title":"a","title":"b"}', b'{"title":"\xff"}', b'{"title":NaN}'):
        check_refused = answered(host, b'{"jsonrpc":"2.0","id":1,"method":"create_session","params":%b}\n' % params)
        assert [message["error"]["code"] in (-32700, -32600) for message in check_refused] == [True]
    assert host.call("list_sessions", limit=1000)["sessions"] == before


@pytest.mark.case(12)
@pytest.mark.parametrize(
    "number", ["99999999999999999999", "-99999999999999999999", "9223372036854775808", "1.0", "1e2"]
)
@pytest.mark.parametrize("params", ['{"limit":%s}', '{"limit":1,"source":%s}', '{"limit":[%s]}'])
def test_a_number_that_is_no_integer_of_the_contract_is_none(host: RawHost, number: str, params: str) -> None:
    line = f'{{"jsonrpc":"2.0","id":1,"method":"get_logs","params":{params % number}}}\n'
    [response] = answered(host, line.encode())
    assert (response["id"], response["error"]["code"]) == (1, -32602)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawHost]:
    """For figures of memory: what other lines have left would be counted."""
    with RawHost(tmp_path_factory.mktemp("alone") / "data") as host:
        host.call("ping")
        yield host


@pytest.mark.case(3)
def test_nesting_without_end_takes_no_memory(alone: RawHost) -> None:
    memory = Memory(alone.process.pid)
    for line in (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000):
        assert [m["error"]["code"] for m in answered(alone, line + b"\n")] == [-32700]
    assert memory.growth_bytes() < 10 * MIB


@pytest.mark.case(4)
def test_a_line_of_100_mib_is_told_once_and_takes_little_memory(alone: RawHost) -> None:
    memory = Memory(alone.process.pid)
    start = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"'
    alone.send_bytes(start)
    for _ in range(100):
        alone.send_bytes(b"x" * MIB)
    assert [m["error"]["code"] for m in answered(alone, b'"}}\n')] == [-32700]
    assert memory.growth_bytes() < 32 * MIB


@pytest.mark.case(5)
def test_bytes_without_end_take_little_memory_and_one_error(alone: RawHost) -> None:
    memory = Memory(alone.process.pid)
    for _ in range(256):
        alone.send_bytes(b"\xff" * MIB)
    assert json.loads(alone.raw_line())["error"]["code"] == -32700  # before any LF
    assert answered(alone, b"\n") == []
    assert memory.growth_bytes() < 32 * MIB


LONGEST: dict[str, Callable[[], bytes]] = {
    "no JSON": lambda: b"[" + b"x" * (16 * MIB - 1),
    "a text without an end": lambda: b'["' + b"x" * (16 * MIB - 4) + b"'}",
    "empty lists": lambda: b"[" + b"[]," * 5_500_000 + b"1]",
    "small objects": lambda: b"[" + b'{"a":1},' * 2_000_000 + b"1]",
    "a key twice around a text": lambda: b'{"a":1,"a":"' + b"\\n" * 8_000_000 + b'"}',
    "a key twice among many": lambda: b"{" + b",".join(b'"k%d":1' % n for n in range(249_000)) + b',"k1":1}',
    "a method": lambda: b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 15 * MIB + b'"}',
    "a parameter": lambda: b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"' + b"x" * 15 * MIB + b'"}}',
    "a batch": lambda: b"[" + b",".join([b"0"] * 100_000) + b"]",
}
"""Made when they are sent: every worker imports this file, and they are 100 MB."""


@pytest.mark.parametrize("make", LONGEST.values(), ids=LONGEST)
def test_lines_of_16_mib_take_a_few_times_their_size_and_give_it_back(
    alone: RawHost, make: Callable[[], bytes]
) -> None:
    line = make() + b"\n"
    memory = Memory(alone.process.pid)
    for _ in range(2):
        assert len(answered(alone, line)) == 1
    assert memory.growth_bytes() < 64 * MIB


def test_the_host_goes_on_as_if_nothing_had_been(host: RawHost, tmp_path: Path) -> None:
    assert host.call("ping") == "pong"
    assert host.call("get_config")
    assert b"Traceback" not in host.stderr
