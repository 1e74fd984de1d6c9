"""Sentences about values that do not fit."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract import METHODS
from sidecar.contract.invalid import PATTERNS, invalid_params
from sidecar.contract.sessions import SessionConfig

LIBRARY_WORDS = re.compile(r"Expected|`|regex|null|\$|array|\bstr\b|\bint\b|float|\.\.\.")

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def test_every_parameter_of_every_method_is_refused_in_a_sentence() -> None:
    samples: list[Any] = ["", "a b" * 700, -5, 2**70, 1.5, True, None, [""], [{}], {"a": {}}, [["x"] * 200]]
    for method in METHODS.values():
        names = [field.encode_name for field in msgspec.structs.fields(method.params)]
        for params in [{}, {"nothing": 1}, *({name: value} for name in names for value in samples)]:
            assert_sentence(method, params)


@given(st.sampled_from(list(METHODS.values())), st.dictionaries(st.text(max_size=5), ANYTHING, max_size=2), ANYTHING)
def test_no_value_is_refused_in_words_of_a_library(method: Any, strange: dict[str, Any], value: Any) -> None:
    for name in method.params.__struct_fields__[:4]:
        assert_sentence(method, {name: value, **strange})


def test_every_pattern_of_the_contract_says_what_it_means() -> None:
    schema = msgspec.json.encode(msgspec.json.schema_components([m.params for m in METHODS.values()])).decode()
    found = set(re.findall(r'"pattern":("(?:[^"\\]|\\.)*")', schema))
    assert found
    for pattern in (msgspec.json.decode(text) for text in found):
        assert any(part in pattern for part, _ in PATTERNS), pattern


def test_settings_of_a_session_are_refused_by_their_names() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"temperature": "hot"}, SessionConfig)
    assert invalid_params(caught.value, SessionConfig).message == "temperature must be a number."


def assert_sentence(method: Any, params: dict[str, Any]) -> None:
    try:
        msgspec.convert(params, method.params)
    except msgspec.ValidationError as error:
        refused = invalid_params(error, method.params, method=method.name)
        assert refused.data["path"].startswith("$")
        said = refused.message
        for name in params:
            said = said.replace(name, "")
        assert not LIBRARY_WORDS.search(said), (params, refused.message)
        assert refused.message.endswith((".", "?"))
