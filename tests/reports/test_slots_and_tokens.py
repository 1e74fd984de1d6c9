"""One limit seen by slots, another by tokens: what people saw with several messages in one context."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import fake_engine
from tests.app.talking import DirectTalk, Engine, prepare, words
from tests.reports.admission_trial import TOOLS, Trial


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectTalk]:
    folder = tmp_path_factory.mktemp("shared")
    prepare(folder / "data", fake_engine.install(folder / "llama.cpp", "--shared-cache"))
    with DirectTalk(folder / "data") as host:
        yield host


@pytest.fixture
def engine(host: DirectTalk) -> Iterator[Engine]:
    """Two slots that share 512 tokens."""
    engine = Engine(host, ctx_size=512, parallel=2)
    yield engine
    engine.stop()


def long(how: str, tokens: int) -> str:
    """A message of so many tokens for the fake engine."""
    return f"{how} {'word ' * (tokens - 2 - len(how.split()))}"


def test_two_prompts_that_fit_alone_do_not_end_each_other(host: DirectTalk, engine: Engine) -> None:
    """unsloth#9392, lemonade#3276, llama.cpp#23652"""
    first, first_channel = engine.begin_turn(long("tokens=20 hold-after=2", 300), max_tokens=50)
    host.heard(first_channel, words(2))
    second, second_channel = engine.begin_turn(long("tokens=20", 300), max_tokens=50)
    host.in_line(second_channel)
    engine.release()
    assert host.answer(first)["result"]["content"] == words(20)
    assert host.answer(second)["result"]["content"] == words(20)
    assert host.positions(second_channel) == [0, 1, 0]


def test_two_that_fit_together_are_answered_at_the_same_time(host: DirectTalk, engine: Engine) -> None:
    first, first_channel = engine.begin_turn("tokens=20 hold-after=2")
    host.heard(first_channel, words(2))
    assert engine.say("tokens=5")["content"] == words(5)
    engine.release()
    assert host.answer(first)["result"]["content"] == words(20)


def test_a_small_message_does_not_overtake_a_large_one_that_waits(host: DirectTalk, engine: Engine) -> None:
    first, first_channel = engine.begin_turn(long("tokens=20 hold-after=2", 300), max_tokens=50)
    host.heard(first_channel, words(2))
    large, large_channel = engine.begin_turn(long("tokens=3", 400), max_tokens=10)
    host.in_line(large_channel)
    small, small_channel = engine.begin_turn("tokens=3", max_tokens=10)
    host.in_line(small_channel)
    assert 2 in host.positions(small_channel)
    engine.release()
    for request in (first, large, small):
        assert "result" in host.answer(request)


def test_answers_without_a_limit_that_fill_the_context_together_end_without_an_error(
    host: DirectTalk, engine: Engine
) -> None:
    """llama.cpp#23652: the elder has the context that it was promised; the younger ends, and says why."""
    elder, channel = engine.begin_turn("tokens=600 delay=0.001")
    host.event(channel, "token")
    younger, _ = engine.begin_turn("tokens=600 delay=0.001")
    one, other = host.answer(elder)["result"], host.answer(younger)["result"]
    assert (one["finish_reason"], one["warnings"], one["context"]["used"]) == ("length", [], 512)
    assert other["finish_reason"] == "length"
    assert [warning["code"] for warning in other["warnings"]] == ["CONTEXT_SHARED"]
    assert other["content"] == words(other["usage"]["completion_tokens"])
    assert 64 < other["context"]["used"] < 512


def test_a_cancelled_answer_that_its_engine_still_works_on_ends_no_other(
    host: DirectTalk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    slow = fake_engine.install(tmp_path_factory.mktemp("slow") / "llama.cpp", "--shared-cache", "--idle-after", "0.3")
    engine = Engine(host, ctx_size=512, parallel=2, llama_cpp_path=str(slow))
    first, channel = engine.begin_turn(long("tokens=20 hold-after=2", 300), "6d2a3f0e-51a5-4d1c-9d4c-0f1b5b0c7c11")
    host.heard(channel, words(2))
    cancelled = host.begin("cancel_message", session_id="6d2a3f0e-51a5-4d1c-9d4c-0f1b5b0c7c11")
    assert engine.say(long("tokens=5", 400), max_tokens=50)["content"] == words(5)
    host.answer(cancelled)
    assert host.error_of(first)["data"]["name"] == "CANCELLED"
    engine.stop()


def test_preview_count_and_send_agree_to_the_token(engine: Engine, host: DirectTalk) -> None:
    """litellm#22301"""
    for settings in ({}, {"tools": TOOLS}, {"tools": TOOLS, "tool_choice": "none"}, {"system": "Be brief."}):
        given = {"message": "tokens=1 hello", **settings}
        sent = host.call("send_message", server_id=engine.server_id, **given)["usage"]["prompt_tokens"]
        assert host.call("count_tokens", server_id=engine.server_id, **given)["tokens"] == sent
        session = host.call("create_session")["session_id"]
        shown = host.call("preview_context", session_id=session, server_id=engine.server_id, **given)
        assert shown["input_length"] == sent


def test_random_prompts_in_many_sessions_end_no_other(host: DirectTalk, engine: Engine) -> None:
    trial = Trial(host, engine.server_id, max_context=512, seed=7)
    trial.run(40)
    assert (trial.sent, trial.killed, trial.disagreements) == (40, [], [])
    assert trial.refused > 0
    assert trial.waited > 0


def test_what_is_advised_for_too_long_a_message_would_help(
    host: DirectTalk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A larger `ctx_size` is no advice where the model was trained for no more, nor a policy for one long message."""
    folder = tmp_path_factory.mktemp("trained") / "llama.cpp"
    trained = fake_engine.install(folder, "--say-on-load", "print_info: n_ctx_train   = 512")
    engine = Engine(host, ctx_size=512, parallel=1, llama_cpp_path=str(trained))
    session = host.call("create_session")["session_id"]
    alone = host.error_of(engine.begin_turn(long("tokens=1", 600), session)[0])["data"]
    assert (alone["max_context"], alone["input_length"]) == (512, 600)
    assert [one["action"] for one in alone["remedies"]] == ["change_params", "switch_model"]
    assert alone["remedies"][0]["params"] == {"names": ["message"]}
    engine.say(long("tokens=1", 300), session)
    together = host.error_of(engine.begin_turn(long("tokens=1", 300), session)[0])["data"]
    assert [one["action"] for one in together["remedies"]] == ["change_params", "create_session", "switch_model"]
    assert together["remedies"][0]["params"] == {"names": ["context_policy"]}
    engine.stop()


def test_a_shared_context_that_no_engine_reported_is_learnt_from_its_first_overflow(
    host: DirectTalk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What llama.cpp#23652 says, of a build that logs nothing: no error, and after the first time no answer is cut."""
    monkeypatch.setattr("sidecar.engines.output.context_lines.ContextLines.shared", lambda self, **_: None)
    engine = Engine(host, ctx_size=512, parallel=2)
    for whole in (False, True):
        turns = [engine.begin_turn(long("tokens=20 delay=0.001", 300), max_tokens=50)[0] for _ in range(2)]
        answers = [host.answer(turn)["result"] for turn in turns]
        if whole:
            assert [one["content"] for one in answers] == [words(20)] * 2
    engine.stop()
