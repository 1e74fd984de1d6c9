"""`llama-sidecar call`: results and errors as scripts need them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.app.talking import words
from tests.cli.terminal import Terminal, run


def test_a_result_is_json_on_stdout_and_nothing_is_on_stderr(ready: Path) -> None:
    done = run(ready, "call", "list_models")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [model["name"] for model in json.loads(done.stdout)] == ["tiny"]
    assert done.stdout.endswith(b"\n")


def test_parameters_may_come_on_stdin(data_dir: Path) -> None:
    done = run(data_dir, "call", "create_session", "-", stdin='{"title": "Wool é🦙"}'.encode())
    assert (done.returncode, json.loads(done.stdout)["title"]) == (0, "Wool é🦙")


def test_events_are_on_stderr_one_a_line(ready: Path) -> None:
    done = run(ready, "call", "--start", "send_message", '{"message": "tokens=3"}')
    assert (done.returncode, json.loads(done.stdout)["content"]) == (0, words(3))
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert "".join(event["chunk"] for event in events if event["status"] == "token") == words(3)
    assert events[0]["status"] == "queued"
    assert events[-1]["status"] == "done"


def test_a_subscription_goes_on_until_ctrl_c(data_dir: Path) -> None:
    params = '{"topics": ["resources"], "options": {"interval_ms": 100}}'
    with Terminal(data_dir, ["call", "subscribe", params]) as terminal:
        for _ in range(3):
            terminal.until('{"status":"resources"')
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.text


# --- what goes wrong ---------------------------------------------------------------------------------------


def errors(data_dir: Path, *arguments: str, stdin: bytes = b"") -> list[str]:
    done = run(data_dir, "call", *arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (1, b"")
    return done.stderr.decode().splitlines()


def test_an_unknown_method_is_told_with_those_like_it(data_dir: Path) -> None:
    assert errors(data_dir, "list_model") == [
        'error: There is no method "list_model". (METHOD_NOT_FOUND)',
        "  Did you mean list_models? llama-sidecar call rpc.discover has all methods.",
        '  remedies: [{"action":"rpc.discover","params":{}}]',
    ]
    assert not data_dir.exists()


@pytest.mark.parametrize("params", ["{no", "", "[1]", '"x"', "-"])
def test_parameters_that_are_no_json_object_are_told_with_an_example(data_dir: Path, params: str) -> None:
    first, second = errors(data_dir, "list_sessions", params, stdin=b"\xff")
    assert first.startswith("error: The parameters are not")
    assert first.endswith("(INVALID_PARAMS)")
    assert second.startswith("  Give one JSON object")


def test_a_wrong_parameter_is_told_with_its_path(data_dir: Path) -> None:
    told = errors(data_dir, "list_sessions", '{"limit": 0}')
    assert told[0].endswith("(INVALID_PARAMS)")
    assert told[-1] == "  path: $.limit"


def test_a_message_without_an_engine_is_told_how_to_get_one(ready: Path) -> None:
    done = run(ready, "call", "count_tokens", '{"text": "x"}')
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[1] == (
        "  Each call has a sidecar of its own: with --start it starts an engine first."
    )


def test_a_failed_start_is_told_with_its_cause_and_the_engines_log(ready: Path, fake_llama_cpp: Path) -> None:
    done = run(ready, "call", "start_llama_server", '{"extra_args": ["--no-such-flag"]}')
    assert done.returncode == 1
    told = [line for line in done.stderr.decode().splitlines() if not line.startswith("{")]
    assert told[0].endswith("(ENGINE_START_FAILED)")
    assert "  cause: BAD_FLAG" in told
    assert "  | error: invalid argument: --no-such-flag" in told
