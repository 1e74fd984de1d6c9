"""Which sampling parameters each kind of engine gets, and which it does not know."""

from __future__ import annotations

from sidecar.contract.sampling import SamplingParams
from sidecar.engines.kinds.samplers import PYTHON_NAMES, UNLISTED, for_llama_cpp, for_llama_cpp_python

ALL = {
    **dict.fromkeys(SamplingParams.__struct_fields__, 1),
    "logit_bias": {"7": 1.0, " the": -100.0},
    "sampling_extra": {"min_keep": 3, "min_tokens": 2},
}


def test_a_build_knows_the_samplers_that_it_lists() -> None:
    listed = {"temperature", "top_k", "typical_p"}
    members = for_llama_cpp(ALL, listed)
    assert ALL.keys() - set(members.unknown) == listed | UNLISTED | {"sampling_extra"}
    assert not members.body.keys() & set(members.unknown)
    assert for_llama_cpp(ALL, None).unknown == []
    assert "dry_sequence_breakers" not in for_llama_cpp(ALL, {"dry_multiplier"}).unknown


def test_llama_cpp_gets_biases_as_pairs_and_further_parameters_as_they_are() -> None:
    body = for_llama_cpp(ALL, None).body
    assert body["logit_bias"] == [[7, 1.0], [" the", -100.0]]
    assert (body["min_keep"], "sampling_extra" in body) == (3, False)
    assert for_llama_cpp({"top_logprobs": 2}, None).body == {"top_logprobs": 2, "logprobs": True}
    assert for_llama_cpp({"logprobs": True}, None).body == {"top_logprobs": 1, "logprobs": True}


def test_llama_cpp_python_gets_its_own_names_and_tells_the_others_apart() -> None:
    members = for_llama_cpp_python(ALL)
    known = {name for name in PYTHON_NAMES if name != "logit_bias"}
    assert set(members.unknown) == ALL.keys() - known - {"sampling_extra"} | {"sampling_extra.min_keep"}
    assert (members.body["mirostat_mode"], members.body["min_tokens"]) == (1, 2)
    for biases, kind in (({"7": 1.0}, "input_ids"), ({"a": 1.0}, "tokens")):
        assert for_llama_cpp_python({"logit_bias": biases}).body == {"logit_bias": biases, "logit_bias_type": kind}
    assert for_llama_cpp_python({"logprobs": False}).unknown == []
