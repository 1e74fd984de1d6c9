"""GGUF headers: what is read from sound files, and what is said of unsound ones."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from sidecar.contract.errors import ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied
from sidecar.contract.models import InspectModelResult
from sidecar.host.file_io import NotOrdinary
from sidecar.library.gguf import reader, values
from sidecar.library.gguf.file_names import without_quantization
from sidecar.library.gguf.header import TensorInfo
from sidecar.library.gguf.reader import read_header
from sidecar.library.inspection import inspect

from .gguf_files import (
    ARRAY,
    BOOL,
    F16,
    F32,
    FLOAT32,
    FLOAT64,
    INT8,
    INT16,
    INT32,
    INT64,
    LLAMA_PARAMETERS,
    LLAMA_TENSORS,
    Q4_K,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Raw,
    Tensor,
    Value,
    gguf_bytes,
    llama_metadata,
    model_bytes,
    text,
    write_model,
)

Put = Callable[[bytes], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Writes bytes into a file named tiny.gguf."""

    def write(data: bytes) -> Path:
        path = tmp_path / "tiny.gguf"
        path.write_bytes(data)
        return path

    return write


def problem_of(path: Path, *, full: bool = True) -> str:
    """What is said of a file that cannot be used."""
    with pytest.raises(ModelInvalid) as raised:
        read_header(path, full=full)
    assert raised.value.hint
    message = raised.value.message
    start = f"{path.name} cannot be used: "
    assert message.startswith((start, f"{path.name} is not a GGUF file"))
    return message.removeprefix(start).removeprefix(f"{path.name} ")


# --- what sound files say ---


def test_an_inspection_tells_what_the_file_says_of_itself(put: Put) -> None:
    path = put(model_bytes())
    assert inspect(path) == InspectModelResult(
        path=str(path),
        size_bytes=path.stat().st_size,
        gguf_version=3,
        tensor_count=2,
        name="Tiny",
        architecture="llama",
        quantization="Q4_K_M",
        parameters=LLAMA_PARAMETERS,
        context_length=2048,
        layers=2,
        embedding_length=64,
        heads=4,
        kv_heads=2,
        experts=None,
        vocabulary=4,
        chat_template="{{ messages }}",
        licence="apache-2.0",
        metadata=llama_metadata(),
        kind="chat",
    )


def test_values_of_every_type_come_back_as_they_were_written(put: Put) -> None:
    written: dict[str, Any] = {
        "a.uint8": Value(UINT8, 255),
        "a.int8": Value(INT8, -128),
        "a.uint16": Value(UINT16, 65535),
        "a.int16": Value(INT16, -32768),
        "a.uint32": Value(UINT32, 2**32 - 1),
        "a.int32": Value(INT32, -(2**31)),
        "a.float32": Value(FLOAT32, 0.5),
        "a.bool": Value(BOOL, True),
        "a.string": Value(STRING, "ž 語 \0"),
        "a.uint64": Value(UINT64, 2**64 - 1),
        "a.int64": Value(INT64, -(2**63)),
        "a.float64": Value(FLOAT64, 0.1),
        "a.strings": Value(ARRAY, ["x", ""], item_kind=STRING),
        "a.numbers": Value(ARRAY, [1, 2, 3], item_kind=INT16),
        "a.nothing": Value(ARRAY, [], item_kind=STRING),
    }
    metadata = read_header(put(gguf_bytes(written))).metadata
    assert metadata == {key: value.value for key, value in written.items()}


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_in_use_are_read(put: Put, version: int, full: bool) -> None:
    header = read_header(put(gguf_bytes(llama_metadata(), LLAMA_TENSORS, version=version)), full=full)
    assert (header.version, header.complete, header.parameters) == (version, True, LLAMA_PARAMETERS)


def test_tensors_are_told_with_dims_type_place_and_size(put: Put) -> None:
    tensors = [Tensor("a", (256, 2), Q4_K), Tensor("b", (3,), F32), Tensor("c", (), F16), Tensor("d", (7, 2), 999)]
    assert read_header(put(gguf_bytes({}, tensors))).tensors == (
        TensorInfo("a", (256, 2), "Q4_K", 0, 288),
        TensorInfo("b", (3,), "F32", 288, 12),
        TensorInfo("c", (), "F16", 320, 2),
        TensorInfo("d", (7, 2), "type 999", 352, None),
    )


def test_long_arrays_are_told_by_type_and_length_only(put: Put) -> None:
    lists = {
        "t.tokens": ["token"] * 200_000,
        "t.scores": [0.0] * 65,
        "t.short": [1] * 64,
        "general.name": "after them",
    }
    assert read_header(put(gguf_bytes(lists))).metadata == {
        "t.tokens": {"array": "string", "length": 200_000},
        "t.scores": {"array": "float32", "length": 65},
        "t.short": [1] * 64,
        "general.name": "after them",
    }


def test_texts_longer_than_the_window_are_stepped_over_in_arrays(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "FIRST_READ_BYTES", 16)
    monkeypatch.setattr(values, "NEXT_READ_BYTES", 16)
    texts = ["x" * (n % 50) for n in range(300)]
    metadata = {"t.tokens": texts, "general.name": "after them"}
    assert read_header(put(gguf_bytes(metadata, LLAMA_TENSORS))).metadata == {
        "t.tokens": {"array": "string", "length": 300},
        "general.name": "after them",
    }


def test_texts_past_what_is_kept_are_told_by_their_length(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_KEPT_TEXT_BYTES", 10)
    metadata = {"a.first": "1234567", "a.second": "1234", "a.third": "123", "a.list": ["", "1"]}
    assert read_header(put(gguf_bytes(metadata))).metadata == {
        "a.first": "1234567",
        "a.second": {"text_bytes": 4},
        "a.third": "123",
        "a.list": ["", {"text_bytes": 1}],
    }


def test_any_inspection_can_be_sent_to_a_host(put: Put) -> None:
    extremes = llama_metadata(
        a__nan=Value(FLOAT64, float("nan")), a__huge=Value(UINT64, 2**64 - 1), a__nul="\0\u2028\U0010ffff"
    )
    sent = msgspec.json.decode(msgspec.json.encode(inspect(put(gguf_bytes(extremes)))))
    assert sent["metadata"]["a.nan"] is None
    assert sent["metadata"]["a.huge"] == 2**64 - 1


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"llama__attention__head_count": [4, 8, 2]}, {"heads": 8}),
        ({"llama__attention__head_count_kv": None}, {"kv_heads": 4}),
        ({"llama__attention__head_count_kv": [0, 2]}, {"kv_heads": 2}),
        ({"llama__expert_count": 8}, {"experts": 8}),
        ({"tokenizer__ggml__tokens": None, "llama__vocab_size": 32000}, {"vocabulary": 32000}),
        ({"tokenizer__ggml__tokens": ["t"] * 1000}, {"vocabulary": 1000}),
        ({"general__name": 5, "llama__context_length": "long"}, {"name": None, "context_length": None}),
        (
            {"llama__context_length": Value(INT32, -1), "llama__block_count": True},
            {"context_length": None, "layers": None},
        ),
        ({"general__architecture": None}, {"architecture": None, "context_length": None}),
    ],
)
def test_facts_are_taken_only_where_they_make_sense(
    put: Put, changes: dict[str, Any], facts: dict[str, object]
) -> None:
    inspection = inspect(put(model_bytes(**changes)))
    assert {name: getattr(inspection, name) for name in facts} == facts


@pytest.mark.parametrize(
    ("file_type", "tensors", "name", "quantization"),
    [
        (15, LLAMA_TENSORS, "x-Q8_0.gguf", "Q4_K_M"),
        (7 | 1024, LLAMA_TENSORS, "x.gguf", "Q8_0"),
        (38, (), "x.gguf", "MXFP4_MOE"),
        (4, LLAMA_TENSORS, "x-Q8_0.gguf", "Q4_K"),
        (None, (Tensor("a", (64,), F32), Tensor("b", (64, 9), F16)), "x.gguf", "F16"),
        (None, (), "Model-7B-UD-IQ2_XXS.gguf", "IQ2_XXS"),
        (None, (), "model.q5_k_m.gguf", "Q5_K_M"),
        (None, (), "Q8_0-converted-to-Q4_0.gguf", "Q4_0"),
        (None, (), "no-clue-Q9.gguf", None),
    ],
)
def test_quantization_comes_from_the_file_then_its_tensors_then_its_name(
    put: Put, file_type: int | None, tensors: tuple[Tensor, ...], name: str, quantization: str | None
) -> None:
    header = read_header(put(gguf_bytes(llama_metadata(general__file_type=file_type), tensors)))
    assert header.quantization(name) == quantization


@pytest.mark.parametrize("name", ["Qwen3-8B-Q4_K_M", "Qwen3-8B-UD-Q4_K_XL", "Qwen3-8B.f16", "Qwen3-8B"])
def test_quantizations_of_one_model_share_a_name(name: str) -> None:
    assert without_quantization(name) == "Qwen3-8B"


def test_a_file_without_tensors_has_the_number_of_weights_that_its_metadata_tell(put: Put) -> None:
    assert read_header(put(gguf_bytes({}))).parameters is None
    assert read_header(put(gguf_bytes({"general.parameter_count": Value(UINT64, 7)}))).parameters == 7


def test_another_alignment_is_heeded(put: Put) -> None:
    metadata = llama_metadata(general__alignment=4096)
    data = gguf_bytes(metadata, LLAMA_TENSORS, alignment=4096)
    assert read_header(put(data)).tensors[1].offset == 4096
    assert problem_of(put(data[:8192])) == "the file is cut short: 8,192 of 8,448 bytes."


# --- quick readings ---


def test_a_quick_reading_ends_at_the_vocabulary(put: Put) -> None:
    facts = llama_metadata(tokenizer__ggml__tokens=None, tokenizer__chat_template=None)
    metadata = {**facts, "tokenizer.ggml.tokens": ["t"] * 2000, "general.late": 7}
    path = put(gguf_bytes(metadata, LLAMA_TENSORS))
    quick = read_header(path, full=False)
    assert (quick.metadata, quick.tensors, quick.parameters) == (facts, (), None)
    assert (quick.complete, quick.tensor_count) == (False, 2)
    assert read_header(path).complete


def test_a_quick_reading_goes_on_where_the_main_facts_come_late(put: Put) -> None:
    metadata = {"tokenizer.ggml.tokens": ["t"] * 2000, **llama_metadata(tokenizer__ggml__tokens=None)}
    header = read_header(put(gguf_bytes(metadata, LLAMA_TENSORS)), full=False)
    assert (header.complete, header.count("llama.context_length")) == (True, 2048)


# --- what unsound files are told ---


GOOD = model_bytes()
ONE_KEY = {"a.key": 1}

BROKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "the file is empty."),
    "one byte": (b"G", "the file is cut short: 1 of at least 24 bytes."),
    "the magic alone": (b"GGUF", "the file is cut short: 4 of at least 24 bytes."),
    "four other bytes": (b"abcd", "is not a GGUF file."),
    "half of the counts": (GOOD[:20], "the file is cut short: 20 of at least 24 bytes."),
    "only the counts": (GOOD[:24], "the file is cut short: the header does not end within its 24 bytes."),
    "half of the metadata": (GOOD[:200], "the file is cut short: the header does not end within its 200 bytes."),
    "all but one byte": (
        GOOD[:-1],
        "the file is cut short: 1,503 of 1,504 bytes.",
    ),
    "safetensors": (
        b"\x40\x00\x00\x00\x00\x00\x00\x00{" * 9,
        "is not a GGUF file: it is a safetensors file, the format of other programs.",
    ),
    "a pointer": (
        b"version https://git-lfs.github.com/spec/v1\n",
        "is not a GGUF file: it is a Git LFS pointer, not the model itself.",
    ),
    "a page": (b"<!DOCTYPE html><html></html>", "is not a GGUF file: it seems to be a web page, not a model."),
    "an old model": (b"tjgg" * 9, "is not a GGUF file: it is in llama.cpp's format of before GGUF (2023)."),
    "version 0": (gguf_bytes({}, version=0), "it is of GGUF version 0; versions 2 and 3 are supported."),
    "version 1": (
        gguf_bytes({}, version=1),
        "it is of GGUF version 1 (2023), which llama.cpp no longer reads.",
    ),
    "version 4": (gguf_bytes({}, version=4), "it is of GGUF version 4; versions 2 and 3 are supported."),
    "big-endian": (
        b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "it was written for big-endian machines, which are not supported.",
    ),
    "2^63 keys": (
        gguf_bytes({}, key_count=2**63),
        "it claims 9,223,372,036,854,775,808 metadata keys; at most 4,096 are read.",
    ),
    "2^63 tensors": (
        gguf_bytes({}, tensor_count=2**63),
        "it claims 9,223,372,036,854,775,808 tensors; at most 65,536 are read.",
    ),
    "one key too many": (
        gguf_bytes(ONE_KEY, key_count=2),
        f"the file is cut short: the header does not end within its {len(gguf_bytes(ONE_KEY))} bytes.",
    ),
    "a key twice": (gguf_bytes([("a", 1), ("a", 2)]), "the metadata key 'a' occurs twice."),
    "a key of no length": (gguf_bytes({"": 1}), "a metadata key claims 0 bytes; 1 to 256 are possible."),
    "a long key": (gguf_bytes({"k" * 257: 1}), "a metadata key claims 257 bytes; 1 to 256 are possible."),
    "a key that is not text": (gguf_bytes([(b"\xff", 1)]), "a metadata key is not UTF-8."),
    "a value that is not text": (gguf_bytes({"a": b"\xed\xa0\x80"}), "the value of 'a' is not UTF-8."),
    "a text of 2^64-1 bytes": (
        gguf_bytes({"a": Raw(struct.pack("<I", STRING) + text("", 2**64 - 1))}),
        "the file is cut short: the header does not end within its 45 bytes.",
    ),
    "an unknown type": (gguf_bytes({"a": Raw(struct.pack("<I", 13))}), "the value of 'a' is of unknown type 13."),
    "an unknown element type": (
        gguf_bytes({"a": Raw(struct.pack("<IIQ", ARRAY, 99, 1))}),
        "the elements of 'a' are of unknown type 99.",
    ),
    "arrays of arrays": (
        gguf_bytes({"a": Raw(struct.pack("<IIQ", ARRAY, ARRAY, 1) * 1000)}),
        "the value of 'a' is an array of arrays.",
    ),
    "an endless array": (
        gguf_bytes({"a": Raw(struct.pack("<IIQ", ARRAY, UINT8, 2**63))}),
        "'a' claims 9,223,372,036,854,775,808 elements; at most 16,777,216 are read.",
    ),
    "an array past the end": (
        gguf_bytes({"a": Raw(struct.pack("<IIQ", ARRAY, STRING, 65) + text("x") * 64)}),
        "the file is cut short: the header does not end within its 625 bytes.",
    ),
    "an endless text in an array": (
        gguf_bytes({"a": Raw(struct.pack("<IIQ", ARRAY, STRING, 65) + text("", 2**64 - 1) + text("x") * 64)}),
        "the file is cut short: the header does not end within its 633 bytes.",
    ),
    "alignment 0": (gguf_bytes({"general.alignment": 0}), "its alignment is 0, not a power of two."),
    "alignment 24": (gguf_bytes({"general.alignment": 24}), "its alignment is 24, not a power of two."),
    "alignment true": (gguf_bytes({"general.alignment": True}), "its alignment is True, not a power of two."),
    "a vast alignment": (
        gguf_bytes({"general.alignment": 2**31}, [Tensor("t")], alignment=64),
        "the file is cut short: 640 of 2,147,484,160 bytes.",
    ),
    "a tensor twice": (gguf_bytes({}, [Tensor("t"), Tensor("t")]), "the tensor 't' occurs twice."),
    "a tensor without a name": (gguf_bytes({}, [Tensor("")]), "a tensor name claims 0 bytes; 1 to 1,024 are possible."),
    "a tensor name that is not text": (gguf_bytes({}, [Tensor(b"\xfe")]), "a tensor name is not UTF-8."),
    "five dimensions": (
        gguf_bytes({}, [Tensor("t", (1, 1, 1, 1, 1))]),
        "the tensor 't' claims 5 dimensions; at most 4 are possible.",
    ),
    "2^32-1 dimensions": (
        gguf_bytes({}, [Tensor("t", dim_count=2**32 - 1)]),
        "the tensor 't' claims 4,294,967,295 dimensions; at most 4 are possible.",
    ),
    "a negative dimension": (
        gguf_bytes({}, [Tensor("t", (0, 2**63))]),
        "the tensor 't' is impossibly large.",
    ),
    "dimensions that overflow": (
        gguf_bytes({}, [Tensor("t", (2**32, 2**32))], data=b""),
        "the tensor 't' is impossibly large.",
    ),
    "tensors that overflow together": (
        gguf_bytes({}, [Tensor(name, (2**62, 1), 999) for name in "abc"]),
        "its tensors together are impossibly large.",
    ),
    "an unknown tensor type": (
        gguf_bytes({}, [Tensor("t", kind=2**31)]),
        "the tensor 't' is of unknown type 2147483648.",
    ),
    "half a block": (
        gguf_bytes({}, [Tensor("t", (100, 2), Q4_K)]),
        "a row of tensor 't' is not made of whole blocks of Q4_K.",
    ),
    "blocks of no dimension": (
        gguf_bytes({}, [Tensor("t", (), Q4_K)]),
        "a row of tensor 't' is not made of whole blocks of Q4_K.",
    ),
    "tensors that overlap": (
        gguf_bytes({}, [Tensor("a"), Tensor("b", offset=32)]),
        "the data of tensor 'b' overlaps the tensor before it.",
    ),
    "a tensor off the grid": (
        gguf_bytes({}, [Tensor("a", offset=33)]),
        "the data of tensor 'a' is not aligned to 32 bytes.",
    ),
    "a tensor far out": (
        gguf_bytes({}, [Tensor("a", offset=2**64 - 32)], data=bytes(512)),
        "the file is cut short: 608 of 18,446,744,073,709,552,192 bytes.",
    ),
    "a tensor of unknown type far out": (
        gguf_bytes({}, [Tensor("a", kind=999, offset=1024)], data=bytes(512)),
        "the file is cut short: 608 of 1,120 bytes.",
    ),
}


@pytest.mark.parametrize(("data", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_damaged_file_is_refused_with_what_is_wrong_with_it(put: Put, data: bytes, problem: str) -> None:
    assert problem_of(put(data)) == problem


def test_a_header_longer_than_any_known_one_is_refused(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_HEADER_BYTES", 600)
    expected = "its header is longer than 600 bytes, more than that of any known model."
    for value in (["t"] * 70, [1] * 200, "text" * 200):
        assert problem_of(put(gguf_bytes({"a": value}))) == expected


def test_names_from_the_file_do_not_flood_the_message(put: Put) -> None:
    problem = problem_of(put(gguf_bytes([("\n" * 200, 1), ("\n" * 200, 1)])))
    assert "\n" not in problem
    assert len(problem) < 130


def test_a_file_that_shrinks_while_it_is_read_is_cut_short(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(model_bytes())
    size = path.stat().st_size
    monkeypatch.setattr(values, "FIRST_READ_BYTES", 24)
    check = reader._check_version

    def check_and_shrink(version: int) -> None:
        check(version)
        os.truncate(path, 100)

    monkeypatch.setattr(reader, "_check_version", check_and_shrink)
    assert problem_of(path) == f"the file is cut short: the header does not end within its {size:,} bytes."


# --- what is no file to read ---


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        read_header(tmp_path / "gone.gguf")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(PathNotAllowed):
        read_header(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(PathNotAllowed):
        read_header(tmp_path / "pipe.gguf")


def test_a_device_is_refused() -> None:
    with pytest.raises(PathNotAllowed):
        read_header(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (PermissionError(13, "Permission denied"), PermissionDenied),
        (OSError(5, "Input/output error"), ModelInvalid),
    ],
)
def test_failures_of_the_system_are_told_as_what_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: OSError, error: type[Exception]
) -> None:
    path = write_model(tmp_path / "tiny.gguf")

    def fail(path: Path) -> FileIO:
        raise failure

    monkeypatch.setattr(reader, "file_io", SimpleNamespace(open_ordinary=fail, NotOrdinary=NotOrdinary))
    with pytest.raises(error):
        read_header(path)
