"""Whether a projector fits a model: by the length of the vectors it makes, and by the models it is made for.

Pure. Owns both rules. llama.cpp compares the widths when it loads both, and refuses a pair that differs (tools/mtmd,
"mismatch between text model and mmproj"); a projector of another family of the same width loads, and its model sees
noise. Widths are written by convert_hf_to_gguf.py as clip.vision.projection_dim; older scripts wrote there the width of
CLIP's own projection, and marked the file with a clip.has_…_projector.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from sidecar.library.gguf.header import GgufHeader, TensorInfo

_WIDTHS = ("clip.vision.projection_dim", "clip.audio.projection_dim", "clip.projection_dim")
_TYPES = ("clip.projector_type", "clip.vision.projector_type", "clip.audio.projector_type")
_OLD_MARK = re.compile(r"clip\.has_\w+_(?:projector|merger)")
_LAST_LAYER = re.compile(r"mm\.(\d{1,2})\.weight")

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gemma3": ("gemma3",),
        "gemma3nv": ("gemma3n",),
        "gemma3na": ("gemma3n",),
        "gemma4v": ("gemma4",),
        "gemma4a": ("gemma4",),
        "qwen2vl_merger": ("qwen2vl",),
        "qwen2.5vl_merger": ("qwen2vl",),
        "qwen2.5o": ("qwen2vl",),
        "qwen3vl_merger": ("qwen3vl", "qwen35", "qwen3next"),
        "llama4": ("llama4",),
        "kimivl": ("deepseek2",),
        "cogvlm": ("cogvlm",),
        "glm4v": ("glm4", "chatglm"),
        "lfm2": ("lfm2",),
    }
)
"""Beginnings of the architectures that a type of projector is made for (tools/mtmd/clip-impl.h, and the converter's
classes). Types that serve any model, such as mlp, are left out."""


class Output(msgspec.Struct, frozen=True, array_like=True):
    """What a projector makes.

    Attributes:
        widths: the possible lengths of its vectors; none if the header does not say.
        type: its type, such as mlp or gemma3.
    """

    widths: tuple[int, ...]
    type: str | None


def output_of(header: GgufHeader) -> Output:
    """What the projector with this header makes."""
    said = {width for key in _WIDTHS if (width := header.count(key))}
    if not said or any(_OLD_MARK.fullmatch(key) for key in header.metadata):
        said |= _last_widths(header.tensors)
    return Output(tuple(sorted(said)), next((text for key in _TYPES if (text := header.text(key))), None))


def mismatch(output: Output | None, *, width: int | None, architecture: str | None) -> str | None:
    """Why a projector does not fit a model, as the second half of a sentence; `None` if it may fit.

    Args:
        output: of the projector; `None` if it is not known.
        width: the model's embedding_length.
        architecture: the model's.
    """
    if output is None:
        return None
    if (differs := width_mismatch(output, width=width)) is not None:
        return differs
    families = FAMILIES.get(output.type or "")
    if families and architecture and not architecture.startswith(families):
        return f"it is made for models of the kind {families[0]}, and this one is {architecture}"
    return None


def width_mismatch(output: Output, *, width: int | None) -> str | None:
    """The same for the widths alone, which an engine compares itself."""
    if not output.widths or not width or width in output.widths:
        return None
    makes = " or ".join(f"{one:,}" for one in output.widths)
    return f"its vectors have {makes} numbers, and the model's {width:,}"


def _last_widths(tensors: tuple[TensorInfo, ...]) -> set[int]:
    """The rows of the last layer of a plain projector."""
    layers = {int(found[1]): tensor for tensor in tensors if (found := _LAST_LAYER.fullmatch(tensor.name))}
    if not layers:
        return set()
    last = layers[max(layers)]
    return {last.dims[1]} if len(last.dims) > 1 else set()
