"""Other kinds of files that people take for GGUF files, by their first bytes.

Pure. Owns what each of them is called, and what helps. None of them is damaged: a second download of the same file
brings the same file.
"""

from __future__ import annotations

import msgspec

_OF_A_PAGE = "Download the file itself: the page of a file on the hub has a download button."
_AS_GGUF = "Search the hub for the model's name followed by GGUF: most models are published in this format as well."
_UNPACK = "Unpack it; if there is a GGUF file inside, use that one."
_POINTER = "Download the file itself, such as with download_model; a clone without Git LFS or Xet has pointers only."


class Form(msgspec.Struct, frozen=True):
    """What a file is instead of a GGUF file, and what helps."""

    what: str
    hint: str


_FORMS: tuple[tuple[bytes, Form], ...] = (
    (b"version https://git-lfs", Form("it is a Git LFS pointer, not the model itself", _POINTER)),
    (b"# xet version", Form("it is a Xet pointer, not the model itself", _POINTER)),
    (b"<", Form("it seems to be a web page, not a model", _OF_A_PAGE)),
    (b'{"', Form("it is JSON, perhaps a server's error message", _OF_A_PAGE)),
    (b"Entry not found", Form("it is a server's error message", _OF_A_PAGE)),
    (b"Invalid username", Form("it is a server's error message", "The model needs a token: set HF_TOKEN.")),
    (b"Access to model", Form("it is a server's error message", "The model needs a token: set HF_TOKEN.")),
    (b"PK\x03\x04", Form("it is a ZIP archive or a PyTorch model", _AS_GGUF)),
    (b"\x80\x02", Form("it is a Python pickle, such as an old PyTorch model", _AS_GGUF)),
    (b"\x80\x03", Form("it is a Python pickle, such as an old PyTorch model", _AS_GGUF)),
    (b"\x80\x04", Form("it is a Python pickle, such as an old PyTorch model", _AS_GGUF)),
    (b"\x89HDF", Form("it is an HDF5 file, such as a Keras model", _AS_GGUF)),
    (b"\x93NUMPY", Form("it is a NumPy array", _AS_GGUF)),
    (b"lmgg", Form("it is in llama.cpp's format of before GGUF (2023), which whisper.cpp still uses", _AS_GGUF)),
    (b"fmgg", Form("it is in llama.cpp's format of before GGUF (2023)", _AS_GGUF)),
    (b"tjgg", Form("it is in llama.cpp's format of before GGUF (2023)", _AS_GGUF)),
    (b"algg", Form("it is a LoRA adapter in llama.cpp's format of before GGUF (2023)", _AS_GGUF)),
    (b"FUGG", Form("it was written for big-endian machines", "Get another conversion of the model.")),
    (b"\x1f\x8b", Form("it is compressed with gzip", _UNPACK)),
    (b"BZh", Form("it is compressed with bzip2", _UNPACK)),
    (b"\xfd7zXZ", Form("it is compressed with xz", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Form("it is compressed with zstd", _UNPACK)),
    (b"7z\xbc\xaf", Form("it is a 7-Zip archive", _UNPACK)),
    (b"Rar!", Form("it is a RAR archive", _UNPACK)),
    (b"%PDF", Form("it is a PDF document", _OF_A_PAGE)),
    (b"\x7fELF", Form("it is a program", _OF_A_PAGE)),
    (b"MZ", Form("it is a program", _OF_A_PAGE)),
    (b"---\n", Form("it is text, perhaps a model card", _OF_A_PAGE)),
)

_SAFETENSORS_HEAD = 8
"""A safetensors file begins with the length of its JSON header, in 8 bytes."""

SHOWN_BYTES = 64
"""Bytes of a file's start that are enough to recognise every form."""


def form_of(start: bytes) -> Form | None:
    """What a file that does not begin like a GGUF file is; `None` if that is not known."""
    for sign, form in _FORMS:
        if start.startswith(sign[: len(start)]):
            return form
    if start[_SAFETENSORS_HEAD : _SAFETENSORS_HEAD + 1] == b"{":
        return Form("it is a safetensors file, the format of other programs", _AS_GGUF)
    return None
