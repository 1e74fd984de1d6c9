"""Canaries in every secret and in everything that is said: none of them turns up where it does not belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Talk, new_session, prepare
from tests.trust.canaries import KEPT, leaks

SECRETS = {
    "HF_TOKEN": "hf_canary-token-11",
    "HTTPS_PROXY": "http://user:canary-proxy-12@127.0.0.1:9",
    "OPENAI_API_KEY": "sk-canary-key-13",
}
"""In the environment of the sidecar."""

ENGINE_SECRET = "canary-engine-14"
PRESET_SECRET = "canary-preset-15"

PROMPT, SYSTEM, TITLE, ANSWER, TOOL = (
    *("canary-prompt-21", "canary-system-22", "canary-title-23", "canary-answer-24", "canary-tool-25"),
)
SAID = (PROMPT, SYSTEM, TITLE, ANSWER, TOOL)


def talk_about_everything(talk: Talk) -> list[Any]:
    """Every way for a conversation to go well or wrong; the errors that came of it."""
    session = talk.call("create_session", title=TITLE, system=SYSTEM, session_id=new_session())["session_id"]
    message = f"{PROMPT} text={ANSWER}"
    for _ in range(2):
        assert talk.say(message, session)["content"] == ANSWER
    talk.say(f"{PROMPT} tool={TOOL}", session)
    talk.call("regenerate_message", session_id=session)
    talk.call("preview_context", session_id=session, message=message)
    talk.call("count_tokens", text=PROMPT)
    talk.call("search_messages", query=PROMPT)
    exported = [talk.call("export_session", session_id=session, format=form) for form in ("markdown", "json")]
    assert all(ANSWER in export["content"] for export in exported)
    assert [export["filename"] for export in exported if TITLE in export["filename"]]  # a host's to use or not
    talk.call("import_session", content=exported[-1]["content"])
    errors = [
        talk.fail("send_message", message=f"{PROMPT} error-after=0 text={ANSWER}", session_id=session),
        talk.fail("send_message", message=f"{PROMPT} garbage-after=0 text={ANSWER}", session_id=session),
        talk.fail("send_message", message=f"{PROMPT} " * 5000, session_id=session),
        talk.fail("send_message", message=PROMPT, images=[PROMPT]),
        talk.fail("send_message", message=PROMPT, temperature=PROMPT),
        talk.fail("send_message", message=[{"type": "text", "text": PROMPT, "other": PROMPT}]),
        talk.fail("send_message", message=PROMPT, preset="none"),
        talk.fail("import_session", content=json.dumps({"messages": [PROMPT], "title": TITLE})),
        talk.fail("import_session", content=f'{{"title": "{TITLE}'),
        talk.fail("create_session", title=TITLE * 100),
        talk.fail("start_llama_server", server_id="two", extra_args=["--hf-token", ENGINE_SECRET]),
        talk.fail("start_llama_server", server_id="two", env={"LLAMA_API_KEY": ENGINE_SECRET}),
        talk.fail("start_llama_server", server_id="two", extra_args=["--abort-on-load"], env={"TOKEN": ENGINE_SECRET}),
        talk.fail("start_llama_server", server_id="two", env={"A=B": ENGINE_SECRET}),
        talk.fail("start_llama_server", server_id="two", env={"A": f"{ENGINE_SECRET}\0"}),
    ]
    talk.send_bytes(b'{"jsonrpc": "2.0", "id": 7, "method": "send_message", "params": {"message": "' + PROMPT.encode())
    talk.send_bytes(b'"\n')
    errors.append(talk.answer(None)["error"])
    talk.send_bytes(json.dumps({"message": PROMPT}).encode() + b"\n")
    errors.append(talk.answer(None)["error"])
    request, channel = talk.begin_turn(f"{PROMPT} hold-after=1 text=first {ANSWER}")
    talk.event(channel, "token")
    talk.notify("$/cancel", id=request)
    errors.append(talk.error_of(request))
    errors.append(talk.fail("send_message", message=f"{PROMPT} die-after=0 text={ANSWER}", session_id=session))
    return errors


@pytest.mark.case(39)
@pytest.mark.parametrize("level", ["debug", "info"])
def test_no_secret_and_nothing_that_was_said_turns_up_where_it_does_not_belong(
    level: str, data_dir: Path, fake_llama_cpp: Path
) -> None:
    prepare(data_dir, fake_llama_cpp, server_presets={"mine": {"env": {"TOKEN": PRESET_SECRET}, "ctx_size": 200}})
    with Talk(data_dir, "--log-level", level, env=SECRETS, validate=False) as talk:
        settings: dict[str, Any] = {"preset": "mine", "env": {"OTHER": ENGINE_SECRET}}
        infos = [talk.call("start_llama_server", channel="start", **settings)]
        key = talk.call("get_server")["api_key"]
        errors = talk_about_everything(talk)
        infos.append(talk.call("restart_server"))
        keys = [key, talk.call("get_server")["api_key"]]
        for given in ({"preset": "mine"}, {"env": {"OTHER": ENGINE_SECRET}}):
            infos += [talk.call("preview_command", **given)]
        infos.append(talk.call("get_llama_config"))
        secrets = [*SECRETS.values(), ENGINE_SECRET, *keys, *SAID]
        assert leaks(talk, data_dir, [*secrets, PRESET_SECRET], kept=(*KEPT, "config.json")) == []
        # The preset is the user's own; it stands in the config, in its file, and nowhere else.
        assert leaks(talk, data_dir, secrets) == []
        told = json.dumps([infos, errors, talk.events["start"]], ensure_ascii=False)
        assert [secret for secret in (*secrets, PRESET_SECRET) if secret in told] == []
        assert len(errors) == 19
        # Half a line is told on stderr when stdin ends, and not what is in it.
        talk.send_bytes(b'{"jsonrpc": "2.0", "method": "' + PROMPT.encode())
    assert PROMPT not in talk.stderr.decode()
    assert PRESET_SECRET in (data_dir / "config.json").read_text()
    assert ANSWER.encode() in b"".join(file.read_bytes() for file in data_dir.glob("history.db*"))
