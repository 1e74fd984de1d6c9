"""Reads GGUF headers in pure Python, from files of unknown origin.

Owns the format: its layout and its bounds. Reads the header through a small window, never the weights, and every file
yields either a header or ModelInvalid. `header` owns the meaning of the keys.

A file is: magic, version, counts; then the metadata (key, type, value); then the tensor infos (name, dims, type,
offset); then, aligned, the tensors' data. See https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod
from pathlib import Path
from struct import Struct

from sidecar.contract.errors import ModelInvalid, ModelNotFound, PathNotAllowed, PermissionDenied
from sidecar.host import file_io
from sidecar.library.gguf.foreign_forms import form_of
from sidecar.library.gguf.header import MAX_COUNT, GgufHeader, TensorInfo
from sidecar.library.gguf.values import (
    MAX_KEYS,
    Damaged,
    Metadata,
    NotGguf,
    Window,
    WrongForm,
    alignment_of,
    shown,
)

MAGIC = b"GGUF"

MAX_TENSORS = 65_536
"""The most tensors; models with hundreds of experts have some thousands."""
MAX_TENSOR_NAME_BYTES = 1024
"""The longest name; llama.cpp accepts 63, some builds more."""
MAX_DIMS = 4
"""GGML_MAX_DIMS."""
MAX_TENSOR_TYPE = 1023
"""The largest number of a type: unknown types are accepted, since new ones are added every year; beyond this, the file
is damaged."""

_U32 = Struct("<I")
_FILE_HEAD = Struct("<4sIQQ")
_TENSOR_TAILS = [Struct("<" + "Q" * dims + "IQ") for dims in range(MAX_DIMS + 1)]

# name, elements of a block, bytes of a block (gguf-py's GGML_QUANT_SIZES; the numbers left out were removed)
TENSOR_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18), 42: ("Q2_0", 64, 18),
}  # fmt: skip


def read_header(path: Path, *, full: bool = True) -> GgufHeader:
    """The header of a GGUF file, little-endian, of version 2 or 3.

    With `full=False` reading ends at the vocabulary if the main facts come before it, as in all files written by
    llama.cpp's tools: 0.1 ms instead of 10 to 60.

    Raises:
        ModelNotFound, PathNotAllowed, PermissionDenied: there is no ordinary, readable file.
        ModelInvalid: it is damaged or not a GGUF file; the message says why.
    """
    try:
        with file_io.open_ordinary(path) as file:
            return _read(Window(file, os.fstat(file.fileno()).st_size), full=full)
    except Damaged as damage:
        raise ModelInvalid(_sentence(path.name, damage), hint=damage.hint, reason=damage.reason) from None
    except FileNotFoundError:
        raise ModelNotFound(f"There is no file {path}.") from None
    except file_io.NotOrdinary:
        raise PathNotAllowed(f"{path} is {'a folder' if path.is_dir() else 'not an ordinary file'}.") from None
    except PermissionError:
        raise PermissionDenied(f"{path} cannot be read: access is denied.") from None
    except OSError as error:
        raise ModelInvalid(
            f"{path.name} cannot be read: {error.strerror}.",
            hint="Check the disk that the file is on, and try again.",
            reason="unreadable",
        ) from error


def _sentence(name: str, damage: Damaged) -> str:
    problem = str(damage)
    colon = ":" if isinstance(damage, NotGguf) and problem else ""
    return f"{name} {damage.verb}{colon} {problem}".rstrip() + "."


def _read(window: Window, *, full: bool) -> GgufHeader:
    if window.file_bytes < _FILE_HEAD.size:
        _check_magic(window.take(window.file_bytes))
        raise Damaged(f"the file is cut short: {window.file_bytes} of at least {_FILE_HEAD.size} bytes")
    head = window.take(_FILE_HEAD.size)
    magic, version, tensor_count, key_count = _FILE_HEAD.unpack(head)
    _check_magic(magic if magic == MAGIC else head)
    _check_version(version)
    if key_count > MAX_KEYS:
        raise Damaged(f"it claims {key_count:,} metadata keys; at most {MAX_KEYS:,} are read")
    if tensor_count > MAX_TENSORS:
        raise Damaged(f"it claims {tensor_count:,} tensors; at most {MAX_TENSORS:,} are read")
    metadata, complete = Metadata(window).read(key_count, full=full)
    tensors, end = _read_tensors(window, tensor_count, alignment_of(metadata)) if complete else ((), 0)
    header = GgufHeader(
        version=version,
        tensor_count=tensor_count,
        metadata=metadata,
        tensors=tensors,
        file_bytes=window.file_bytes,
        complete=complete,
        followed=bool(end) and any(window.holds(MAGIC, at) for at in {end, _aligned(end, alignment_of(metadata))}),
    )
    if (header.parameters or 0) > MAX_COUNT:
        raise Damaged("its tensors together are impossibly large")
    return header


def _check_magic(start: bytes) -> None:
    if MAGIC.startswith(start[:4]) and start:
        return
    if not start:
        raise Damaged("the file is empty")
    if not any(start):
        raise Damaged("it begins with zeros, as an unfinished download does")
    form = form_of(start)
    raise NotGguf(form.what, form.hint) if form else NotGguf("", "Give the path of a GGUF file.")


def _check_version(version: int) -> None:
    another = "Get another conversion of the model."
    if version and version & 0xFFFF == 0:
        raise WrongForm("it was written for big-endian machines, which are not supported", another)
    if version == 1:
        raise WrongForm("it is of GGUF version 1 (2023), which llama.cpp no longer reads", another)
    if version not in (2, 3):
        newer = "Update llama-sidecar and llama.cpp, or get another conversion of the model."
        raise WrongForm(
            f"it is of GGUF version {version:,}; versions 2 and 3 are supported", newer if version > 3 else another
        )


def _read_tensors(window: Window, count: int, alignment: int) -> tuple[tuple[TensorInfo, ...], int]:
    """The tensors, and where the data of the last one ends in the file."""
    tensors: list[TensorInfo] = []
    names: set[str] = set()
    end = 0
    for _ in range(count):
        name = window.name(MAX_TENSOR_NAME_BYTES, "tensor name")
        if name in names:
            raise Damaged(f"the tensor {shown(name)} occurs twice")
        names.add(name)
        dim_count = window.number(_U32)
        if dim_count > MAX_DIMS:
            raise Damaged(f"the tensor {shown(name)} claims {dim_count:,} dimensions; at most {MAX_DIMS} are possible")
        form = _TENSOR_TAILS[dim_count]
        *dims, kind, offset = form.unpack(window.take(form.size))
        tensor = _tensor(name, dims, kind, offset)
        # llama.cpp requires the tensors in the order of their data and without gaps.
        if offset % alignment:
            raise Damaged(f"the data of tensor {shown(name)} is not aligned to {alignment} bytes")
        if offset < end:
            raise Damaged(f"the data of tensor {shown(name)} overlaps the tensor before it")
        end = offset + (tensor.size_bytes or 0)
        tensors.append(tensor)
    if not count:
        return (), 0
    needed = _aligned(window.offset(), alignment) + end
    if needed > window.file_bytes:
        raise Damaged(f"the file is cut short: {window.file_bytes:,} of {needed:,} bytes")
    return tuple(tensors), needed


def _aligned(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _tensor(name: str, dims: Sequence[int], kind: int, offset: int) -> TensorInfo:
    elements = prod(dims)
    if elements > MAX_COUNT or max(dims, default=0) > MAX_COUNT:
        raise Damaged(f"the tensor {shown(name)} is impossibly large")
    if kind not in TENSOR_TYPES:
        if kind > MAX_TENSOR_TYPE:
            raise Damaged(f"the tensor {shown(name)} is of unknown type {kind}")
        return TensorInfo(name, tuple(dims), f"type {kind}", offset, None)
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    if block > 1 and (not dims or dims[0] % block):
        raise Damaged(f"a row of tensor {shown(name)} is not made of whole blocks of {type_name}")
    return TensorInfo(name, tuple(dims), type_name, offset, elements // block * block_bytes)
