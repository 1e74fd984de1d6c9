"""The meaning of a GGUF file's name, before the file is opened.

Pure. Owns these rules: the suffix, the names of a split model's parts, how projectors are named and which models they
belong to, how a quantization is written in a name, and which names are those of files that are no models. Knows no
folders and no headers: on the disk, a header decides what a file is (`model_kind`); on the hub, only the name is known.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from sidecar.contract.models import ModelKind

SUFFIX = ".gguf"

PROJECTOR = "mmproj"
"""The mark of projectors, in their file names and in the header's general.type."""

PROJECTOR_PREFERRED = ("F16", "BF16", "F32", "Q8_0")
"""The precisions of projectors, best choice first: F16 has no measurable loss and half the size of F32."""

MAX_PARTS = 999
"""The most files of a split model that are read. The largest on the hub have some 150."""

MIN_COMMON_NAME = 4
"""Letters that the names of a model and its projector must share at least; fewer match by chance."""

_SPLIT = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})", re.ASCII)

_QUANTIZATION = re.compile(
    r"(?:^|[-_. :])(?:UD-)?(I?Q\d_(?:K(?:_(?:XS|S|M|L|XL))?|XXS|XS|S|M|NL|0|1)|TQ[12]_0|BF16|F16|F32|NVFP4|"
    r"MXFP4(?:_MOE)?)(?=$|[-_. ])",
    re.IGNORECASE,
)


_WORD, _END = r"(?:^|[-_. /])", r"(?=$|[-_. /\d])"
_PATTERNS: tuple[tuple[ModelKind, str], ...] = (
    ("projector", rf"{PROJECTOR}|{_WORD}mm[-_]?projector{_END}"),
    # A model that was quantized with one may say so, before its quantization.
    ("imatrix", rf"imatrix(?!.*{_WORD}(?:UD-)?I?Q\d_)"),
    ("control_vector", r"control[-_ ]?vector"),
    # A model into which an adapter was merged is a model.
    ("adapter", rf"^(?!.*merged).*{_WORD}(?:q?lora|dora|adapter)s?{_END}"),
    # "X-MTP-Q4_K_M" is a model with its further layers inside, "mtp-Q4_K_M" are the layers alone; Eagle 7B is a
    # model, EAGLE a head.
    ("draft", rf"(?:^|/)mtp(?:[-_./]|$)|{_WORD}(?:draft(?:er|s)?|dflash|medusa|eagle[-_]?[23]){_END}"),
    ("draft", rf"{_WORD}eagle(?=$|[-_. /])(?![-_ ]?\d+(?:\.\d+)?b)"),
    ("vocabulary", rf"ggml-vocab|{_WORD}vocab(?:[-_]only)?{_END}"),
    ("text_encoder", rf"{_WORD}(?:u?mt5|t5)[-_]?xxl|{_WORD}clip[-_][lgh]{_END}|{_WORD}text[-_]?encoders?{_END}"),
    ("diffusion", rf"{_WORD}(?:vae|unet|taesd\w*){_END}"),
    ("speech", rf"{_WORD}(?:wavtokenizer|vocoder){_END}"),
)
"""Names, and folders, of files that are no models that run alone. The first that matches counts."""

_NO_MODEL = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _PATTERNS)


class Split(msgspec.Struct, frozen=True):
    """One file of a split model: the model's name, which part it is (from 1), and of how many."""

    stem: str
    number: int
    count: int


def is_gguf(name: str) -> bool:
    """Whether this is the name of a GGUF file."""
    return name.lower().endswith(SUFFIX) and len(name) > len(SUFFIX)


def stem_of(name: str) -> str:
    """A file's name without `.gguf`; an upper-case suffix stays, since llama.cpp rejects split files with it."""
    return name.removesuffix(SUFFIX)


def split_of(stem: str) -> Split | None:
    """The part that a name without suffix stands for; `None` if it is that of a whole model."""
    if stem[-9:-5] == "-of-" and (found := _SPLIT.fullmatch(stem)):
        number, count = int(found["number"]), int(found["count"])
        if 1 <= number <= count:
            return Split(found["stem"], number, count)
    return None


def part_name(stem: str, number: int, count: int) -> str:
    """The file name of a part; with a count of 0, of the whole model."""
    return f"{stem}-{number:05d}-of-{count:05d}{SUFFIX}" if count else f"{stem}{SUFFIX}"


def all_parts(path: Path) -> list[Path]:
    """The files of a model, from one of them, in order, at most MAX_PARTS; their existence is not checked."""
    split = split_of(stem_of(path.name))
    if split is None:
        return [path]
    return [path.with_name(part_name(split.stem, n, split.count)) for n in range(1, min(split.count, MAX_PARTS) + 1)]


def quantization_in(name: str) -> str | None:
    """The quantization that a file's name ends with or mentions last, such as Q4_K_M."""
    names = _QUANTIZATION.findall(stem_of(name))
    return names[-1].upper() if names else None


def without_quantization(name: str) -> str:
    """A model's name without its quantization, which is the same for all quantizations of the model."""
    return _QUANTIZATION.sub("", name)


def no_model_in(path: str) -> ModelKind | None:
    """What a file is by its path in a repository, if that is the path of no model; `None` for a model."""
    stem = stem_of(path)
    return next((kind for kind, pattern in _NO_MODEL if pattern.search(stem)), None)


def is_projector(name: str) -> bool:
    """Whether this is the name of a projector."""
    return PROJECTOR in name.lower()


def base_of(stem: str) -> str:
    """The name that the quantizations of one model, and its projector, have in common."""
    return re.sub(r"[\W_]+", "", without_quantization(stem).lower().replace(PROJECTOR, ""))


def projector_fits(projector_stem: str, base: str, *, only_model: bool) -> bool:
    """Whether a projector belongs to a model. A wrong one would prevent the model's start.

    Args:
        projector_stem: the projector's name without suffix.
        base: `base_of` the model's name.
        only_model: there is no other model in the folder.
    """
    other = base_of(projector_stem)
    if min(len(base), len(other)) >= MIN_COMMON_NAME and (other in base or base in other):
        return True
    return only_model and is_generic_projector(projector_stem)


def is_generic_projector(projector_stem: str) -> bool:
    """Whether a projector's name names no model, as "mmproj-F16" and "mmproj-model-f16"."""
    return base_of(projector_stem) in ("", "model")


def projector_rank(projector_name: str, model_stem: str) -> tuple[int, int, str]:
    """Sort key for the projectors of a model: by similarity of the names, then by PROJECTOR_PREFERRED, then by name."""
    words, others = (
        set(re.split(r"[-_. ]+", without_quantization(name).lower())) - {""} for name in (projector_name, model_stem)
    )
    kind = quantization_in(projector_name)
    precision = PROJECTOR_PREFERRED.index(kind) if kind in PROJECTOR_PREFERRED else len(PROJECTOR_PREFERRED)
    return -len(words & others), precision, projector_name
