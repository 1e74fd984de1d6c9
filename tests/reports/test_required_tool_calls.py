"""Chapter 2 of the reports: a tool call that is required is made, whatever the model's chat template has for tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.contract.chat import CountTokensParams, SendMessageParams
from sidecar.contract.errors import NotSupported
from sidecar.contract.remedies import change_params
from sidecar.events.event_log import Text, status_of
from sidecar.generation.calling.call_schema import call_schema
from sidecar.generation.calling.reader import JsonAnswer
from sidecar.generation.schema.conformance import Judge
from tests.chat.scripted import Stage, shown
from tests.reports.honouring_trial import NAMED, PLAIN, TOOLS, WITH_TOOLS, Trial, says

TOOL: dict[str, Any] = TOOLS[0]
CALL = '{"name": "get_time", "arguments": {"zone": "UTC"}}'
PARAMETERS = TOOL["function"]["parameters"]
ONE_CALL = {
    "type": "object",
    "properties": {"name": {"const": "get_time"}, "arguments": PARAMETERS},
    "required": ["name", "arguments"],
    "additionalProperties": False,
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def pieces(whole: str, size: int) -> Iterator[str]:
    return (whole[at : at + size] for at in range(0, len(whole), size))


def schema_sent(trial: Trial) -> dict[str, Any]:
    schema: dict[str, Any] = trial.sent["response_format"]["json_schema"]["schema"]
    return schema


@pytest.mark.anyio
async def test_a_required_call_is_forced_where_the_template_has_tools(stage: Stage) -> None:
    """llama.cpp#27217: "required" was answered with text until `max_tokens`."""
    async with stage.run():
        trial = Trial(stage, WITH_TOOLS)
        for engine in ("llama-server", "embedded"):
            stage.server.launch.engine.name = engine
            result = await trial.ask(says(*pieces(CALL, 3)), tools=TOOLS, tool_choice="required")
            assert (trial.sent["tools"], trial.sent["tool_choice"]) == (TOOLS, "none")  # for the prompt only
            assert schema_sent(trial)["anyOf"][0] == ONE_CALL
            assert len(trial.sent["messages"]) == 1
            assert isinstance(result.tool_calls, list)
            (call,) = result.tool_calls
            assert (call.function.name, json.loads(call.function.arguments)) == ("get_time", {"zone": "UTC"})
            assert (result.content, result.finish_reason, result.warnings) == ("", "tool_calls", [])
            assert call.id
        await trial.ask(says(CALL), tools=TOOLS, tool_choice=NAMED)
        assert (trial.sent["tools"], schema_sent(trial)) == (TOOLS[:1], ONE_CALL)
        for members in ({"tool_choice": "auto"}, {"tool_mode": "native", "tool_choice": "required"}):
            await trial.ask(says("Hello"), tools=TOOLS, **members)
            assert (trial.sent["tool_choice"], "response_format" in trial.sent) == (members["tool_choice"], False)


@pytest.mark.anyio
async def test_a_required_call_is_forced_where_the_template_has_no_tools(stage: Stage) -> None:
    """llama.cpp#27129, #27217: the model never saw the tools, and answered in prose."""
    async with stage.run():
        trial = Trial(stage, PLAIN)
        cases: list[tuple[Any, list[str]]] = [("required", ["get_time", "roll"]), (NAMED, ["get_time"])]
        for choice, names in cases:
            result = await trial.ask(says(CALL), tools=TOOLS, tool_choice=choice, system="Be kind.")
            system = trial.sent["messages"][0]["content"]
            assert system.startswith("Be kind.\n\n")
            assert [name for name in ("get_time", "roll") if f'"{name}"' in system] == names
            assert not {"tools", "tool_choice"} & trial.sent.keys()
            assert (result.finish_reason, result.content, result.warnings) == ("tool_calls", "", [])
            session = await stage.history.get(result.session_id)
            assert session.system == "Be kind."  # what is stored is what was said
        assert schema_sent(trial) == ONE_CALL
        system = trial.sent["messages"][0]["content"]
        counted = await stage.chat.count_tokens(
            CountTokensParams(message="Hi", tools=TOOLS, tool_choice=NAMED, system="Be kind.")
        )
        assert counted.tokens == len(system) + len("Hi")
        stage.server.launch.engine.name = "llama-cpp-python"  # which knows no json_schema, and forces one function only
        assert await trial.codes(says(CALL), tools=TOOLS, tool_choice="required") == []
        assert trial.sent["response_format"]["type"] == "json_object"


@pytest.mark.anyio
async def test_tools_are_used_by_any_model_where_the_host_asks_for_json(stage: Stage) -> None:
    """llama.cpp#27129, the kind: refused, and no other way offered."""
    async with stage.run():
        trial = Trial(stage, PLAIN)
        refused = await trial.refusal(tools=TOOLS)
        assert isinstance(refused, NotSupported)
        assert refused.remedies[0] == change_params("tool_mode", "tools")
        assert (await trial.refusal(tools=TOOLS, tool_choice="required", tool_mode="native")).name == "NOT_SUPPORTED"
        for template in (PLAIN, WITH_TOOLS):
            trial = Trial(stage, template)
            answer = says(*pieces(json.dumps({"answer": 'Noon, "sharp" \U0001f642\n'}), 4))
            stage.server.answers = [answer]
            turn = stage.chat.send(SendMessageParams(message="Hi", tools=TOOLS, tool_mode="json"))
            result = await turn.result()
            assert (result.content, result.finish_reason, result.tool_calls) == (
                'Noon, "sharp" \U0001f642\n',
                "stop",
                msgspec.UNSET,
            )
            assert "answer" in schema_sent(trial)["anyOf"][-1]["properties"]
            assert "tools" not in trial.sent
            result = await trial.ask(says(CALL), tools=TOOLS, tool_mode="json")
            assert (result.finish_reason, result.content) == ("tool_calls", "")
            assert await trial.codes(tools=TOOLS, tool_mode="json", tool_choice="none") == []
            assert "response_format" not in trial.sent


@pytest.mark.anyio
async def test_the_results_of_a_call_in_json_are_answered(stage: Stage) -> None:
    """llama.cpp#27129, the kind: the exchange is a tool loop as any other."""
    async with stage.run():
        trial = Trial(stage, PLAIN)
        first = await trial.ask(says(CALL), tools=TOOLS, tool_mode="json")
        assert isinstance(first.tool_calls, list)
        results = [{"tool_call_id": first.tool_calls[0].id, "content": "12:00"}]
        params = msgspec.convert(
            {
                "message": "",
                "session_id": first.session_id,
                "tool_results": results,
                "tools": TOOLS,
                "tool_mode": "json",
            },
            SendMessageParams,
        )
        stage.server.answers = [says('{"answer": "Noon."}')]
        assert (await stage.chat.send(params).result()).content == "Noon."
        said = [message["content"] for message in trial.sent["messages"]]
        assert ("get_time" in said[-2], "12:00" in said[-1]) == (True, True)


@pytest.mark.anyio
async def test_a_call_that_was_cut_or_not_made_is_reported(stage: Stage) -> None:
    """llama.cpp#27217, llama.cpp#25510: an engine that follows no schema, and calls that reach the limit."""
    cases: list[tuple[str, str, list[str], str]] = [
        ("It is noon.", "stop", ["TOOLS_NOT_HONOURED"], "It is noon."),
        ('{"time": "noon"}', "stop", ["TOOLS_NOT_HONOURED"], '{"time": "noon"}'),
        ('{"name": "get_time", "arguments": {"zo', "length", ["TOOL_CALL_INCOMPLETE"], ""),
        ('{"name": "get_ti', "length", ["TOOL_CALL_INCOMPLETE", "TOOLS_NOT_HONOURED"], ""),
        ('{"name": "get_time", "arguments": {"zone": "UTC"}', "length", [], ""),
        ('{"name": "get_date", "arguments": {}}', "stop", ["TOOLS_NOT_HONOURED"], ""),
    ]
    async with stage.run():
        for template in (PLAIN, WITH_TOOLS):
            trial = Trial(stage, template)
            for whole, ends, codes, content in cases:
                answer = says(*pieces(whole, 5), ends=ends)
                result = await trial.ask(answer, tools=TOOLS, tool_choice="required")
                assert ([one.code for one in result.warnings], result.content) == (codes, content), whole
                assert result.finish_reason == ("length" if ends == "length" else "stop" if content else "tool_calls")


@pytest.mark.anyio
async def test_nothing_of_a_call_in_json_is_shown_as_text(stage: Stage) -> None:
    """LMSBT#1987, the kind: the model's call was printed as text."""
    async with stage.run():
        Trial(stage, PLAIN)
        stage.server.answers = [says(*pieces(CALL, 2), reasoning=("Hm",))]
        turn = stage.chat.send(SendMessageParams(message="Hi", tools=TOOLS, tool_choice="required"))
        await turn.result()
        entries = [entry for _, entry in turn.events.read(0)]
        assert [status_of(entry) for entry in entries if status_of(entry) in ("token", "reasoning", "tool_call")] == [
            "reasoning",
            "tool_call",
        ]
        assert not any(isinstance(entry, Text) and entry.status == "token" for entry in entries), shown(turn.events)


def test_an_answer_in_json_is_shown_while_it_is_written() -> None:
    answers = {
        '{"answer": "Hi"}': "Hi",
        ' {\n"answer" : "a\\"b\\\\c\\n\\u00e9\\/"}\n': 'a"b\\c\n\xe9/',
        '{"answer": "cut': "cut",
        '{"answer": "cut\\u00': "cut",
        '{"answer": "\\x"}': "\\x",
        '{"answer": {"n": 1.50}}': '{"n": 1.50}',
        '{"answer": ""}': "",
        "prose {}": "prose {}",
        "\n\n": "\n\n",
        "[1]": "[1]",
        '{"a": 1}': '{"a": 1}',
    }
    for whole, text in answers.items():
        for size in (1, 3, 100):
            reader = JsonAnswer()
            shown_text = [reader.feed(piece) for piece in pieces(whole, size)]
            ended = reader.end(at_limit=False)
            assert ("".join(shown_text) + ended.text, ended.call) == (text, None), (whole, size)
            assert reader.raw == whole
    reader = JsonAnswer()
    assert [reader.feed(piece) for piece in ('{"answer": "', "a", "\\", "n", 'b"', "}")] == ["", "a", "", "\n", "b", ""]


def test_a_call_in_json_is_read_as_it_was_written() -> None:
    calls = {
        CALL: ("get_time", '{"zone": "UTC"}'),
        ' { "name":"a\\/b" ,\n "arguments" : { "n": 1.0 } } ': ("a/b", '{ "n": 1.0 }'),
        '{"arguments": {"n": 1}, "name": "f"}': ("f", '{"n":1}'),
        '{"name": "f"}': ("f", "{}"),
        '{"name": "f", "arguments": {"a": "}': ("f", '{"a": "}'),
    }
    for whole, call in calls.items():
        for size in (1, 100):
            reader = JsonAnswer()
            assert "".join(map(reader.feed, pieces(whole, size))) == ""
            assert reader.end(at_limit=False).call == call, whole


def test_schemas_keep_their_references_within_the_schema_of_a_call() -> None:
    """unsloth#10314, the kind: definitions of a tool, as Pydantic writes them."""
    parameters = {
        "properties": {"a": {"$ref": "#/$defs/A"}, "$ref": {"enum": [{"$ref": "#"}]}},
        "required": ["a"],
        "$defs": {"A": {"type": "integer"}},
    }
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}, TOOLS[1]]
    schema = call_schema(tools, {"type": "string"})
    judged = {
        '{"name": "f", "arguments": {"a": 1}}': True,
        '{"name": "f", "arguments": {"a": "1"}}': False,
        '{"name": "roll", "arguments": {}}': True,
        '{"name": "fly", "arguments": {}}': False,
        '{"answer": "Hi"}': True,
        '{"answer": 1}': False,
    }
    for value, follows in judged.items():
        assert (Judge(schema).problem(json.loads(value)) is None) == follows, value


@pytest.mark.anyio
async def test_a_format_is_followed_by_the_answer_beside_the_calls(stage: Stage) -> None:
    """llama.cpp#19051, the kind: of two things that constrain an answer none is lost."""
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": number}}
    async with stage.run():
        trial = Trial(stage, PLAIN)
        result = await trial.ask(says('{"answer": {"n": 1}}'), tools=TOOLS, tool_mode="json", response_format=wanted)
        assert (result.content, result.warnings) == ('{"n": 1}', [])
        assert schema_sent(trial)["anyOf"][-1]["properties"]["answer"] == number
