"""GGUF headers, read in pure Python from files that nobody vouches for.

Owns the format: its layout, its bounds, what its keys and numbers mean. Reads the header through a small window, never
the weights, and answers any file whatsoever with a header or with ModelInvalid. Knows nothing of libraries or engines.

A file is: magic, version, counts; then the metadata (key, type, value); then the tensor infos (name, dims, type,
offset); then, aligned, the tensors' data. See https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from io import FileIO
from math import prod
from pathlib import Path
from struct import Struct
from struct import error as StructError  # noqa: N812 - `struct.error` says too little at its uses
from typing import Any, NoReturn

import msgspec

from sidecar.contract.errors import ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied
from sidecar.contract.models import ModelInspection

MAX_HEADER_BYTES = 128 * 1024 * 1024
"""The largest known headers (vocabularies of 262,144 tokens) have 16 MB. Bounds the time, too: 2 s of the worst."""
MAX_KEYS = 4096
"""Models have 20 to 80."""
MAX_KEY_BYTES = 256
"""Keys are dotted words of up to 60 letters; with MAX_KEYS this bounds what they can take to 1 MiB."""
MAX_KEPT_TEXT_BYTES = 2 * 1024 * 1024
"""Of all texts together: what inspect_model sends has to fit a line. Chat templates have up to 100 KB; of a text that
goes past this only the length is told."""
MAX_KEPT_ELEMENTS = 64
"""Longer arrays are token lists and the like: only type and length are told."""
MAX_ARRAY_LENGTH = 16 * 1024 * 1024
"""The longest known (merges of a tokenizer) has about 515,000 elements."""
MAX_TENSORS = 65_536
"""Models with hundreds of experts have some thousands."""
MAX_TENSOR_NAME_BYTES = 1024
"""llama.cpp takes 63; builds of it exist that take more."""
MAX_DIMS = 4
"""GGML_MAX_DIMS."""
MAX_TENSOR_TYPE = 1023
"""Types past the known ones are taken, since new ones come every year; numbers past this are damage."""
MAX_COUNT = 2**63 - 1
"""ggml counts in int64, and JSON writers stop there, too."""
FIRST_READ_BYTES = 16 * 1024
"""Holds everything up to the vocabulary, which is all that a quick reading wants."""
NEXT_READ_BYTES = 1024 * 1024
"""Few calls, little memory."""
QUICK_STOP_LENGTH = 1024
"""A quick reading ends at the first list of texts longer than this: it takes 0.1 µs an element to step over one."""
DEFAULT_ALIGNMENT = 32

_SCALARS = {
    number: (name, Struct("<" + code))
    for number, name, code in (
        (0, "uint8", "B"), (1, "int8", "b"), (2, "uint16", "H"), (3, "int16", "h"), (4, "uint32", "I"),
        (5, "int32", "i"), (6, "float32", "f"), (7, "bool", "?"), (10, "uint64", "Q"), (11, "int64", "q"),
        (12, "float64", "d"),
    )
}  # fmt: skip
_UINT32, _STRING, _ARRAY = 4, 8, 9

# name, elements of a block, bytes of a block (gguf-py's GGML_QUANT_SIZES; the numbers left out were removed)
_TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip

# llama.h's llama_ftype, under the names that files are published with
_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
    40: "Q1_0", 41: "Q2_0",
}  # fmt: skip
_GUESSED_FILE_TYPE = 1024  # a flag in the number: the type was not in the file that this one was made from

_QUANTIZATION_IN_NAME = re.compile(
    r"(?:^|[-_. ])(?:UD-)?(I?Q\d_(?:K(?:_(?:XS|S|M|L|XL))?|XXS|XS|S|M|NL|0|1)|TQ[12]_0|BF16|F16|F32|NVFP4|"
    r"MXFP4(?:_MOE)?)(?=$|[-_. ])",
    re.IGNORECASE,
)

# What people put in a model's place, by its first bytes
_FOREIGN = (
    (b"version https://git-lfs", "it is a Git LFS pointer, not the model itself"),
    (b"<", "it looks like a web page, not a model"),
    (b"PK\x03\x04", "it is a ZIP archive or a PyTorch model, not a GGUF file"),
    (b"lmgg", "it is in llama.cpp's format of before GGUF (2023)"),
    (b"fmgg", "it is in llama.cpp's format of before GGUF (2023)"),
    (b"tjgg", "it is in llama.cpp's format of before GGUF (2023)"),
)

_U32 = Struct("<I")
_U64 = Struct("<Q")
_ARRAY_HEAD = Struct("<IQ")
_FILE_HEAD = Struct("<4sIQQ")
_TENSOR_TAILS = [Struct("<" + "Q" * dims + "IQ") for dims in range(MAX_DIMS + 1)]


class TensorInfo(msgspec.Struct, frozen=True, gc=False):
    """One tensor. `offset` counts from the start of the data; `size_bytes` is null for a type not known here."""

    name: str
    dims: tuple[int, ...]
    type: str
    offset: int
    size_bytes: int | None

    @property
    def elements(self) -> int:
        """How many weights it has."""
        return prod(self.dims)


class GgufHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header.

    Attributes:
        metadata: every key; long arrays as {"array": type, "length": n}, long texts as {"text_bytes": n}.
        complete: false where a quick reading ended before the tensors: `tensors` is empty then, keys may be missing,
            and it is not known whether the file is cut short.
    """

    version: int
    tensor_count: int
    metadata: dict[str, Any]
    tensors: tuple[TensorInfo, ...]
    file_bytes: int
    complete: bool

    @property
    def parameters(self) -> int | None:
        """Number of weights in this file; null where neither its tensors nor its metadata tell."""
        return sum(tensor.elements for tensor in self.tensors) or self.count("general.parameter_count") or None

    def text(self, key: str) -> str | None:
        """The value of a key, if it is text and not empty."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None

    def count(self, key: str) -> int | None:
        """The value of a key, if it is a number from 0 on; of one with a number a layer, the largest."""
        value = self.metadata.get(key)
        numbers = value if isinstance(value, list) else [value]
        counts = [n for n in numbers if type(n) is int and 0 <= n <= MAX_COUNT]
        return max(counts) if counts and len(counts) == len(numbers) else None

    @property
    def architecture(self) -> str | None:
        """Such as llama or qwen3; `clip` for a projector."""
        return self.text("general.architecture")

    def quantization(self, file_name: str) -> str | None:
        """Such as Q4_K_M: as the file says, else by its tensors, else by its name."""
        file_type = self.count("general.file_type")
        if file_type is not None and (name := _FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
            return name
        weights: dict[str, int] = {}
        for tensor in self.tensors:
            weights[tensor.type] = weights.get(tensor.type, 0) + tensor.elements
        if weights:
            return max(weights, key=weights.__getitem__)
        names = _QUANTIZATION_IN_NAME.findall(file_name.removesuffix(".gguf"))
        return names[-1].upper() if names else None


def without_quantization(name: str) -> str:
    """A model's name without the part that says how it is quantized, which its other quantizations share."""
    return _QUANTIZATION_IN_NAME.sub("", name)


def inspect(path: Path) -> ModelInspection:
    """What a GGUF file says of itself.

    Raises:
        ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary file that may be read.
        ModelInvalid: it is damaged or no GGUF file.
    """
    header = read_header(path)
    architecture = header.architecture
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    heads = header.count(f"{architecture}.attention.head_count")
    kv_heads = header.count(f"{architecture}.attention.head_count_kv")
    return ModelInspection(
        path=str(path),
        size_bytes=header.file_bytes,
        gguf_version=header.version,
        tensor_count=header.tensor_count,
        name=header.text("general.name"),
        architecture=architecture,
        quantization=header.quantization(path.name),
        parameters=header.parameters,
        context_length=header.count(f"{architecture}.context_length"),
        layers=header.count(f"{architecture}.block_count"),
        embedding_length=header.count(f"{architecture}.embedding_length"),
        heads=heads,
        kv_heads=heads if kv_heads is None else kv_heads,  # the format's default: no grouped-query attention
        experts=header.count(f"{architecture}.expert_count"),
        vocabulary=_length(tokens) or header.count(f"{architecture}.vocab_size"),
        chat_template=header.text("tokenizer.chat_template"),
        licence=header.text("general.license"),
        metadata=header.metadata,
    )


def read_header(path: Path, *, full: bool = True) -> GgufHeader:
    """The header of a GGUF file, little-endian, of version 2 or 3.

    With `full=False` the reading ends at the vocabulary where the main facts come before it, as they do in all files
    that llama.cpp's tools write: 0.1 ms in place of 10 to 60.

    Raises:
        ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary file that may be read.
        ModelInvalid: it is damaged or no GGUF file; the message says what is wrong with it.
    """
    try:
        with FileIO(path, opener=_open_without_waiting) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise PathNotAllowed(f"{path} is not an ordinary file.")
            return _read(_Window(file, info.st_size), full=full)
    except _Damaged as damage:
        raise ModelInvalid(f"{path.name} can not be used: {damage}.", hint=damage.hint) from None
    except FileNotFoundError:
        raise ModelNotFound(f"There is no file {path}.") from None
    except IsADirectoryError:
        raise PathNotAllowed(f"{path} is a folder.") from None
    except PermissionError:
        raise PermissionDenied(f"{path} may not be read.") from None
    except OSError as error:
        raise ModelInvalid(
            f"{path.name} can not be read: {error.strerror}.", hint="Check the disk that the file is on."
        ) from error


class _Damaged(Exception):
    """What is wrong with the file, as the second half of a sentence."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


def _open_without_waiting(path: str, flags: int) -> int:
    # A pipe under a model's name would else hold the open until somebody writes to it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class _Window:
    """A file seen through a window of a few bytes that moves forward. All bounds on places are held here."""

    def __init__(self, file: FileIO, file_bytes: int) -> None:
        self._file = file
        self.file_bytes = file_bytes
        self._limit = min(file_bytes, MAX_HEADER_BYTES)
        self._base = 0
        self.buffer = b""
        self.position = 0
        """In `buffer`; it may lie past its end after a skip."""

    def tell(self) -> int:
        return self._base + self.position

    def ends_early(self) -> NoReturn:
        if self._limit < self.file_bytes:
            raise _Damaged(f"its header is longer than {MAX_HEADER_BYTES:,} bytes, which no known model's is")
        raise _Damaged(f"the file is cut short: the header does not end within its {self.file_bytes:,} bytes")

    def room_for(self, count: int) -> None:
        """Refuse what would end past the header's bound or the file's end."""
        if self.tell() + count > self._limit:
            self.ends_early()

    def take(self, count: int) -> bytes:
        """The next bytes."""
        end = self.position + count
        if end > len(self.buffer):
            self.room_for(count)
            self.move(count)
            end = count
        data = self.buffer[self.position : end]
        self.position = end
        return data

    def number(self, form: Struct) -> Any:
        """The next number."""
        return form.unpack(self.take(form.size))[0]

    def move(self, count: int) -> None:
        """Let the window start here, and hold `count` bytes at least."""
        start = self.tell()
        wanted = min(max(count, NEXT_READ_BYTES if start else FIRST_READ_BYTES), self._limit - start)
        parts: list[bytes] = []
        got = 0
        self._file.seek(start)
        while got < wanted and (part := self._file.read(wanted - got)):
            parts.append(part)
            got += len(part)
        if got < count:  # the file has shrunk since its size was taken
            self.ends_early()
        self._base, self.position, self.buffer = start, 0, b"".join(parts)

    def skip(self, count: int) -> None:
        self.room_for(count)
        self.position += count

    def skip_texts(self, count: int) -> None:
        """Step over texts, each a length and so many bytes."""
        self.room_for(count * 8)
        length_at = _U64.unpack_from
        while count:
            self.room_for(8)
            if self.position + 8 > len(self.buffer):
                self.move(8)
            buffer, position, done = self.buffer, self.position, 0
            try:
                for done in range(count):  # noqa: B007 - counts those before the one that lies past the window
                    position += length_at(buffer, position)[0] + 8
            except (StructError, OverflowError):
                count -= done
            else:
                count = 0
            self.position = position
        self.room_for(0)


def _read(window: _Window, *, full: bool) -> GgufHeader:
    if window.file_bytes < _FILE_HEAD.size:
        _check_magic(window.take(min(window.file_bytes, 4)))
        raise _Damaged(f"the file is cut short: {window.file_bytes} of at least {_FILE_HEAD.size} bytes")
    head = window.take(_FILE_HEAD.size)
    magic, version, tensor_count, key_count = _FILE_HEAD.unpack(head)
    _check_magic(magic if magic == b"GGUF" else head)
    _check_version(version)
    if key_count > MAX_KEYS:
        raise _Damaged(f"it claims {key_count:,} metadata keys; at most {MAX_KEYS:,} are read")
    if tensor_count > MAX_TENSORS:
        raise _Damaged(f"it claims {tensor_count:,} tensors; at most {MAX_TENSORS:,} are read")
    metadata, complete = _Metadata(window).read(key_count, full=full)
    tensors = _read_tensors(window, tensor_count, _alignment(metadata)) if complete else ()
    header = GgufHeader(
        version=version,
        tensor_count=tensor_count,
        metadata=metadata,
        tensors=tensors,
        file_bytes=window.file_bytes,
        complete=complete,
    )
    if (header.parameters or 0) > MAX_COUNT:
        raise _Damaged("its tensors together are impossibly large")
    return header


def _check_magic(start: bytes) -> None:
    if b"GGUF".startswith(start[:4]) and start:
        return
    if not start:
        raise _Damaged("the file is empty")
    for sign, meaning in _FOREIGN:
        if start.startswith(sign[: len(start)]):
            raise _Damaged(meaning)
    raise _Damaged(f"it is not a GGUF file: it starts with {start[:4]!r}")


def _check_version(version: int) -> None:
    another = "Get another conversion of the model."
    if version and version & 0xFFFF == 0:
        raise _Damaged("it was written for big-endian machines, which are not supported", another)
    if version == 1:
        raise _Damaged("it is of GGUF version 1 (2023), which llama.cpp reads no longer", another)
    if version not in (2, 3):
        raise _Damaged(f"it is of GGUF version {version:,}; versions 2 and 3 are supported", another)


class _Metadata:
    """Reads keys and values, and counts the text that it keeps."""

    def __init__(self, window: _Window) -> None:
        self._window = window
        self._text_left = MAX_KEPT_TEXT_BYTES

    def read(self, count: int, *, full: bool) -> tuple[dict[str, Any], bool]:
        """The metadata, and whether all of it was read."""
        window = self._window
        metadata: dict[str, Any] = {}
        for _ in range(count):
            key = _name(window, MAX_KEY_BYTES, "metadata key")
            if key in metadata:
                raise _Damaged(f"the metadata key {_shown(key)} occurs twice")
            kind = window.number(_U32)
            if kind != _ARRAY:
                metadata[key] = self._value(key, kind)
                continue
            kind, length = _ARRAY_HEAD.unpack(window.take(_ARRAY_HEAD.size))
            if not full and kind == _STRING and length > QUICK_STOP_LENGTH and _has_main_facts(metadata):
                return metadata, False
            metadata[key] = self._array(key, kind, length)
        return metadata, True

    def _value(self, key: str, kind: int) -> Any:
        if kind in _SCALARS:
            return self._window.number(_SCALARS[kind][1])
        if kind != _STRING:
            raise _Damaged(f"the value of {_shown(key)} is of unknown type {kind}")
        length = self._window.number(_U64)
        if length > self._text_left:
            self._window.skip(length)
            return {"text_bytes": length}
        self._text_left -= length
        return _decoded(self._window.take(length), f"the value of {_shown(key)}")

    def _array(self, key: str, kind: int, length: int) -> Any:
        if kind == _ARRAY:
            # llama.cpp refuses them as well, so no model that runs has one.
            raise _Damaged(f"the value of {_shown(key)} is an array of arrays")
        if kind != _STRING and kind not in _SCALARS:
            raise _Damaged(f"the elements of {_shown(key)} are of unknown type {kind}")
        if length > MAX_ARRAY_LENGTH:
            raise _Damaged(f"{_shown(key)} claims {length:,} elements; at most {MAX_ARRAY_LENGTH:,} are read")
        if length <= MAX_KEPT_ELEMENTS:
            return [self._value(key, kind) for _ in range(length)]
        if kind == _STRING:
            self._window.skip_texts(length)
            return {"array": "string", "length": length}
        name, form = _SCALARS[kind]
        self._window.skip(form.size * length)
        return {"array": name, "length": length}


def _has_main_facts(metadata: dict[str, Any]) -> bool:
    return f"{metadata.get('general.architecture')}.context_length" in metadata


def _alignment(metadata: dict[str, Any]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise _Damaged(f"its alignment is {_shown(alignment)}, not a power of two")
    return alignment


def _read_tensors(window: _Window, count: int, alignment: int) -> tuple[TensorInfo, ...]:
    tensors: list[TensorInfo] = []
    names: set[str] = set()
    end = 0
    for _ in range(count):
        name = _name(window, MAX_TENSOR_NAME_BYTES, "tensor name")
        if name in names:
            raise _Damaged(f"the tensor {_shown(name)} occurs twice")
        names.add(name)
        dim_count = window.number(_U32)
        if dim_count > MAX_DIMS:
            raise _Damaged(
                f"the tensor {_shown(name)} claims {dim_count:,} dimensions; at most {MAX_DIMS} are possible"
            )
        form = _TENSOR_TAILS[dim_count]
        *dims, kind, offset = form.unpack(window.take(form.size))
        tensor = _tensor(name, dims, kind, offset)
        # llama.cpp wants the tensors in the order of their data and without gaps.
        if offset % alignment:
            raise _Damaged(f"the data of tensor {_shown(name)} is not aligned to {alignment} bytes")
        if offset < end:
            raise _Damaged(f"the data of tensor {_shown(name)} overlaps the tensor before it")
        end = offset + (tensor.size_bytes or 0)
        tensors.append(tensor)
    if count:
        needed = -(-window.tell() // alignment) * alignment + end
        if needed > window.file_bytes:
            raise _Damaged(f"the file is cut short: {window.file_bytes:,} of {needed:,} bytes")
    return tuple(tensors)


def _tensor(name: str, dims: Sequence[int], kind: int, offset: int) -> TensorInfo:
    elements = prod(dims)
    if elements > MAX_COUNT or max(dims, default=0) > MAX_COUNT:
        raise _Damaged(f"the tensor {_shown(name)} is impossibly large")
    if kind not in _TENSOR_TYPES:
        if kind > MAX_TENSOR_TYPE:
            raise _Damaged(f"the tensor {_shown(name)} is of unknown type {kind}")
        return TensorInfo(name, tuple(dims), f"type {kind}", offset, None)
    type_name, block, block_bytes = _TENSOR_TYPES[kind]
    if block > 1 and (not dims or dims[0] % block):
        raise _Damaged(f"a row of tensor {_shown(name)} is not made of whole blocks of {type_name}")
    return TensorInfo(name, tuple(dims), type_name, offset, elements // block * block_bytes)


def _name(window: _Window, limit: int, what: str) -> str:
    length = window.number(_U64)
    if not 0 < length <= limit:
        raise _Damaged(f"a {what} claims {length:,} bytes; 1 to {limit:,} are possible")
    return _decoded(window.take(length), f"a {what}")


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _Damaged(f"{what} is not UTF-8") from None


def _length(value: object) -> int | None:
    if isinstance(value, dict):
        return value.get("length")
    return len(value) if isinstance(value, list) else None


def _shown(value: object) -> str:
    """A value from the file for a message: quoted, short."""
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"
