"""Which models a repository's files make up, and which of them is taken."""

from __future__ import annotations

import pytest

from sidecar.contract.errors import ModelNotFound
from sidecar.library.hub.variants import (
    RepositoryFile,
    choose,
    default_of,
    fit,
    local_names,
    projector_for,
    projectors,
    variants,
)


def files(*paths: str, size: int | None = 10) -> list[RepositoryFile]:
    return [RepositoryFile(path, size) for path in paths]


PLAIN = files("m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "README.md", "imatrix_m.gguf", ".gguf")
SPLIT = files(
    *(f"Q6_K/m-Q6_K-0000{n}-of-00003.gguf" for n in (2, 3, 1)), "m-BF16-00001-of-00002.gguf", "mmproj-F16.gguf"
)


def test_models_are_listed_whole_and_what_is_none_is_left_out() -> None:
    found = variants([*PLAIN, *SPLIT])
    assert {one.name: (one.quantization, len(one.files)) for one in found} == {
        "m-Q2_K": ("Q2_K", 1),
        "m-Q4_K_M": ("Q4_K_M", 1),
        "m-Q8_0": ("Q8_0", 1),
        "m-Q6_K-00001-of-00003": ("Q6_K", 3),
    }
    split = next(one for one in found if len(one.files) == 3)
    assert [file.name[-19:-14] for file in split.files] == ["00001", "00002", "00003"]
    assert split.size == 30


def test_the_smallest_comes_first_and_unknown_sizes_last() -> None:
    found = variants([RepositoryFile("a.gguf", 3), RepositoryFile("b.gguf", None), RepositoryFile("c.gguf", 1)])
    assert [(one.name, one.size) for one in found] == [("c", 1), ("a", 3), ("b", None)]


@pytest.mark.parametrize(
    ("paths", "taken"),
    [
        (["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf"], "m-Q4_K_M"),
        (["m-Q2_K.gguf", "m-Q8_0.gguf", "m-Q5_K_S.gguf"], "m-Q5_K_S"),
        (["m-UD-Q4_K_XL.gguf", "m-Q4_0.gguf"], "m-UD-Q4_K_XL"),
        (["m-F16.gguf"], "m-F16"),
        (["strange.gguf", "m-mxfp4.gguf"], "m-mxfp4"),
        (["b.gguf", "a.gguf"], "a"),
    ],
)
def test_with_nothing_named_four_bits_are_taken_or_what_is_nearest(paths: list[str], taken: str) -> None:
    found = variants(files(*paths))
    assert choose(found).name == taken
    assert default_of(found) == choose(found)


@pytest.mark.parametrize(
    ("tag", "taken"),
    [("Q8_0", "m-Q8_0"), ("q8_0", "m-Q8_0"), ("Q6_K", "m-Q6_K-00001-of-00003"), ("Q4_K_M", "m-Q4_K_M")],
)
def test_a_quantisation_chooses_its_model(tag: str, taken: str) -> None:
    assert choose(variants([*PLAIN, *SPLIT]), tag=tag).name == taken


def test_a_quantisation_is_a_whole_word() -> None:
    with pytest.raises(ModelNotFound) as refused:
        choose(variants(PLAIN), tag="Q4_K")
    assert "Q2_K, Q4_K_M, Q8_0" in refused.value.message


@pytest.mark.parametrize("file", ["Q6_K/m-Q6_K-00002-of-00003.gguf", "m-Q6_K-00001-of-00003.gguf"])
def test_any_file_of_a_split_model_chooses_all_of_it(file: str) -> None:
    assert len(choose(variants(SPLIT), file=file).files) == 3


def test_a_repository_without_models_says_where_to_look() -> None:
    with pytest.raises(ModelNotFound) as refused:
        choose(variants(files("model.safetensors")))
    assert "GGUF" in refused.value.hint
    assert default_of([]) is None


def test_the_projector_is_the_one_of_the_model_and_then_the_most_exact() -> None:
    found = projectors(files("mmproj-F32.gguf", "mmproj-BF16.gguf", "mmproj-F16.gguf", "m-Q4_0.gguf"))
    model = choose(variants(PLAIN))
    assert [file.name for file in found] == ["mmproj-BF16.gguf", "mmproj-F16.gguf", "mmproj-F32.gguf"]
    assert projector_for(model, found) == RepositoryFile("mmproj-F16.gguf", 10)
    two = projectors(files("big-7B-mmproj-F16.gguf", "small-3B-mmproj-F32.gguf"))
    assert projector_for(choose(variants(files("small-3B-Q4_0.gguf"))), two) == two[1]
    assert projector_for(model, []) is None


def test_files_lie_side_by_side_unless_two_have_one_name() -> None:
    repository = files("Q4/m.gguf", "Q8/m.gguf", "Q8/n.gguf")
    assert local_names(repository, repository) == ["Q4/m.gguf", "Q8/m.gguf", "n.gguf"]


@pytest.mark.parametrize(
    ("size", "where"),
    [(None, None), (1_000_000, "gpu"), (5_000_000_000, "gpu"), (10_000_000_000, "memory"), (29_500_000_000, "no")],
)
def test_what_fits_is_told_by_size_against_what_is_free(size: int | None, where: str | None) -> None:
    assert fit(size, free_memory=32_000_000_000, free_gpu_memory=[4_000_000_000, 4_000_000_000]) == where
