"""Lines that break parsers, and what must come back for each.

The first three sets are in the manner of JSONTestSuite, whose names for them are `n_`, `y_` and `i_`: what every parser
must refuse, what every parser must take, and what each decides for itself, here with our decision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.trust.oracle import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, Answer, Answers

METHOD_NOT_FOUND = -32601

_REFUSED_BY_ALL = rb"""
[1 true]|["": 1]|[""],|[,1]|[1,,2]|["x"]]|["",]|["x"|[x|[3[4]]|[1:2]|[,]|[-]|[   , ""]|[1,|["a"\f]|[*]|[1,1,|[1]x|[fals]
[nul]|[tru]|[++1234]|[+1]|[+Inf]|[-01]|[-1.0.]|[-2.]|[-NaN]|[.-1]|[.2e-3]|[0.1.2]|[0.3e+]|[0.3e]|[0.e1]|[0E+]|[0e]|[0E]
[1.0e+]|[1.0e-]|[1.0e]|[1 000.0]|[1eE2]|[2.e+3]|[2.e-3]|[2.e3]|[9.e+]|[Inf]|[NaN]|[1+2]|[0x1]|[0x42]|[0e+]|[1e+]|[1e-]
[Infinity]|[-Infinity]|[-foo]|[- 1]|[-012]|[1ea]|[1.]|[012]|[-.123]|[-1x]|[1.2a-3]|[1.8011670033376514H-308]|[- ]|[--1]
{"x", null}|{"x"::"b"}|{"a":"a" 123}|{key: 'value'}|{"a" b}|{:"b"}|{"a" "b"}|{"a":|{1:1}|{null:null}|{"id":0,,,,,}|{"a"
{'a':0}|{"id":0,}|{"a":"b"}/**/|{"a":"b"}#|{"a":"b",,"c":"d"}|{a: "b"}|{"a":"a|{ "foo" : "bar", "a" }|{9999E9999:1}|{,}
{"a":"b"}/|{"a":"b"}//|{"a":"b"}/*|{"a":true} "x"|{"a" : 1 "b" : 2}|{"a":1]|[{"a":1]}|{[]:1}|{"a":1 2}|{"a":=1}|{a}
["\uD800\"]|["\uD800\u1"]|["\uD800\u1x"]|["\uD800"]|["\uDC00\uD800"]|["\x00"]|["\a"]|["\u00A"]|[\u0020"asd"]|[\n]|"
["\"]|["\\\"]|["\u"]|["\uzzzz"]|["\u 123"]|["\U0041"]|["\'"]|["\0"]|["\u00G0"]|["\u-001"]|["a\ b"]|["\]|["a"b"c"]
['single quote']|abc|["\|"\UA66D"|""x|<.>|[<null>]|aA|[True]|1]|{"x": true,|]|[|2@|{}}|{"":|"" ""|"a" "b"|,|:|}|-|+1|1 2
{"a":/*comment*/"b"}|{'a'|["a|{|{"|{,|{[|{"a|{'a'}|*|// a|/* a */ 1|# 1|[1]//|[/**/]|!|`1`|(1)|[1;2]|1;|[1]]|[[1]|tru
{"a":"b"}#{}|[\u000A""]|["asd]|["\u|[1e999]|[-1e999]|nan|undefined|'ping'|ping|None|FALSE|nulll|truefalse|null null|.1
[1.5e+9999]|[-1e+9999]|[0.4e00669999999999]|[123123e100000]|[-123123e100000]|01|00|-00|0x|1_000|1,000|0b1|1e5.5|1.e5|1.
{"jsonrpc":"2.0","id":1,"method":"ping"|{"jsonrpc":"2.0","id":1,"method":"ping"},|"jsonrpc":"2.0","id":1,"method":"ping"
{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}
{'jsonrpc':'2.0','id':1,'method':'ping'}
[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method"]|{"jsonrpc":"2.0","id":1,"method":"ping"}}
{"jsonrpc":"2.0","id":1,"method":"ping",}|{"jsonrpc":"2.0","id":NaN,"method":"ping"}|{"jsonrpc":"2.0","id":+1}
Content-Length: 40|POST / HTTP/1.1|Host: 127.0.0.1|GET / HTTP/1.0|<?xml version="1.0"?>|data: {}|: ping|--boundary
"""

REFUSED: list[bytes] = [
    *_REFUSED_BY_ALL.strip().replace(b"\n", b"|").split(b"|"),
    *(b"[a\xe5]", b"[\xff]", b'["\x0ba"\\f]', b"[\xef\xbc\x91]", b"{\xf0\x9f\x87\xa8}", b" \x1f", b"[\xc3\xa9]"),
    *(b'["\\\0"]', b'["\xe5"]', b'["a\0a"]', b'["\t"]', b"\xef\xbb{}", b"\xe5", b"\xe2\x81\xa0", b"\xef\xbb\xbf{}"),
    *(b"\0", b"\0\0\0\0", b"{}\0", b"\0{}", b"\x1b[31m{}", b"{}\x0c", b"\x0b1", b"\xc2\x85{}", b"\xe2\x80\xa8{}"),
    *(
        b"\xc2\xa0{}",
        b"\xe3\x80\x801",
        b'"\x7f',
        b'"\x01"',
        b'"\x1f"',
        b"[\r\r,]",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef",
    ),
    *(b'{"a":"\r"}', b'{"\x00":1}', b"[\xe2\x88\x9e]", b"[\xe2\x88\x921]", b"\xe2\x80\x9ca\xe2\x80\x9d"),
]
"""No JSON: one parse error each."""

_TAKEN_BY_ALL = rb"""
[[]   ]|[""]|[]|["a"]|[false]|[null, 1, "1", {}]|[null]| [1]|[1,null,null,null,2]|[2] |[123e65]|[0e+1]|[0e1]|[ 4]|[1E22]
[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]|[20e1]|[-0]|[-123]|[-1]|[-0.0]|[1e0]
[1E-2]|[1E+2]|[123e45]|[123.456e78]|[1e-2]|[1e+2]|[123]|[123.456789]|{"asd":"sdf", "dfg":"fgh"}|{"asd":"sdf"}|{}|{"":0}
{"foo\u0000bar": 42}|{ "min": -1.0e+28, "max": 1.0e+28 }|{"a":[]}|{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430"}
["\u0060\u012a\u12AB"]|["\uD801\udc37"]|["\ud83d\ude39\ud83d\udc8d"]|["\"\\\/\b\f\n\r\t"]|["\\u0000"]|["\""]|["\\a"]
["a/*b*/c/*d//e"]|["\\n"]|["\u0012"]|["\uFFFF"]|["asd"]|[ "asd"]|["\uDBFF\uDFFF"]
["new\u00A0line"]|["\u0000"]
["\u002c"]|["asd "]|" "|["\uD834\uDd1e"]|["\u0821"]|["\u0123"]|["\u0061\u30af\u30EA\u30b9"]|["new\u000Aline"]
["\uA66D"]|["\u005C"]
["\uDBFF\uDFFE"]|["\uD83F\uDFFE"]|["\u200B"]|["\u2064"]|["\uFDD0"]|["\uFFFE"]|["\u0022"]|["\u2028\u2029\u0085"]
["\ud800\udc00"]
false|42|-0.1|null|"asd"|true|""|[true]| [] |0|-0|0.0|1e1|"\u0000"|"\/"|"'"|"{}"|"[1,2"|"a:b:c"
{":":":"}|{"a":{"a":{"a":1}}}|[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]|{"a":null,"A":null}|[0.1e-1]
{"__proto__":1,"constructor":2}|{"a b":1}|[1.0]
[9007199254740993]|[9223372036854775807]|[18446744073709551615]|[-9223372036854775808]
[0.1234567890123456789012345678901]
"""

TAKEN: list[bytes] = [
    *_TAKEN_BY_ALL.strip().replace(b"\n", b"|").split(b"|"),
    *('["\U0010ffff"]'.encode(), '["\uffff"]'.encode(), '["π"]'.encode(), '["\U0001bfff"]'.encode(), '["€𝄞"]'.encode()),
    *('["\u2028"]'.encode(), '["\u2029"]'.encode(), b'["\x7f"]', b'["a\x7fa"]', '["⍂㈴⍂"]'.encode(), '"\x85"'.encode()),
    *('"\ufeff"'.encode(), '{"ключ":"значение"}'.encode(), '"🦙\u200d🔥"'.encode(), b"\t[1]\t", b" {} \r", b"[\r1\r]"),
    b'{"x":[{"id": "' + b"x" * 40 + b'"}], "id": "' + b"x" * 40 + b'"}',
    *(b"[" * 249 + b"]" * 249, b'{"a":' * 248 + b"[]" + b"}" * 248, b'"' + b"x" * 1_000_000 + b'"'),
]
"""JSON of every kind, none of it a request."""

DECIDED_REFUSED: list[bytes] = [
    *(
        rb'{"\uDFAA":0}',
        rb'["\uDADA"]',
        rb'["\uD888\u1234"]',
        rb'["\uD800\n"]',
        rb'["\uDd1ea"]',
        rb'["\uD800\uD800\n"]',
    ),
    *(rb'["\ud800"]', rb'["\ud800abc"]', rb'["\uDd1e\uD834"]', rb'["\uDFAA"]', b'["\xed\xa0\x80"]', b'"\xed\xbf\xbf"'),
    *(b'["\xe6\x97\xa5\xd1\x88\xfa"]', b'["\xff"]', b'["\xe9"]', b'["\xf4\xbf\xbf\xbf"]', b'["\x81"]', b'["\xc0\xaf"]'),
    *(
        b'["\xfc\x83\xbf\xbf\xbf\xbf"]',
        b'["\xfc\x80\x80\x80\x80\xaf"]',
        b'["\xe0\xff"]',
        b'"\xc0\xaf"',
        b'"\xf4\x90\x80\x80"',
    ),
    *(b'"\xe2\x82', b'"\xf0\x9f\xa6"', b'"\xc3"', b"\xef\xbb\xbf[]", b"\xff\xfe[\0]\0", b"\xfe\xff\0[\0]", b"[\0]\0"),
    *(
        b"[" * 251 + b"1" + b"]" * 251,
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b"[1" + b"0" * 400 + b"]",
    ),
    *(b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'[{"a":' * 50_000),
    *(
        b"-1e99999999999999999999",
        b"1e309",
        b"1" * 5000,
        b"[" + b"[]," * 250_000 + b"1]",
        b"[" + b"1," * 250_000 + b"1]",
    ),
]
"""What a parser may decide, and ours refuses: half surrogate pairs, bytes that are not UTF-8, marks of byte order,
numbers that no double can hold, values that are too many or too deep."""

DECIDED_TAKEN: list[bytes] = [
    *(
        b"[123.456e-789]",
        b"[123e-10000000]",
        b"[100000000000000000000]",
        b"[-123123123123123123123123123123]",
        b"1e-999",
    ),
    *(
        b"[99999999999999999999]",
        b"[18446744073709551616]",
        b"[-9223372036854775809]",
        b"1" * 300,
        b"0." + b"1" * 10_000,
    ),
]
"""What a parser may decide, and ours takes: numbers as the nearest double."""


def _ping(id_: Any, **members: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": id_, "method": "ping", **members}, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Hostile:
    """A line, and the answers that it must have; of a ping that is carried out the code is `None`."""

    line: bytes
    answers: Answers


def _one(line: bytes, id_: Any, code: int | None) -> Hostile:
    return Hostile(line, Answer(id_, code))


def _refused(line: bytes) -> Hostile:
    return _one(line, None, INVALID_REQUEST)


PONG = None

_IDS: list[Any] = ["", " ", "1", "null", 0, -1, 2**53, -(2**53), None, "é\u2028\0🦙", "x" * 10**6]
_NO_IDS: list[Any] = [[], {}, [1], {"a": 1}, [[]], ["a"]]
_NO_VERSIONS: list[Any] = ["1.0", "2", "2.0 ", 2, 2.0, None, [], {}, True]
_NO_METHODS: list[Any] = [None, 1, [], {}, True, ["ping"]]
_NO_PARAMS: list[Any] = ["", "x", 0, 1, 1.5, True, False]
_WRONG_PARAMS: list[Any] = [[1], [[]], [{}], {"": 1}, {"a": None}, {"params": {}}, {"self": 1}]

IDS: list[Hostile] = [
    *(_one(_ping(id_), id_, PONG) for id_ in _IDS),
    *(_refused(_ping(id_)) for id_ in (2**53 + 1, -(2**53) - 1, 2**63, 2**64, 10**30, 1.5, 1.0, 0.0, 1e3, True, False)),
    *(_refused(_ping(id_)) for id_ in _NO_IDS),
    _one(b'{"jsonrpc":"2.0","id":-0,"method":"ping"}', 0, PONG),
    _refused(b'{"jsonrpc":"2.0","id":-0.0,"method":"ping"}'),
    _refused(b'{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}'),
    _refused(b'{"jsonrpc":"2.0","id":1e-400,"method":"ping"}'),
    _one(b'{"jsonrpc":"2.0","id":"\\u0061\\n\\u0000","method":"ping"}', "a\n\0", PONG),
]

ENVELOPES: list[Hostile] = [
    *(_one(_ping(9, jsonrpc=version), 9, INVALID_REQUEST) for version in _NO_VERSIONS),
    *(_one(_ping(9, method=method), 9, INVALID_REQUEST) for method in _NO_METHODS),
    *(
        _one(_ping(9, method=name), 9, METHOD_NOT_FOUND)
        for name in ("", "Ping", "ping ", "ping\0", "rpc.x", "__class__")
    ),
    _one(_ping(9, method="x" * 1_000_000), 9, METHOD_NOT_FOUND),
    *(_one(_ping(9, params=params), 9, INVALID_REQUEST) for params in _NO_PARAMS),
    *(_one(_ping(9, params=params), 9, INVALID_PARAMS) for params in _WRONG_PARAMS),
    _one(_ping(9, params={f"k{n}": n for n in range(100_000)}), 9, INVALID_PARAMS),
    _one(_ping(9, params={"k" * 1_000_000: 1}), 9, INVALID_PARAMS),
    _one(_ping(9, params=None), 9, PONG),
    _one(_ping(9, params=[]), 9, PONG),
    _one(_ping(9, params={}, result=1, error={}, more=[1, {"a": "b"}], JSONRPC="1.0"), 9, PONG),
    *(_refused(line) for line in (b"{}", b'{"a":1}', b'{"jsonrpc":"2.0"}', b'{"method":"ping"}', b' {"id":null} ')),
    *(Hostile(b'{"jsonrpc":"2.0","method":"%b"}' % name, None) for name in (b"ping", b"x", b"$/cancel", b"")),
    Hostile(b'{"jsonrpc":"2.0","method":"ping","params":[1]}', None),
    Hostile(b'{"jsonrpc":"2.0","method":"$/cancel","params":{"id":{"a":[1.5]}}}', None),
    _refused(b'{"jsonrpc":"2.0","method":"ping","params":1}'),
    *(Hostile(line, None) for line in (b"", b"\r", b" ", b"\t \t", b" \r")),
]

REPEATED_KEYS: list[Hostile] = [
    _refused(b'{"a":"b","a":"c"}'),
    _refused(b'{"a":"b","a":"b"}'),
    _refused(b'{"":1,"":1}'),
    _refused(b'["x",{"y":{"z":1,"z":1}}]'),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"ping","method":"ping"}', 7, INVALID_REQUEST),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{},"params":{}}', 7, INVALID_REQUEST),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":1,"\\u0061":1}}', 7, INVALID_REQUEST),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"ping","m\\u0065thod":"shutdown"}', 7, INVALID_REQUEST),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"shutdown","x":{"a":1,"a":{"id":1,"id":2}}}', 7, INVALID_REQUEST),
    _one(b'{"jsonrpc":"2.0","jsonrpc":"2.0","id":"a","method":"ping"}', "a", INVALID_REQUEST),
    _refused(b'{"jsonrpc":"2.0","id":7,"id":7,"method":"ping"}'),
    _refused(b'{"jsonrpc":"2.0","id":7,"i\\u0064":8,"method":"ping"}'),
    _refused(b'{"jsonrpc":"2.0","id":1.5,"method":"ping","method":"ping"}'),
    _refused(b'{"jsonrpc":"2.0","method":"shutdown","method":"shutdown"}'),
    _refused(b'[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"id":3,"method":"ping"}]'),
    _refused(b'[{"jsonrpc":"2.0","id":1,"method":"shutdown"},{"a":1,"a":2}]'),
    _refused(b"{" + b",".join(b'"k%d":%d' % (n % 60_000, n) for n in range(60_001)) + b"}"),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"ping","a":1,"x":"' + b"\\n" * 500_000 + b'","a":1}', 7, INVALID_REQUEST),
    _one(b'{"jsonrpc":"2.0","id":7,"method":"ping","x":":","y":{"x":"\\u003a"},"z":"\\"z\\":1,\\"z\\":1"}', 7, PONG),
]

BATCHES: list[Hostile] = [
    _refused(b"[]"),
    Hostile(b"[1]", [Answer(None, INVALID_REQUEST)]),
    Hostile(b"[1,2,3]", [Answer(None, INVALID_REQUEST)] * 3),
    Hostile(b"[[],[[]],{},null]", [Answer(None, INVALID_REQUEST)] * 4),
    Hostile(b"[" + _ping(1) + b",[" + _ping(2) + b"]]", [Answer(1, PONG), Answer(None, INVALID_REQUEST)]),
    Hostile(
        b"[" + _ping(1) + b',1,{"jsonrpc":"2.0","method":"ping"}]', [Answer(1, PONG), Answer(None, INVALID_REQUEST)]
    ),
    Hostile(b'[{"jsonrpc":"2.0","method":"ping"},{"jsonrpc":"2.0","method":"x","params":[1]}]', None),
    Hostile(b"[" + _ping(None) + b"," + _ping(None) + b"]", [Answer(None, PONG)] * 2),
    Hostile(b"[" + b",".join(_ping(n) for n in range(1024)) + b"]", [Answer(n, PONG) for n in range(1024)]),
    Hostile(b"[" + b",".join([b"0"] * 1024) + b"]", [Answer(None, INVALID_REQUEST)] * 1024),
    _refused(b"[" + b",".join(_ping(n) for n in range(1025)) + b"]"),
    _refused(b"[" + b",".join(_ping(n) for n in range(10_000)) + b"]"),
    _refused(b"[" + b",".join([b'{"jsonrpc":"2.0","method":"ping"}'] * 10_000) + b"]"),
    _refused(b"[" + b",".join([b"[]"] * 100_000) + b"]"),
    _one(b"[" + _ping(1) + b"," + _ping(2), None, PARSE_ERROR),
]


def no_requests(values: list[bytes]) -> list[Hostile]:
    """JSON values as lines of their own: none is a request, though an array is a batch."""
    found = []
    for value in values:
        parsed = json.loads(value) if len(value) < 100_000 else value
        batch = parsed if isinstance(parsed, list) else []
        refusal = Answer(parsed.get("id") if isinstance(parsed, dict) else None, INVALID_REQUEST)
        found.append(Hostile(value, [refusal] * len(batch) if batch else refusal))
    return found


def as_parameters(values: list[bytes]) -> list[Hostile]:
    """The same values as a parameter that ping does not have: taken as JSON, refused as a parameter."""
    line = b'{"jsonrpc":"2.0","id":%d,"method":"ping","params":{"value":%b}}'
    return [_one(line % (n, value.rstrip(b"\r")), n, INVALID_PARAMS) for n, value in enumerate(values)]


LINES: dict[str, list[Hostile]] = {
    "no JSON": [_one(line, None, PARSE_ERROR) for line in REFUSED],
    "no JSON, as a parameter": [
        _one(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"value":%b}}' % line, None, PARSE_ERROR)
        for line in DECIDED_REFUSED
        if len(line) < 1000
    ],
    "JSON that is refused": [_one(line, None, PARSE_ERROR) for line in DECIDED_REFUSED],
    "JSON that is no request": no_requests(TAKEN + DECIDED_TAKEN),
    "JSON as a parameter": as_parameters(TAKEN + DECIDED_TAKEN),
    "ids": IDS,
    "envelopes": ENVELOPES,
    "repeated keys": REPEATED_KEYS,
    "batches": BATCHES,
}
"""Everything, by kind."""
