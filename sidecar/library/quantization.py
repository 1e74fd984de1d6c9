"""How a model is quantized: the names that files are published with.

Pure. Owns the table of file types and how such a name is recognised in a file name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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


def quantization(file_type: int | None, weights_by_type: Mapping[str, int], file_name: str) -> str | None:
    """Such as Q4_K_M: as the file says, else the type most of its weights have, else by its name."""
    if file_type is not None and (name := _FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
        return name
    if weights_by_type:
        return max(weights_by_type, key=weights_by_type.__getitem__)
    names = _QUANTIZATION_IN_NAME.findall(file_name.removesuffix(".gguf"))
    return names[-1].upper() if names else None


def without_quantization(name: str) -> str:
    """A model's name without the part that says how it is quantized, which its other quantizations share."""
    return _QUANTIZATION_IN_NAME.sub("", name)
