"""The library: which files are models, what they are called, and how they are found again."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from sidecar.contract.errors import ModelNotFound
from sidecar.contract.models import ModelInfo
from sidecar.library import catalogue, header_cache
from sidecar.library.gguf.header import GgufHeader
from sidecar.library.gguf.reader import read_header
from sidecar.library.header_cache import HeaderCache
from sidecar.library.library import Library
from sidecar.library.scan import disk_scan
from sidecar.library.scan.model_files import MAX_DEPTH
from sidecar.library.scan.sources import Sources
from tests.config_files import models_config
from tests.processes.programs import WAIT_SECONDS

from .gguf_files import LLAMA_PARAMETERS, LLAMA_TENSORS, gguf_bytes, llama_metadata, write_model


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The sidecar's own folder."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A folder of the config."""
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


@pytest.fixture
def library(own: Path, other: Path) -> Library:
    return Library(Sources(own, models_config(other)))


def names(library: Library) -> list[str]:
    return [model.name for model in library.list()]


def projectors(library: Library) -> dict[str, str | None]:
    return {model.name: model.mmproj_path and Path(model.mmproj_path).name for model in library.list()}


# --- what is listed ---


def test_a_model_is_listed_with_what_its_header_says(library: Library, own: Path) -> None:
    path = write_model(own / "Tiny-1B-Q4_K_M.gguf")
    assert library.list() == [
        ModelInfo(
            name="Tiny-1B-Q4_K_M",
            path=str(path),
            size_bytes=path.stat().st_size,
            files=1,
            modified_at=path.stat().st_mtime_ns / 1e9,
            origin="own",
            mmproj_path=None,
            valid=True,
            problem=None,
            architecture="llama",
            quantization="Q4_K_M",
            parameters=LLAMA_PARAMETERS,
            context_length=2048,
            display_name="Tiny",
            capabilities=["chat"],
            kind="chat",
        )
    ]


def test_a_damaged_file_is_listed_with_its_problem(library: Library, own: Path) -> None:
    (own / "half.gguf").write_bytes(write_model(own / "whole.gguf").read_bytes()[:700])
    (own / "empty.gguf").touch()
    assert {model.name: (model.valid, model.problem) for model in library.list()} == {
        "empty": (False, "empty.gguf cannot be used: the file is empty."),
        "half": (False, "half.gguf cannot be used: the file is cut short: 700 of 1,504 bytes."),
        "whole": (True, None),
    }


def test_models_of_all_folders_are_listed_by_name(library: Library, own: Path, other: Path) -> None:
    write_model(own / "b.gguf")
    write_model(own / "deep" / "er" / "C.gguf")
    write_model(other / "A.GGUF")
    assert [(model.name, model.origin) for model in library.list()] == [
        ("A.GGUF", "folder"),
        ("b", "own"),
        ("C", "own"),
    ]


def test_the_folders_of_the_config_are_asked_for_each_time(own: Path, other: Path) -> None:
    config = models_config()
    library = Library(Sources(own, config))
    write_model(other / "a.gguf")
    assert names(library) == []
    config.config.models.folders.append(str(other))
    assert names(library) == ["a"]


def test_a_folder_in_the_home_folder_may_be_named(own: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(other.parent))
    write_model(other / "a.gguf")
    assert names(Library(Sources(own, models_config("~nobody-of-this-name", f"~/{other.name}")))) == ["a"]


@pytest.mark.parametrize(
    "name",
    ["a.gguf.part", "a.gguf.tmp", "a.gguf.incomplete", "a.part", ".a.gguf", ".cache/a.gguf", "a.gguf.txt", "gguf"],
)
def test_hidden_and_unfinished_files_are_not_listed(library: Library, own: Path, name: str) -> None:
    write_model(own / name)
    assert names(library) == []


def test_files_that_are_no_files_are_not_listed(library: Library, own: Path) -> None:
    (own / "folder.gguf").mkdir()
    os.mkfifo(own / "pipe.gguf")
    (own / "broken.gguf").symlink_to(own / "gone.gguf")
    assert names(library) == []


def test_names_that_are_not_text_are_not_listed(library: Library, own: Path) -> None:
    write_model(own / os.fsdecode(b"\xff.gguf"))
    write_model(own / os.fsdecode(b"\xfe") / "a.gguf")
    assert names(library) == []


@pytest.mark.parametrize("folder", ["relative", "/a\0b", "/" + "x" * 300, "/dev/null"])
def test_what_can_be_no_folder_holds_no_models_and_hides_no_others(own: Path, folder: str) -> None:
    write_model(own / "a.gguf")
    assert names(Library(Sources(own, models_config(folder)))) == ["a"]


def test_missing_folders_hold_no_models(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert names(Library(Sources(tmp_path / "gone", models_config(tmp_path / "file", tmp_path / "gone" / "too")))) == []


def test_adapters_are_not_models(library: Library, own: Path) -> None:
    write_model(own / "lora.gguf", general__type="adapter")
    write_model(own / "importance.gguf", general__type="imatrix")
    assert names(library) == []


def test_folders_are_entered_to_a_bounded_depth(library: Library, own: Path) -> None:
    write_model(own.joinpath(*["d"] * MAX_DEPTH, "near.gguf"))
    write_model(own.joinpath(*["d"] * (MAX_DEPTH + 1), "far.gguf"))
    assert names(library) == ["near"]


def test_only_so_many_entries_are_looked_at(library: Library, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_scan, "MAX_ENTRIES", 5)
    for number in range(10):
        write_model(own / f"{number}.gguf")
    assert len(names(library)) == 5
    [source, _] = library.scan().sources
    assert source.problems == ["There are more than 5 entries; the rest is not listed."]


def test_paths_are_absolute_even_where_the_own_folder_is_not(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(own / "a.gguf")
    monkeypatch.chdir(tmp_path)
    assert [model.path for model in Library(Sources(Path("own"), models_config())).list()] == [str(path)]


# --- links ---


def test_links_in_a_circle_end(library: Library, own: Path) -> None:
    write_model(own / "folder" / "a.gguf")
    (own / "folder" / "again").symlink_to(own)
    assert names(library) == ["a"]


def test_a_file_is_listed_once_however_many_paths_lead_to_it(library: Library, own: Path, other: Path) -> None:
    path = write_model(own / "a.gguf")
    (own / "b.gguf").symlink_to(path)
    (other / "own-again").symlink_to(own)
    os.link(path, other / "c.gguf")
    assert [(model.name, model.origin) for model in library.list()] == [("a", "own")]


def test_a_download_cache_that_links_to_its_blobs_is_read(library: Library, other: Path) -> None:
    blob = write_model(other / "blobs" / "0123abcd")
    snapshot = other / "models--org--repo" / "snapshots" / "rev"
    snapshot.mkdir(parents=True)
    (snapshot / "Model-Q8_0.gguf").symlink_to(blob)
    assert names(library) == ["Model-Q8_0"]


def test_what_a_link_in_the_own_folder_leads_to_is_not_owned(library: Library, own: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "elsewhere" / "a.gguf")
    (own / "linked").symlink_to(tmp_path / "elsewhere")
    assert [(model.name, model.origin) for model in library.list()] == [("a", "folder")]


# --- split models ---


def write_split(folder: Path, stem: str, numbers: Sequence[int], count: int) -> None:
    """The parts of a model: the first one has the metadata and no tensors, as llama-gguf-split writes it."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        data = gguf_bytes(llama_metadata()) if number == 1 else gguf_bytes({"split.no": number}, LLAMA_TENSORS)
        (folder / f"{stem}-{number:05d}-of-{count:05d}.gguf").write_bytes(data)


def test_the_parts_of_a_split_model_are_one_model(library: Library, own: Path) -> None:
    write_split(own, "big-Q4_K_M", [1, 2, 3], 3)
    (model,) = library.list()
    assert (model.name, model.files, model.valid) == ("big-Q4_K_M", 3, True)
    assert model.path == str(own / "big-Q4_K_M-00001-of-00003.gguf")
    assert model.size_bytes == sum(file.stat().st_size for file in own.iterdir())
    assert (model.architecture, model.parameters) == ("llama", 2 * LLAMA_PARAMETERS)


@pytest.mark.parametrize(
    ("there", "problem"),
    [
        ([1, 3], "1 of its 3 files are missing: big-00002-of-00003.gguf."),
        ([2], "2 of its 3 files are missing: big-00001-of-00003.gguf, big-00003-of-00003.gguf."),
    ],
)
def test_a_split_model_with_missing_parts_is_damaged(
    library: Library, own: Path, there: list[int], problem: str
) -> None:
    write_split(own, "big", there, 3)
    (model,) = library.list()
    assert (model.name, model.valid, model.problem, model.parameters) == ("big", False, problem, None)


def test_a_split_model_with_a_damaged_part_is_damaged(library: Library, own: Path) -> None:
    write_split(own, "big", [1, 2], 2)
    (own / "big-00002-of-00002.gguf").write_bytes(b"GGUF")
    (model,) = library.list()
    assert model.problem == "big-00002-of-00002.gguf cannot be used: the file is cut short: 4 of at least 24 bytes."


def test_of_thousands_of_missing_parts_three_are_named(library: Library, own: Path) -> None:
    write_split(own, "big", [1], 99999)
    (model,) = library.list()
    assert model.problem is not None
    assert model.problem.endswith("big-00004-of-99999.gguf and 99995 more.")


def test_impossible_part_numbers_are_part_of_the_name(library: Library, own: Path) -> None:
    write_model(own / "a-00004-of-00003.gguf")
    write_model(own / "b-00000-of-00000.gguf")
    assert names(library) == ["a-00004-of-00003", "b-00000-of-00000"]


# --- projectors ---


def test_a_projector_goes_with_the_quantizations_of_its_model(library: Library, own: Path) -> None:
    write_model(own / "gemma-3-4b-it-Q4_K_M.gguf")
    write_model(own / "gemma-3-4b-it-Q8_0.gguf")
    write_model(own / "qwen3-8b-Q4_K_M.gguf")
    write_model(own / "mmproj-gemma-3-4b-it-BF16.gguf")
    write_model(own / "mmproj-gemma-3-4b-it-f16.gguf")
    assert projectors(library) == {
        "gemma-3-4b-it-Q4_K_M": "mmproj-gemma-3-4b-it-f16.gguf",
        "gemma-3-4b-it-Q8_0": "mmproj-gemma-3-4b-it-f16.gguf",
        "qwen3-8b-Q4_K_M": None,
    }


@pytest.mark.parametrize("name", ["mmproj-F16.gguf", "mmproj-model-f16.gguf", "MMPROJ.gguf"])
def test_a_projector_of_no_name_goes_with_the_only_model_beside_it(library: Library, own: Path, name: str) -> None:
    write_model(own / "one" / "a-Q4_K_M.gguf")
    write_model(own / "one" / "a-Q8_0.gguf")
    write_model(own / "one" / name)
    write_model(own / "two" / "b-Q4_0.gguf")
    write_model(own / "two" / "c-Q4_0.gguf")
    (own / "two" / name).write_bytes(b"another file of this name")
    assert projectors(library) == {"a-Q4_K_M": name, "a-Q8_0": name, "b-Q4_0": None, "c-Q4_0": None}


@pytest.mark.parametrize("sign", [{"general__type": "mmproj"}, {"general__architecture": "clip"}])
def test_a_projector_is_known_by_its_header_as_well(library: Library, own: Path, sign: dict[str, str]) -> None:
    write_model(own / "gemma-vision-f16.gguf", **sign)
    write_model(own / "gemma-vision-it-Q4_0.gguf")
    assert projectors(library) == {"gemma-vision-it-Q4_0": "gemma-vision-f16.gguf"}


# --- names ---


def test_models_of_one_file_name_are_told_apart_by_their_folders(library: Library, own: Path, other: Path) -> None:
    for folder in (own / "x", own / "y", other / "x"):
        write_model(folder / "model.gguf")
    write_model(own / "alone.gguf")
    assert names(library) == ["alone", "other/x/model", "own/x/model", "own/y/model"]


def test_a_model_that_is_there_whole_and_split_has_two_names(library: Library, own: Path) -> None:
    write_model(own / "big.gguf")
    write_split(own, "big", [1, 2], 2)
    assert names(library) == ["big", "big (2 parts)"]


# --- finding ---


@pytest.mark.parametrize("name", ["Tiny-Q4_0", "tiny-q4_0", "Tiny-Q4_0.gguf", "TINY-Q4_0.GGUF"])
def test_a_model_is_found_by_its_name_and_its_file_name_in_any_case(library: Library, own: Path, name: str) -> None:
    path = write_model(own / "Tiny-Q4_0.gguf")
    assert library.find(name).path == str(path)


def test_the_exact_name_wins_over_one_in_another_case(library: Library, own: Path) -> None:
    write_model(own / "Model.gguf")
    write_model(own / "model.gguf")
    assert library.find("model").path == str(own / "model.gguf")
    with pytest.raises(ModelNotFound, match="matches 2 models: Model, model"):
        library.find("MODEL")


def test_a_name_that_several_models_have_is_refused_with_the_names_to_choose_from(library: Library, own: Path) -> None:
    write_model(own / "x" / "model.gguf")
    write_model(own / "y" / "model.gguf")
    for name in ("model", "model.gguf"):
        with pytest.raises(ModelNotFound) as raised:
            library.find(name)
        assert raised.value.message == f'"{name}" matches 2 models: x/model, y/model.'
    assert library.find("y/model").path == str(own / "y" / "model.gguf")


def test_an_unknown_name_is_not_found_and_the_hint_says_what_there_is(library: Library, own: Path) -> None:
    with pytest.raises(ModelNotFound) as raised:
        library.find("nothing")
    assert "models folder" in raised.value.hint
    for letter in "abcdefg":
        write_model(own / f"{letter}.gguf")
    with pytest.raises(ModelNotFound) as raised:
        library.find("nothing")
    assert "a, b, c, d, e and 2 more" in raised.value.hint


def test_a_path_in_the_library_finds_the_model_it_is_part_of(library: Library, own: Path, tmp_path: Path) -> None:
    write_split(own, "big", [1, 2], 2)
    (tmp_path / "link.gguf").symlink_to(own / "big-00002-of-00002.gguf")
    for path in (own / "big-00001-of-00002.gguf", own / "big-00002-of-00002.gguf", tmp_path / "link.gguf"):
        model = library.find(str(path))
        assert (model.name, model.origin, model.files) == ("big", "own", 2)


def test_a_path_outside_of_the_library_is_described_with_its_neighbours(library: Library, tmp_path: Path) -> None:
    away = tmp_path / "away"
    write_split(away, "large", [1, 2], 2)
    write_model(away / "mmproj-large-f16.gguf")
    write_model(away / "unrelated.gguf")
    model = library.find(str(away / "large-00001-of-00002.gguf"))
    assert (model.name, model.origin, model.files) == ("large", "folder", 2)
    assert (model.mmproj_path, model.parameters) == (str(away / "mmproj-large-f16.gguf"), LLAMA_PARAMETERS)
    assert names(library) == []


def test_a_path_needs_no_suffix(library: Library, tmp_path: Path) -> None:
    blob = write_model(tmp_path / "blobs" / "sha256-0123")
    assert library.find(str(blob)).valid


def test_a_path_to_a_projector_is_not_a_model(library: Library, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="cannot run alone"):
        library.find(str(write_model(tmp_path / "away" / "mmproj-f16.gguf")))


def test_a_path_to_a_damaged_file_is_found_with_its_problem(library: Library, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"bad")
    assert library.find(str(tmp_path / "bad.gguf")).valid is False


@pytest.mark.parametrize("name", ["", "a\0b", "../../etc/passwd", "./a.gguf", "\ud800"])
def test_odd_names_are_simply_not_found(library: Library, name: str) -> None:
    with pytest.raises(ModelNotFound):
        library.find(name)


# --- what is remembered ---


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The headers read from now on: the file's name and whether to the end."""
    reads: list[tuple[str, bool]] = []

    def counting(path: Path, *, full: bool = True) -> GgufHeader:
        reads.append((path.name, full))
        return read_header(path, full=full)

    monkeypatch.setattr(header_cache, "read_header", counting)
    return reads


def test_a_header_is_read_again_only_where_its_file_has_changed(
    library: Library, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing, path = write_model(own / "a.gguf"), write_model(own / "b.gguf")
    reads = count_reads(monkeypatch)
    library.list()
    library.list()
    library.find("a")
    assert sorted(reads) == [("a.gguf", True), ("b.gguf", True)]
    write_model(changing, llama__context_length=512)
    os.utime(changing, ns=(1, 1))
    assert [model.context_length for model in library.list()] == [512, 2048]
    path.unlink()
    library.list()
    write_model(path)
    os.utime(path, ns=(2, 2))
    library.list()
    assert reads[2:] == [("a.gguf", True), ("b.gguf", True)]


@pytest.fixture
def large_vocabularies(own: Path) -> Callable[[int], None]:
    def write(count: int) -> None:
        for number in range(count):
            write_model(own / f"{number}-Q8_0.gguf", tokenizer__ggml__tokens=["token"] * 2000)

    return write


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets a listing have time to read only so many headers to their ends."""

    def let(count: int) -> None:
        times = iter([0.0] * count)
        monkeypatch.setattr(catalogue, "time", SimpleNamespace(monotonic=lambda: next(times, math.inf)))

    return let


@pytest.fixture
def headers(tmp_path: Path) -> Iterator[HeaderCache]:
    headers = HeaderCache(tmp_path / "headers.json")
    yield headers
    headers.close()


def test_a_listing_in_a_hurry_reports_the_rest_the_next_time(
    own: Path,
    headers: HeaderCache,
    large_vocabularies: Callable[[int], None],
    hurry: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(header_cache, "INDEX_DELAY_SECONDS", WAIT_SECONDS)
    large_vocabularies(3)
    library = Library(Sources(own, models_config()), headers)
    reads = count_reads(monkeypatch)
    hurry(1)
    assert [model.parameters for model in library.list()] == [LLAMA_PARAMETERS, None, None]
    assert all(model.valid and model.architecture == "llama" for model in library.list())
    hurry(3)
    assert [model.parameters for model in library.list()] == [LLAMA_PARAMETERS] * 3
    library.list()
    assert len(reads) == 5


def test_a_model_that_is_found_has_been_read_to_the_end(
    own: Path, headers: HeaderCache, large_vocabularies: Callable[[int], None], hurry: Callable[[int], None]
) -> None:
    large_vocabularies(2)
    library = Library(Sources(own, models_config()), headers)
    hurry(0)
    assert [model.parameters for model in library.list()] == [None, None]
    assert library.find("1-Q8_0").parameters == LLAMA_PARAMETERS


def test_what_a_listing_in_a_hurry_leaves_is_read_in_the_background_and_kept(
    own: Path,
    headers: HeaderCache,
    tmp_path: Path,
    large_vocabularies: Callable[[int], None],
    hurry: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(header_cache, "INDEX_DELAY_SECONDS", 0)
    large_vocabularies(3)
    library = Library(Sources(own, models_config()), headers)
    hurry(0)
    assert [model.parameters for model in library.list()] == [None] * 3
    assert headers.wait_until_indexed(WAIT_SECONDS)
    reads = count_reads(monkeypatch)
    assert [model.parameters for model in library.list()] == [LLAMA_PARAMETERS] * 3
    again = Library(Sources(own, models_config()), HeaderCache(tmp_path / "headers.json"))
    assert [model.parameters for model in again.list()] == [LLAMA_PARAMETERS] * 3
    assert reads == []


def test_a_file_that_changes_all_the_time_is_read_once_for_each_listing(
    own: Path,
    headers: HeaderCache,
    large_vocabularies: Callable[[int], None],
    hurry: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(header_cache, "INDEX_DELAY_SECONDS", 0)
    monkeypatch.setattr(HeaderCache, "is_complete", lambda *_: False)  # as of files that have changed by then
    large_vocabularies(2)
    library = Library(Sources(own, models_config()), headers)
    hurry(0)
    library.list()
    assert headers.wait_until_indexed(WAIT_SECONDS)


def test_nothing_is_read_in_the_background_after_the_end(
    own: Path, headers: HeaderCache, large_vocabularies: Callable[[int], None], hurry: Callable[[int], None]
) -> None:
    large_vocabularies(2)
    library = Library(Sources(own, models_config()), headers)
    headers.close()
    hurry(0)
    library.list()
    assert headers.wait_until_indexed(0)
    assert len(library.unread()) == 2
