"""Which model is started where a host names none."""

from __future__ import annotations

import pytest

from sidecar.contract.errors import ModelInvalid, ModelNotFound
from sidecar.contract.models import ModelInfo
from sidecar.library.model_names import STARTER_MODEL, choose_model, match_model


def model(name: str, *, valid: bool = True) -> ModelInfo:
    return ModelInfo(
        name=name,
        path=f"/models/{name}.gguf",
        size_bytes=1,
        files=1,
        modified_at=0.0,
        origin="own",
        mmproj_path=None,
        valid=valid,
        problem=None if valid else f"{name}.gguf cannot be used: the file is empty.",
        architecture=None,
        quantization=None,
        parameters=None,
        context_length=None,
    )


A, B, STARTER = model("a"), model("b"), model(STARTER_MODEL)
BAD = model("bad", valid=False)
BAD_STARTER = model(STARTER_MODEL, valid=False)


@pytest.mark.parametrize(
    ("models", "default", "last_used", "chosen"),
    [
        ([A], None, None, A),
        ([A, BAD], None, "bad", A),
        ([A, B], "b", None, B),
        ([A, B], "B.gguf", None, B),
        ([A, B], "/models/b.gguf", "a", B),
        ([A], "a", "b", A),
        ([A, B, STARTER], None, "b", B),
        ([A, B, STARTER], None, "/models/b.gguf", B),
        ([A, B, STARTER], None, "gone", STARTER),
        ([A, B, STARTER], None, None, STARTER),
        ([A, B, STARTER], "", None, STARTER),
        ([A, B, BAD], None, "b", B),
        ([BAD, STARTER], None, None, STARTER),
    ],
)
def test_the_default_wins_then_the_only_then_the_last_used_then_the_starter_model(
    models: list[ModelInfo], default: str | None, last_used: str | None, chosen: ModelInfo
) -> None:
    assert choose_model(models=models, default=default, last_used=last_used) is chosen


@pytest.mark.parametrize(
    ("models", "default", "last_used", "error", "told"),
    [
        ([], None, None, ModelNotFound, "models folder"),
        ([BAD], None, "bad", ModelNotFound, "bad"),
        ([A, B], None, None, ModelNotFound, "settings: a, b."),
        ([A, B, BAD], None, "bad", ModelNotFound, "settings: a, b."),
        ([A, B, BAD_STARTER], None, None, ModelNotFound, "settings: a, b."),
        ([A], "gone", "a", ModelNotFound, "models.default"),
        ([A, BAD], "bad", "a", ModelInvalid, "the file is empty"),
    ],
)
def test_where_nothing_says_which_the_error_names_what_there_is(
    models: list[ModelInfo], default: str | None, last_used: str | None, error: type[ModelNotFound], told: str
) -> None:
    with pytest.raises(error) as raised:
        choose_model(models=models, default=default, last_used=last_used)
    assert told in f"{raised.value.message} {raised.value.hint}"


def test_a_name_with_folders_is_found_by_all_its_forms() -> None:
    nested = model("org/repo/x")
    assert match_model("org/repo/x", [A, nested]) is nested
    assert match_model("X", [A, nested]) is nested
    assert match_model("x.GGUF", [A, nested]) is nested
