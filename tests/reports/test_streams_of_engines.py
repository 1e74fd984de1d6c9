"""Streams of engines, in all their forms: each has the meaning it has in OpenAI's API.

Chapter 5. The files in `cases` are what the engines of public reports send; the others are of the same kinds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.answer import figures
from sidecar.contract.chat import ContextUse, TurnResult
from sidecar.contract.errors import EngineUnresponsive, InvalidParams, SidecarError
from sidecar.contract.remedies import change_params
from sidecar.contract.sampling import SamplingParams
from sidecar.contract.sessions import Timings, Usage
from sidecar.engines.client.chunk_reader import ChunkReader
from sidecar.engines.client.http_errors import refusal
from sidecar.events.event_log import EventLog, Text
from sidecar.generation.answer import Answer
from sidecar.generation.sampling import located, logprobs_of
from tests import fake_engine
from tests.app.talking import DirectTalk, Engine, prepare
from tests.reports.streams import CASES, DONE, recorded, stream_of

OURS = "call_…"
"""Stands for an id that is made here."""


def call(name: str, arguments: str, id_: str = OURS) -> tuple[str, str, str]:
    return id_, name, arguments


def read(data: bytes, size: int = 0) -> dict[str, Any]:
    """What becomes of a stream that arrives in pieces of a size: an answer or the name of an error."""
    events = EventLog()
    reader, answer = ChunkReader(), Answer(events)
    for start in range(0, len(data), size or max(len(data), 1)):
        answer.add(reader.feed(data[start : start + (size or len(data))]))
    if not reader.over:
        answer.add(reader.end())
    if reader.error is not None or reader.problem is not None or reader.broke_off:
        return {"error": "engine" if reader.error else "garbage" if reader.problem else "broke off"} | kept(answer)
    try:
        answer.end()
    except EngineUnresponsive:
        return {"error": "nothing"} | kept(answer)
    told = [(entry.status, entry.text) for _, entry in events.peek(0) if isinstance(entry, Text)]
    assert "".join(text for status, text in told if status == "token") == answer.content
    return {
        "finish": answer.finish_reason,
        "calls": [(shown(one.id), one.function.name, one.function.arguments) for one in answer.tool_calls],
        "warnings": [warning.code for warning in answer.warnings],
    } | kept(answer)


def shown(id_: str) -> str:
    return OURS if re.fullmatch("call_[0-9a-f]{16}", id_) else id_


def kept(answer: Answer) -> dict[str, Any]:
    return {"content": answer.content, "reasoning": answer.reasoning}


def answered(content: str = "", *calls: Any, finish: str = "stop", reasoning: str = "", warned: Any = ()) -> Any:
    return {
        "finish": "tool_calls" if calls and finish == "stop" else finish,
        "calls": list(calls),
        "warnings": list(warned),
        "content": content,
        "reasoning": reasoning,
    }


def failed(kind: str, content: str = "") -> Any:
    return {"error": kind, "content": content, "reasoning": ""}


ESCAPES = ("get\x1b]0;OWNED\x1b\\_x", '{"a":"\x1b[2J\x1b]52;c;cHduZWQ=\x1b\\"}')
TWO = (call("w", '{"c":1}', "a"), call("w", '{"c":2}', "b"))

RECORDED = {
    "args_object": answered("", call("w", '{"c": 1}', "a")),
    "content_null": answered("x"),
    "crlf": answered("a\r\nb"),
    "empty": failed("nothing"),
    "empty_name": failed("nothing"),
    "empty_tool_array": answered("hi"),
    "esc_tool": answered("", call(*ESCAPES, "c"), warned=["TOOL_CALL_INCOMPLETE"]),
    "finish_unknown": answered("x", finish="content_filter"),
    "legacy_function_call": answered("", call("w", "{}")),
    "lone": answered("a\ufffdb"),
    "message_not_delta": answered("hi"),
    "name_each_chunk": answered("", call("get_weather", '{"city": "Paris"}', "call_1")),
    "no_ids": answered("", call("w", '{"c":1}'), call("w", '{"c":2}')),
    "no_index_two_ids": answered("", *TWO),
    "null_index": answered("", call("w", "{}", "a")),
    "reasoning_field": answered("answer", reasoning="thoughts"),
    "same_ids": answered("", call("w", '{"c":1}', "call_0"), call("w", '{"c":2}')),
    "same_index": answered("", *TWO),
    "same_index_two_ids": answered("", *TWO),
    "surrogates": answered("🦙"),
    "think_in_content": answered("Hello", reasoning="hmm ok"),
    "truncated": answered("", call("w", '{"c":', "a"), finish="length", warned=["TOOL_CALL_INCOMPLETE"]),
    "two_choices": answered("A"),
}


def test_every_recorded_stream_has_the_meaning_it_has_in_openais_api() -> None:
    """langchain#22589 and the reports named in the files' kinds."""
    assert {path.stem for path in CASES.glob("*.sse")} - {"hostile"} == RECORDED.keys()  # test_terminal has that one
    found = {name: read(recorded(name) + DONE) for name in RECORDED}
    assert found == RECORDED


def test_every_recorded_stream_says_the_same_byte_by_byte_and_without_its_marker() -> None:
    assert {name: read(recorded(name) + DONE, 1) for name in RECORDED} == RECORDED
    assert {name: read(recorded(name)) for name in RECORDED} == RECORDED


def delta(finish: str | None = None, **members: Any) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": members, "finish_reason": finish}]})


def piece(arguments: str | None = None, **members: Any) -> dict[str, Any]:
    """A piece of a call, in its usual form."""
    function = {name: members.pop(name) for name in ("name",) if name in members}
    return members | {"function": function | ({"arguments": arguments} if arguments is not None else {})}


def calls(*chunks: list[Any]) -> str:
    return "\n".join([*(delta(tool_calls=chunk) for chunk in chunks), delta("tool_calls")])


END, HI = delta("stop"), delta(content="hi")
WHOLE = {"id": "x", "object": "chat.completion", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}

OTHERS: list[tuple[str, str, Any]] = [
    ("a name that grows", calls([piece("", index=0, id="a", name="get")], [piece("{}", index=0, name="get_x")]),
     answered("", call("get_x", "{}", "a"))),
    ("a name in parts", calls([piece("", index=0, id="a", name="get_")], [piece("{}", index=0, name="x")]),
     answered("", call("get_x", "{}", "a"))),
    ("whole calls, one a chunk, without ids and with one index",
     calls([piece('{"c":1}', index=0, name="w")], [piece('{"c":2}', index=0, name="w")]),
     answered("", call("w", '{"c":1}'), call("w", '{"c":2}'))),
    ("two functions without ids under one index",
     calls([piece("{", index=0, name="a")], [piece("}", index=0)], [piece("{}", index=0, name="b")]),
     answered("", call("a", "{}"), call("b", "{}"))),
    ("pieces of two calls by turns, by id alone",
     calls([piece('{"c"', id="a", name="w")], [piece('{"c"', id="b", name="w")], [piece(":1}", id="a")],
           [piece(":2}", id="b")]),
     answered("", *TWO)),
    ("pieces of two calls by place alone",
     calls([piece('{"c"', name="w"), piece('{"c"', name="v")], [piece(":1}"), piece(":2}")]),
     answered("", call("w", '{"c":1}'), call("v", '{"c":2}'))),
    ("a call that is sent again whole", calls(*[[piece("{}", index=0, id="a", name="w")]] * 2),
     answered("", call("w", "{}", "a"))),
    ("the id behind the rest", calls([piece("{}", index=0, name="w")], [piece(index=0, id="late")]),
     answered("", call("w", "{}", "late"))),
    ("a call without arguments", calls([piece(None, index=0, id="a", name="w")]), answered("", call("w", "{}", "a"))),
    ("a call that is no list", delta(tool_calls=piece("{}", id="a", name="w")) + "\n" + END,
     answered("", call("w", "{}", "a"))),
    ("a call without function", calls([{"id": 7, "name": "w", "parameters": {"c": 1}}]),
     answered("", call("w", '{"c": 1}', "7"))),
    ("function_call in pieces",
     "\n".join([delta(function_call={"name": "w"}), delta(function_call={"arguments": "{}"}), delta("function_call")]),
     answered("", call("w", "{}"))),
    ("a nameless call beside text", delta(content="hi", tool_calls=[piece("{}", index=0)]) + "\n" + END,
     answered("hi", warned=["TOOL_CALL_INCOMPLETE"])),
    ("calls that end with stop", delta(tool_calls=[piece("{}", index=0, id="a", name="w")]) + "\n" + END,
     answered("", call("w", "{}", "a"))),
    ("tool_calls without a call", HI + "\n" + delta("tool_calls"), answered("hi")),
    ("max_tokens", HI + "\n" + delta("max_tokens"), answered("hi", finish="length")),
    ("eos", HI + "\n" + delta("eos_token"), answered("hi")),
    ("a finish_reason that is no text", HI + '\n{"choices":[{"delta":{},"finish_reason":true}]}', answered("hi")),
    ("an engine that gives up", HI + "\n" + delta("abort"), failed("nothing", "hi")),
    ("content in parts",
     delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "hi"}])
     + "\n" + END, answered("hi", reasoning="hm")),
    ("the whole message after its pieces",
     delta(content="h") + '\n{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}', answered("hi")),
    ("reasoning under both names", delta(reasoning="r", reasoning_content="r") + "\n" + HI + "\n" + END,
     answered("hi", reasoning="r")),
    ("only reasoning", delta(reasoning="r") + "\n" + END, answered(reasoning="r", warned=["ANSWER_EMPTY"])),
    ("an answer that ends immediately", END + '\n{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}',
     answered(warned=["ANSWER_EMPTY"])),
    ("usage and timings of other types",
     HI + '\n{"choices":[],"usage":{"prompt_tokens":null},"timings":{"predicted_n":2.0,"predicted_per_second":"x"}}\n'
     + END, answered("hi")),
    ("choices that are null", '{"choices":null,"id":"x"}\n' + HI + "\n" + END, answered("hi")),
    ("a tag behind other text", delta(content="see <think>x</think>") + "\n" + END, answered("see <think>x</think>")),
    ("a tag that never ends", delta(content="<think>hm</thi") + "\n" + END,
     answered(reasoning="hm</thi", warned=["ANSWER_EMPTY"])),
    ("no blank behind data:", f"!data:{HI}\\n\\ndata:{END}\\n\\n", answered("hi")),
    ("comments, ids and names", f"!: alive\\n\\nid: 1\\nretry: 9\\nevent: message\\ndata: {HI}\\n\\n:\\n\\n\n{END}",
     answered("hi")),
    ("lines that end with CR", f"!data: {HI}\\r\\rdata: {END}\\r\\r", answered("hi")),
    ("an event of several lines", '!data: {"choices":\\ndata: [{"delta":{"content":\\ndata:"hi"}}]}\\n\\n\n' + END,
     answered("hi")),
    ("a byte order mark", f"!\ufeffdata: {HI}\\n\\n\n{END}", answered("hi")),
    ("JSON instead of a stream", f"!{json.dumps(WHOLE)}", answered("hi")),
    ("JSON over several lines", "\n".join(f"!{line}\\n" for line in json.dumps(WHOLE, indent=2).splitlines()),
     answered("hi")),
    ("an event a line, without data:", f"!{HI}\\n{END}\\n", answered("hi")),
    ("an error in mid-stream", HI + '\n{"error":{"message":"boom","code":500}}', failed("engine", "hi")),
    ("an error by its name", HI + "\n!event: error\\ndata: {\"message\":\"boom\"}\\n\\n", failed("engine", "hi")),
    ("an error of FastAPI", '{"detail":"boom"}', failed("engine")),
    ("an error of vLLM", '{"object":"error","message":"boom","code":400}', failed("engine")),
    ("nothing at all", "", failed("broke off")),
    ("no end", HI, failed("broke off", "hi")),
    ("a page", "!<html>\\n<body>no</body>\\n", failed("garbage")),
    ("no JSON", HI + "\n!data: {no\\n\\n", failed("garbage", "hi")),
    ("a number for a text", HI + '\n{"choices":[{"delta":{"content":7}}]}', failed("garbage", "hi")),
]  # fmt: skip
"""What it is, the stream in the form of a file, and what it means."""


def test_other_streams_of_the_same_kinds_have_their_meaning_in_any_pieces() -> None:
    expected = {name: meaning for name, _, meaning in OTHERS}
    for size in (0, 1, 7):
        assert {name: read(stream_of(text), size) for name, text, _ in OTHERS} == expected


STREAMS = [*(recorded(name) for name in RECORDED), *(stream_of(text) for _, text, _ in OTHERS)]


@given(data=st.sampled_from(STREAMS), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_any_cutting_of_a_stream_gives_the_same_answer(data: bytes, sizes: list[int]) -> None:
    whole, reader, events = read(data), ChunkReader(), EventLog()
    answer, at, turn = Answer(events), 0, 0
    while at < len(data) and not reader.over:
        size = sizes[turn % len(sizes)]
        answer.add(reader.feed(data[at : at + size]))
        at, turn = at + size, turn + 1
    if not reader.over:
        answer.add(reader.end())
    if "error" not in whole:
        answer.end()
    assert kept(answer) == {name: whole[name] for name in ("content", "reasoning")}


MEMBERS = {
    *("choices", "delta", "message", "content", "reasoning", "reasoning_content", "tool_calls", "function_call"),
    *("function", "index", "id", "name", "arguments", "finish_reason", "usage", "timings", "error", "text", "type"),
    *("prompt_tokens", "completion_tokens", "total", "prompt_progress", "processed", "thinking", "detail", "object"),
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted(MEMBERS)),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
DELTAS = st.builds(
    lambda *members: {"choices": [{"delta": dict(zip(("content", "tool_calls", "reasoning"), members, strict=True))}]},
    *[JSON] * 3,
)


@given(st.lists(JSON | DELTAS | st.just({"choices": [{"delta": {}, "finish_reason": "stop"}]}), max_size=5))
def test_no_chunk_whatsoever_raises_anything_but_a_typed_error(chunks: list[Any]) -> None:
    answer = read(b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks))
    assert answer.get("error") or answer["content"] or answer["calls"] or answer["warnings"]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectTalk]:
    folder: Path = tmp_path_factory.mktemp("streams")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp"))
    with DirectTalk(folder / "data") as host:
        host.call("start_llama_server")
        yield host


def test_hosts_get_what_an_engine_means_and_never_an_empty_answer_in_silence(talk: DirectTalk) -> None:
    for name, meaning in RECORDED.items():
        for how in ("", " pieces=1", " marker=0"):
            request, channel = talk.begin_turn(f"replay={name}{how}")
            response = talk.answer(request)
            if "error" in meaning:
                data = response["error"]["data"]
                assert (data["name"], data["retryable"]) == ("ENGINE_UNRESPONSIVE", True), name
                assert data["remedies"], name
                continue
            result = response["result"]
            assert (result["content"], result["finish_reason"]) == (meaning["content"], meaning["finish"]), name
            assert [one["function"]["arguments"] for one in result.get("tool_calls", [])] == [
                arguments for _, _, arguments in meaning["calls"]
            ], name
            assert [warning["code"] for warning in result["warnings"]] == meaning["warnings"], name
            assert talk.text(channel) == meaning["content"], name
            assert len({one["id"] for one in result.get("tool_calls", [])}) == len(meaning["calls"]), name


def test_a_call_without_usage_has_tokens_and_no_negative_speed(talk: DirectTalk) -> None:
    """It was -598.8 tokens/s."""
    result = talk.say("replay=no_ids")
    assert result["usage"]["completion_tokens"] > 0
    assert result["timings"]["predicted_per_second"] is None
    timings = Timings(ttft_ms=1, prompt_per_second=None, predicted_per_second=None, total_ms=3)
    use = ContextUse(policy="error", max_context=9, used=1, dropped_messages=0)
    for tokens in (0, 1, 9):
        line = figures(
            TurnResult(
                session_id="s",
                message_id="m",
                user_message_id=None,
                content="",
                finish_reason="tool_calls",
                usage=Usage(prompt_tokens=1, completion_tokens=tokens, cached_tokens=0),
                timings=timings,
                context=use,
                warnings=[],
            )
        )
        assert ("tokens/s" in line, "-" in line) == (tokens > 1, False)


def test_rates_that_cannot_be_are_not_shown() -> None:
    for rate in ("-598.8", "0", "1e300", '"NaN"'):
        reader, answer = ChunkReader(), Answer(EventLog())
        answer.add(reader.feed(f'data: {{"choices":[],"timings":{{"predicted_per_second":{rate}}}}}\n\n'.encode()))
        assert answer.timings(started=0).predicted_per_second is None


def test_an_error_is_typed_and_its_partial_text_is_kept() -> None:
    reader = ChunkReader()
    assert len(reader.feed(stream_of(HI + '\n{"error":"boom"}'))) == 1
    assert reader.error == "boom"
    with pytest.raises(SidecarError):
        Answer(EventLog()).end()


def test_what_an_engine_does_not_know_is_named_and_an_empty_stop_is_refused(talk: DirectTalk, tmp_path: Path) -> None:
    """`stop: ""` ended every answer as ""."""
    props = tmp_path / "props.json"
    props.write_text(json.dumps({"default_generation_settings": {"n_ctx": 4096, "params": {"top_k": 40}}}))
    engine = Engine(talk, extra_args=["--props", str(props)])
    result = engine.say("tokens=2", xtc_probability=0.5, top_k=1, sampling_extra={"min_keep": 2})
    (request,) = engine.requests()
    assert (request["min_keep"], "xtc_probability" in request) == (2, False)
    engine.stop()
    (warning,) = result["warnings"]
    assert (warning["code"], "xtc_probability" in warning["message"]) == ("SAMPLING_NOT_HONOURED", True)
    assert "logprobs" not in result
    for stop, path in (("", "$.stop"), (["a", ""], "$.stop[1]")):
        assert talk.fail("send_message", message="x", stop=stop)["data"]["path"] == path
    error = talk.fail("create_session", config={"sampling_extra": {"stream": False}})
    assert error["data"]["path"] == "$.config.sampling_extra.stream"


def test_probabilities_are_those_that_were_asked_for() -> None:
    likely = {"token": "a", "logprob": -0.5, "bytes": [97]}
    chunk = {"choices": [{"delta": {"content": "a"}, "logprobs": {"content": [likely | {"top_logprobs": [likely]}]}}]}
    answer = Answer(EventLog())
    answer.add(ChunkReader().feed(stream_of(json.dumps(chunk))))
    for count in (0, 1):
        (token,) = logprobs_of(answer.logprobs, SamplingParams(logprobs=True, top_logprobs=count)) or []
        assert (token.token, token.logprob, len(token.top_logprobs)) == ("a", -0.5, count)
    assert logprobs_of(answer.logprobs, SamplingParams()) is None


def test_a_refused_grammar_names_its_parameter() -> None:
    refused = InvalidParams("The engine refused: failed to parse grammar", path="$")
    assert located(refused, {"grammar": "root ::= ("}).data["path"] == "$.grammar"
    assert "GBNF" in located(refused, {"grammar": "root ::= ("}).hint
    assert located(refused, {"top_k": 1}) is refused
    refused = InvalidParams("The engine refused: penalty_repeat must be finite and greater than 0", path="$")
    assert located(refused, {"repeat_penalty": 0}).data["path"] == "$.repeat_penalty"


def test_a_refused_schema_names_the_parameter_that_it_came_in() -> None:
    """(llama.cpp#19051)"""
    complaint = b'{"error": {"code": 400, "message": "Failed to parse grammar"}}'
    refused = refusal(400, complaint)
    assert located(refused, {"response_format": {}, "top_k": 1}).data["path"] == "$.response_format"
    assert located(refused, {"tools": [{}]}).remedies == (change_params("tools"),)
    assert located(refused, {"tools": [{}], "response_format": {}}) is refused, "either of them"


def test_an_empty_answer_says_whether_more_tokens_would_have_helped() -> None:
    """(LMSBT#1602)"""
    usage = '{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
    for reason, helps in (("stop", False), ("length", True)):
        answer = Answer(EventLog())
        answer.add(ChunkReader().feed(stream_of("\n".join([delta(reason), usage]))))
        answer.end()
        (warning,) = answer.warnings
        assert ("length limit" in warning.message, change_params("max_tokens") in warning.remedies) == (helps, helps)
