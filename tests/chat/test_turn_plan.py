"""What a message becomes: which settings win, and which messages an answer follows on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.chat.turn_plan import TurnPlan, TurnPlanner
from sidecar.contract.chat import EditMessageParams, RegenerateMessageParams, SendMessageParams, ToolResult, TurnParams
from sidecar.contract.config import ChatConfig, ChatPreset, Config
from sidecar.contract.errors import InvalidParams, SessionNotFound
from sidecar.contract.sessions import CreateSessionParams, SessionConfig, ToolCall, ToolFunction, UpdateSessionParams
from sidecar.generation.honouring.adaptation import adapted
from sidecar.generation.honouring.target import Target
from sidecar.generation.sampling import given
from tests.chat.rows import new_id
from tests.chat.scripted import Stage
from tests.pictures import DOT_URL

pytestmark = pytest.mark.anyio


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def planner_of(stage: Stage) -> TurnPlanner:
    return stage.chat._planner


async def plan_for(stage: Stage, session_id: str | None = None, **params: Any) -> TurnPlan:
    session_id = session_id or new_id()
    given = {"message": "Hi", "session_id": session_id, **params}
    return await planner_of(stage).plan(session_id, msgspec.convert(given, SendMessageParams))


async def refusal(stage: Stage, session_id: str | None = None, **params: Any) -> Any:
    with pytest.raises(InvalidParams) as caught:
        await plan_for(stage, session_id, **params)
    return caught.value.data["path"]


def settings_of(plan: TurnPlan) -> dict[str, Any]:
    """The engine's request without what every request has."""
    always = ("stream", "stream_options", "return_progress", "messages")
    body = plan.request.body([]) | given(plan.request.sampling)
    return {name: value for name, value in body.items() if name not in always}


async def test_parameters_that_contradict_each_other_are_refused_with_their_path(stage: Stage) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with stage.run():
        for params, path in (
            ({"grammar": "root ::= x", "tools": tools}, "$.grammar"),
            ({"grammar": "root ::= x", "response_format": {"type": "json_object"}}, "$.grammar"),
            ({"logprobs": True, "tools": tools}, "$.logprobs"),
            ({"sampling_extra": {"messages": []}}, "$.sampling_extra.messages"),
            ({"sampling_extra": {"top_k": 1}}, "$.sampling_extra.top_k"),
        ):
            assert await refusal(stage, **params) == path
        plan = await plan_for(stage, grammar="root ::= x", response_format={"type": "text"})
        assert settings_of(plan)["grammar"] == "root ::= x"


async def test_the_message_wins_over_the_preset_over_the_session_over_the_config(stage: Stage) -> None:
    stage.config = Config(
        chat=ChatConfig(temperature=0.1, top_p=0.1, top_k=1, min_p=0.1, context_policy="drop_oldest"),
        chat_presets={"p": ChatPreset(temperature=0.3, top_p=0.3, context_policy="error")},
    )
    session_config = SessionConfig(temperature=0.2, top_p=0.2, top_k=2, context_policy="keep_ends")
    async with stage.run():
        session = await stage.history.create(CreateSessionParams(config=session_config))
        everything = await plan_for(stage, session.session_id, temperature=0.4, preset="p", context_policy="keep_ends")
        without_message = await plan_for(stage, session.session_id, preset="p")
        without_preset = await plan_for(stage, session.session_id)
        without_session = await plan_for(stage)
    assert settings_of(everything) == {"temperature": 0.4, "top_p": 0.3, "top_k": 2, "min_p": 0.1}
    assert settings_of(without_message) == {"temperature": 0.3, "top_p": 0.3, "top_k": 2, "min_p": 0.1}
    assert settings_of(without_preset) == {"temperature": 0.2, "top_p": 0.2, "top_k": 2, "min_p": 0.1}
    assert settings_of(without_session) == {"temperature": 0.1, "top_p": 0.1, "top_k": 1, "min_p": 0.1}
    policies = [plan.request.policy for plan in (everything, without_message, without_preset, without_session)]
    assert policies == ["keep_ends", "error", "keep_ends", "drop_oldest"]


async def test_what_nobody_has_set_is_left_to_the_engine(stage: Stage) -> None:
    async with stage.run():
        plan = await plan_for(stage)
    request = plan.request
    assert (settings_of(plan), request.policy, request.sampling.max_tokens, request.system) == ({}, "error", None, None)


async def test_zero_is_a_setting(stage: Stage) -> None:
    stage.config = Config(chat=ChatConfig(temperature=1.0, top_k=40))
    async with stage.run():
        plan = await plan_for(stage, temperature=0, top_k=0, seed=0, min_p=0)
    assert settings_of(plan) == {"temperature": 0, "top_k": 0, "seed": 0, "min_p": 0}


async def test_what_only_the_engine_understands_is_passed_on(stage: Stage) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    response_format = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}
    async with stage.run():
        plan = await plan_for(
            stage, tools=tools, tool_choice="required", response_format=response_format, reasoning=False, stop="END"
        )
    assert settings_of(plan) == {"stop": ["END"]}
    assert adapted(plan.request, Target()).members == {
        "stop": ["END"],
        "tools": tools,
        "tool_choice": "required",
        "response_format": response_format,
        "chat_template_kwargs": {"enable_thinking": False},
    }


async def test_a_preset_that_there_is_not_is_refused(stage: Stage) -> None:
    async with stage.run():
        assert await refusal(stage, preset="p") == "$.preset"


TAGGED = "<|system|>string's<|end|><|user|>Hi<|end|>"


# --- the system prompt -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "system", "kept"),
    [
        ({}, "config's", "config's"),
        ({"system": "message's"}, "message's", "message's"),
        ({"system": ""}, "", ""),
        ({"preset": "p"}, "preset's", "preset's"),
        ({"preset": "p", "system": "message's"}, "message's", "message's"),
        ({"message": TAGGED, "message_format": "tagged"}, "string's", "string's"),
        ({"message": TAGGED, "message_format": "tagged", "system": "message's"}, "message's", "message's"),
    ],
)
async def test_the_system_prompt_of_a_new_session(stage: Stage, params: dict[str, Any], system: str, kept: str) -> None:
    stage.config = Config(chat=ChatConfig(system="config's"), chat_presets={"p": ChatPreset(system="preset's")})
    async with stage.run():
        plan = await plan_for(stage, **params)
    assert (plan.request.system, plan.new_session) == (system, {"system": kept})


@pytest.mark.parametrize(
    ("params", "system", "columns"),
    [
        ({}, "session's", {}),
        ({"system": "message's"}, "message's", {"system": "message's"}),
        ({"system": ""}, "", {"system": None}),
        ({"preset": "p"}, "preset's", {}),
        (
            {"message": TAGGED, "message_format": "tagged"},
            "string's",
            {"system": "string's"},
        ),
    ],
)
async def test_the_system_prompt_of_a_session_that_there_is(
    stage: Stage, params: dict[str, Any], system: str, columns: dict[str, Any]
) -> None:
    stage.config = Config(chat=ChatConfig(system="config's"), chat_presets={"p": ChatPreset(system="preset's")})
    async with stage.run():
        session = await stage.history.create(CreateSessionParams(system="session's"))
        plan = await plan_for(stage, session.session_id, **params)
    assert (plan.request.system, plan.session_columns) == (system, columns)


# --- the server --------------------------------------------------------------------------------------------


async def test_a_session_goes_on_with_its_server(stage: Stage) -> None:
    async with stage.run():
        session = (await stage.chat.send(SendMessageParams(message="Hi", server_id="other")).result()).session_id
        for server_id, who in ((None, stage.other), ("default", stage.server)):
            await stage.chat.send(SendMessageParams(message="Hi", session_id=session, server_id=server_id)).result()
            assert [m["content"] for m in who.requests[-1]["messages"]][-1] == "Hi"
        assert (len(stage.other.requests), len(stage.server.requests)) == (2, 1)
        assert (await stage.history.get(session)).server_id == "default"
        await stage.history.update(UpdateSessionParams(session_id=session, server_id="other"))
        request = (await plan_for(stage, session)).request
        assert (request.server_id, request.last_server_id) == (None, "other")


# --- what is said ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [{"message": ""}, {"message": " \n"}, {"message": [{"type": "text", "text": ""}]}],
)
async def test_an_empty_message_is_refused(stage: Stage, params: dict[str, Any]) -> None:
    async with stage.run():
        assert await refusal(stage, **params) == "$.message"


async def test_an_image_alone_is_a_message(stage: Stage) -> None:
    async with stage.run():
        plan = await plan_for(stage, message="", images=[DOT_URL])
    assert [message.parts for message in plan.new_messages] == [[{"type": "image_url", "image_url": {"url": DOT_URL}}]]


HISTORY = "<|user|>q1<|end|><|assistant|>a1<|end|><|user|>q2<|end|>"


async def test_a_history_in_the_message_is_taken_over_by_a_new_session_only(stage: Stage) -> None:
    async with stage.run():
        new = await plan_for(stage, message=HISTORY, message_format="tagged")
        session = await stage.chat.send(SendMessageParams(message=HISTORY, message_format="tagged")).result()
        page = await stage.history.get(session.session_id)
        old = await plan_for(stage, session.session_id, message=HISTORY, message_format="tagged")
    said = [(message.role, message.content) for message in new.new_messages]
    assert said == [("user", "q1"), ("assistant", "a1"), ("user", "q2")]
    parents = [message.parent_id for message in new.new_messages]
    assert parents == [None, *[message.message_id for message in new.new_messages[:2]]]
    assert (page.title, page.message_count) == ("q1", 4)
    assert [message.content for message in old.new_messages] == ["q2"]


# --- tools -------------------------------------------------------------------------------------------------


async def asked_for_tools(stage: Stage, *ids: str) -> str:
    """A session whose last answer asks for tools."""
    session = (await stage.chat.send(SendMessageParams(message="What time is it?")).result()).session_id
    calls = [ToolCall(id=id_, type="function", function=ToolFunction(name="f", arguments="{}")) for id_ in ids]
    encoded = msgspec.json.encode(calls).decode()
    await stage.database.run(
        lambda db: db.execute("UPDATE messages SET tool_calls = ? WHERE role != 'user'", (encoded,))
    )
    return session


async def test_results_of_tools_follow_on_the_answer_that_asked_for_them(stage: Stage) -> None:
    results = [{"tool_call_id": "b", "content": "two"}, {"tool_call_id": "a", "content": "one"}]
    async with stage.run():
        session = await asked_for_tools(stage, "a", "b")
        plan = await plan_for(stage, session, message="", tool_results=results)
        await stage.chat.send(
            SendMessageParams(session_id=session, message="", tool_results=msgspec.convert(results, list[ToolResult]))
        ).result()
    new = plan.new_messages
    assert [(m.role, m.tool_call_id, m.content) for m in new] == [("tool", "b", "two"), ("tool", "a", "one")]
    assert [m.parent_id for m in new] == [plan.history[-1].message_id, new[0].message_id]
    sent = stage.server.requests[-1]["messages"][-2:]  # in the order of the calls
    assert [(m["tool_call_id"], m["content"]) for m in sent] == [("a", "one"), ("b", "two")]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"tool_results": [{"tool_call_id": "x", "content": ""}]}, "$.tool_results[0].tool_call_id"),
        (
            {"tool_results": [{"tool_call_id": "a", "content": ""}, {"tool_call_id": "a", "content": ""}]},
            "$.tool_results[1].tool_call_id",
        ),
        ({"message": "and a message", "tool_results": [{"tool_call_id": "a", "content": ""}]}, "$.message"),
        ({"images": ["x"], "tool_results": [{"tool_call_id": "a", "content": ""}]}, "$.message"),
    ],
)
async def test_results_that_nobody_asked_for_are_refused(stage: Stage, params: dict[str, Any], path: str) -> None:
    async with stage.run():
        session = await asked_for_tools(stage, "a")
        assert await refusal(stage, session, **{"message": "", **params}) == path


async def test_an_answer_waits_for_the_results_of_all_its_calls(stage: Stage) -> None:
    results = [{"tool_call_id": "b", "content": "two"}]
    async with stage.run():
        session = await asked_for_tools(stage, "a", "b", "c")
        with pytest.raises(InvalidParams, match="Missing: a, c") as refused:
            await plan_for(stage, session, message="", tool_results=results)
    assert refused.value.data == {"path": "$.tool_results"}


async def test_a_result_without_any_answer_before_is_refused(stage: Stage) -> None:
    results = [{"tool_call_id": "a", "content": ""}]
    async with stage.run():
        assert await refusal(stage, message="", tool_results=results) == "$.tool_results[0].tool_call_id"


# --- answering again ---------------------------------------------------------------------------------------


async def test_an_answer_is_made_again_from_its_question(stage: Stage) -> None:
    async with stage.run():
        first = await stage.chat.send(SendMessageParams(message="q1")).result()
        await stage.chat.send(SendMessageParams(message="q2", session_id=first.session_id)).result()
        session = first.session_id
        last = await planner_of(stage).plan(session, RegenerateMessageParams(session_id=session))
        named = await planner_of(stage).plan(
            session, RegenerateMessageParams(session_id=session, message_id=first.message_id)
        )
        by_question = await planner_of(stage).plan(
            session, RegenerateMessageParams(session_id=session, message_id=first.user_message_id)
        )
    for plan, said in ((last, ["q1", "Hello", "q2"]), (named, ["q1"]), (by_question, ["q1"])):
        assert [message.content for message in plan.conversation] == said
        assert plan.new_messages == []


async def test_what_can_not_be_answered_again_is_refused(stage: Stage) -> None:
    async with stage.run():
        empty = await stage.history.create(CreateSessionParams())
        regenerate = partial(planner_of(stage).plan, empty.session_id)
        with pytest.raises(InvalidParams):
            await regenerate(RegenerateMessageParams(session_id=empty.session_id))
        with pytest.raises(SessionNotFound):
            await regenerate(RegenerateMessageParams(session_id=empty.session_id, message_id=new_id()))
        with pytest.raises(SessionNotFound):
            await regenerate(RegenerateMessageParams(session_id=new_id()))


async def test_only_what_the_user_said_can_be_edited_and_not_into_nothing(stage: Stage) -> None:
    async with stage.run():
        answer = await stage.chat.send(SendMessageParams(message="q1")).result()
        session = answer.session_id

        async def edit(message_id: str, message: str) -> TurnPlan:
            params = EditMessageParams(session_id=session, message_id=message_id, message=message)
            return await planner_of(stage).plan(session, params)

        with pytest.raises(InvalidParams) as caught:
            await edit(answer.message_id, "x")
        assert caught.value.data == {"path": "$.message_id"}
        assert answer.user_message_id is not None
        with pytest.raises(InvalidParams) as caught:
            await edit(answer.user_message_id, " ")
        assert caught.value.data == {"path": "$.message"}
        with pytest.raises(SessionNotFound):
            await edit(new_id(), "x")


async def test_previewing_a_message_keeps_nothing(stage: Stage) -> None:
    async with stage.run():
        plan = await planner_of(stage).preview(None, HISTORY, TurnParams())
        assert [message.content for message in plan.conversation] == [HISTORY]
        assert await stage.database.run(lambda db: db.execute("SELECT count(*) FROM sessions").fetchone()) == (0,)
