"""The Markdown of a session: every turn is there, and no text of a message is taken for anything else."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from sidecar.chat.markdown import contained, fenced, rendered
from sidecar.chat.messages import StoredMessage, new_message
from sidecar.contract.sessions import Session, ToolCall, ToolFunction

PIECES = (
    *(
        "```",
        "````",
        "```python",
        "~~~",
        "   ```",
        "  ~~~~",
        "    ```",
        "\t```",
        "- ```",
        "> ```",
        "1. a",
        "10. b",
        "- c",
    ),
    *("## Assistant", "# You", "   ## Tool", "### Deep", "Assistant", "---", "===", "   --", "- # x", "> ## Assistant"),
    *("</details>", "<details>", "<summary>x", "<!--", "- <!-- x", "<div>", "</div>", "<?php", "<![CDATA[", "<script>"),
    *(
        "<https://example.org>",
        "`</details>`",
        "",
        "    code",
        "text",
        "a | b",
        "-- | --",
        "[x]: y",
        "\\",
        "`",
        "``",
        "*",
    ),
)

TEXTS = st.lists(st.sampled_from(PIECES), max_size=7).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\n\n"]).map(lambda end: end.join(lines))
)


def session(**values: Any) -> Session:
    values = {"session_id": "s", "title": "Wool", "config": {}, "created_at": 0, "updated_at": 0} | values
    empty = dict.fromkeys(("system", "head", "server_id")) | {"message_count": 0, "archived": False}
    return msgspec.convert({**empty, **values}, Session)


def message(role: Any, content: str, **values: Any) -> StoredMessage:
    made = new_message("s", None, role=role, content=content)
    for name, value in values.items():
        setattr(made, name, value)
    return made


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_text_swallows_or_forges_a_turn(system: str, asked: str, thought: str, arguments: str) -> None:
    call = ToolCall(id="c", type="function", function=ToolFunction(name="look", arguments=arguments))
    branch = [
        message("user", asked),
        message("assistant", asked, reasoning=thought, tool_calls=[call]),
        message("tool", thought),
        message("user", "The end"),
    ]
    tokens = MarkdownIt("commonmark").parse(rendered(session(system=system), branch))
    headings = [
        (token.tag, tokens[at + 1].content)
        for at, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0 and token.tag in ("h1", "h2")
    ]
    assert headings == [("h1", "Wool"), ("h2", "You"), ("h2", "Assistant"), ("h2", "Tool"), ("h2", "You")]
    blocks = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert blocks == ["<details><summary>Reasoning</summary>", "</details>"]
    assert f"look({arguments})\n".replace("\r\n", "\n") in [token.content for token in tokens if token.type == "fence"]


def test_what_acts_on_nothing_is_kept_as_it_is() -> None:
    for text in (
        "1. Do:\n   ```sh\n   ls\n   ```\n2. Done",
        "### Steps\n\n| a | b |\n| --- | --- |\n\n---\n\n`</details>` and <b>bold</b> <https://x.org>",
        "before\0between\u2028behind\r\nnext",
    ):
        assert contained(text) == text
    assert contained("# A\n## B") == "### A\n#### B"
    assert contained("```python\nx = 1") == "```python\nx = 1\n```"
    assert fenced("a ``` b ```` c") == "`````\na ``` b ```` c\n`````"


def test_images_and_audio_are_there() -> None:
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
        {"type": "input_audio", "input_audio": {"data": "QUJDRA==", "format": "wav"}},
    ]
    shown = rendered(session(), [message("user", "Look:", parts=parts)])
    assert "Look:\n\n![Image 2 (image/png, 3 bytes)](data:image/png;base64,QUJD)\n\n[Audio 3 (wav" in shown
