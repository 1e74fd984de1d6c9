"""What a host says is taken apart: text, parts, templates and the one-string form."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.chat.incoming import ParsedMessage, read_message
from sidecar.contract.chat import MessageContent
from sidecar.contract.errors import InvalidParams
from tests.pictures import DOT_URL

IMAGE_PART = {"type": "image_url", "image_url": {"url": DOT_URL}}


def parts(*builtins: dict[str, Any]) -> Any:
    """Content parts as they come over the wire."""
    return msgspec.convert(list(builtins), MessageContent)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello", ParsedMessage("Hello")),
        ("  spaces stay \n", ParsedMessage("  spaces stay \n")),
        ("<|user|>Hi<|end|>", ParsedMessage("Hi")),
        ("<|system|>Be brief.<|end|><|user|>Hi<|end|>", ParsedMessage("Hi", system="Be brief.")),
        ("<|system|>Be brief.<|end|>\n<|user|>Hi<|end|>\n<|assistant|>\n", ParsedMessage("Hi", system="Be brief.")),
        ("  <|user|> Hi \n<|end|>  ", ParsedMessage("Hi")),
        ("<|user|>no end mark", ParsedMessage("no end mark")),
        ("<|system|>S<|user|>no end marks", ParsedMessage("no end marks", system="S")),
        ("<|system|>a<|end|><|system|>b<|end|><|user|>c", ParsedMessage("c", system="a\n\nb")),
        ("<|system|><|end|><|user|>empty system", ParsedMessage("empty system")),
        (
            "<|user|>q1<|end|><|assistant|>a1<|end|><|user|>q2<|end|>",
            ParsedMessage("q2", earlier=[("user", "q1"), ("assistant", "a1")]),
        ),
        (
            "<|system|>S<|end|><|user|>q1<|end|><|assistant|><|end|><|user|>q2<|end|><|assistant|>",
            ParsedMessage("q2", system="S", earlier=[("user", "q1")]),
        ),
        ("<|user|>line 1\nline 2 <b> | <|other|><|end|>", ParsedMessage("line 1\nline 2 <b> | <|other|>")),
    ],
)
def test_the_one_string_form_is_taken_apart(text: str, said: ParsedMessage) -> None:
    assert read_message(text, tagged=True) == said


@pytest.mark.parametrize(
    "text",
    [
        "What does <|user|> mean?",
        "<|assistant|>I begin<|end|><|user|>Hi<|end|>",
        "<|system|>only a system prompt<|end|>",
        "<|user|><|end|>",
        "<|user|>Hi<|end|>text outside<|user|>Ho<|end|>",
        "<|user|>Hi<|end|><|assistant|>an answer comes last<|end|>",
        "<|end|><|user|>Hi",
        "<|system|>",
        "<|User|>Hi<|end|>",
    ],
)
def test_what_is_not_wholly_of_the_one_string_form_is_plain_text(text: str) -> None:
    assert read_message(text, tagged=True) == ParsedMessage(text)


MARKS = st.sampled_from(["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"])


@given(st.lists(MARKS | st.text(max_size=9), max_size=9).map("".join))
@settings(max_examples=50)
def test_any_text_is_taken_as_it_is(text: str) -> None:
    assert read_message(text) == ParsedMessage(text)


WORDS = st.text(st.characters(exclude_characters="<|>"), min_size=1).filter(lambda text: text.strip() == text != "")


@given(
    system=st.none() | WORDS,
    earlier=st.lists(st.tuples(st.sampled_from(["user", "assistant"]), WORDS)),
    newest=WORDS,
    end=st.sampled_from(["<|end|>", "<|end|>\n", ""]),
)
def test_whatever_is_put_together_in_one_string_is_found_again(
    system: str | None, earlier: list[tuple[Any, str]], newest: str, end: str
) -> None:
    if system is None and earlier and earlier[0][0] == "assistant":
        earlier[0] = ("user", earlier[0][1])
    said = [("system", system)] if system is not None else []
    text = "".join(f"<|{role}|>{body}{end}" for role, body in [*said, *earlier, ("user", newest)])
    assert read_message(text, tagged=True) == ParsedMessage(newest, system=system, earlier=earlier)


def test_a_long_run_of_blanks_is_read_in_no_time() -> None:
    text = "<|user|>a" + " " * 2_000_000 + "b<|end|>"
    assert read_message(text, tagged=True).text == text[8:-7]


def test_text_parts_are_one_text_and_no_parts() -> None:
    said = read_message(parts({"type": "text", "text": "a"}, {"type": "text", "text": "b"}), None, None)
    assert said == ParsedMessage("a\nb")


def test_parts_with_more_than_text_are_kept_as_they_came() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    detailed = {"type": "image_url", "image_url": {"url": DOT_URL, "detail": "low"}}
    said = read_message(parts({"type": "text", "text": "Look"}, detailed, sound), None, None)
    assert said == ParsedMessage("Look", parts=[{"type": "text", "text": "Look"}, detailed, sound])


def test_an_image_alone_needs_no_text() -> None:
    assert read_message("", [DOT_URL], None) == ParsedMessage("", parts=[IMAGE_PART])


def test_images_come_after_the_text() -> None:
    said = read_message("Look", [DOT_URL, DOT_URL], None)
    assert said == ParsedMessage("Look", parts=[{"type": "text", "text": "Look"}, IMAGE_PART, IMAGE_PART])


def test_a_template_is_put_around_the_message() -> None:
    assert read_message("llamas", None, "About {message}: {message}!") == ParsedMessage("About llamas: llamas!")


def test_a_template_is_put_around_the_text_of_parts() -> None:
    said = read_message(parts({"type": "text", "text": "this"}, IMAGE_PART), None, "Describe {message}.")
    assert said == ParsedMessage("Describe this.", parts=[{"type": "text", "text": "Describe this."}, IMAGE_PART])


def test_a_template_is_put_around_the_newest_message_of_the_one_string_form() -> None:
    said = read_message("<|system|>S<|end|><|user|>Hi<|end|>", None, "Say: {message}", tagged=True)
    assert said == ParsedMessage("Say: Hi", system="S")


def test_braces_in_a_template_mean_nothing_else() -> None:
    assert read_message("x", None, '{"a": {message}, {b}}') == ParsedMessage('{"a": x, {b}}')


def test_a_template_without_a_place_for_the_message_is_refused() -> None:
    with pytest.raises(InvalidParams) as caught:
        read_message("Hi", None, "no place here")
    assert caught.value.data == {"path": "$.template"}
