"""Arguments of tool calls: what is an object, what was cut, and what a cut becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.sessions import ToolCall, ToolFunction
from sidecar.generation.call_arguments import MAX_CLOSED, accepted, closed, is_cut, marked, object_of

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("", "{}"),
        ("  ", "{}"),
        ("null", "{}"),
        ('"{\\"a\\": 1}"', '{"a":1}'),
        ("[1]", None),
        ("7", None),
        ('{"a": NaN}', None),
        ('{"a": 1', None),
        ("{" * 100_000, None),
    ],
)
def test_only_an_object_is_sent_as_arguments(arguments: str, sent: str | None) -> None:
    assert accepted(arguments) == sent


@given(value=st.dictionaries(st.text(), VALUES, min_size=1, max_size=3), ascii_=st.booleans(), data=st.data())
def test_wherever_an_object_is_cut_it_can_be_closed(value: dict[str, Any], ascii_: bool, data: st.DataObject) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_)
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    repaired = closed(cut)
    assert repaired is not None
    assert isinstance(json.loads(repaired), dict)


@pytest.mark.parametrize("arguments", ["", "no json", "[1", "}", '{"a": b}', '{"a" 1', '{"' + "x" * MAX_CLOSED])
def test_what_is_no_beginning_of_an_object_stays_as_it_is(arguments: str) -> None:
    assert closed(arguments) is None


def call(arguments: str) -> ToolCall:
    return ToolCall(id="c", type="function", function=ToolFunction(name="f", arguments=arguments))


@pytest.mark.parametrize(
    ("arguments", "at_limit", "incomplete", "cut"),
    [
        (["{}"], True, [False], [False]),
        (["{}", '{"a": "b'], False, [False, True], [False, True]),
        (["no json"], False, [True], [False]),
        (["", ""], True, [False, True], [False, True]),
        ([""], False, [False], [False]),
    ],
)
def test_a_call_without_usable_arguments_is_marked(
    arguments: list[str], at_limit: bool, incomplete: list[bool], cut: list[bool]
) -> None:
    calls = marked([call(one) for one in arguments], at_limit=at_limit)
    assert [one.incomplete is True for one in calls] == incomplete
    assert [is_cut(one) for one in calls] == cut
    assert all(one.incomplete is True or object_of(one.function.arguments) is not None for one in calls)
