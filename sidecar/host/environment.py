"""The environment of child processes: what is on the list, nothing else.

Owns the list. An engine gets no variable that it has no use for, so no token or key of the host's leaks into it, and
no inherited `LLAMA_…` variable changes what it does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

_NAMES = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "XDG_RUNTIME_DIR",
        "VIRTUAL_ENV",
        # Windows programs do not start without these.
        "SYSTEMROOT",
        "SYSTEMDRIVE",
        "WINDIR",
        "COMSPEC",
        "PATHEXT",
        "USERPROFILE",
        "APPDATA",
        "LOCALAPPDATA",
        "PROGRAMDATA",
        "PROGRAMFILES",
        "NUMBER_OF_PROCESSORS",
        "PROCESSOR_ARCHITECTURE",
    }
)

_PREFIXES = (
    "LC_",
    "GGML_",
    "CUDA_",
    "NVIDIA_",
    "HIP_",
    "HSA_",
    "ROCR_",
    "ROCM_",
    "GPU_",
    "VK_",
    "MESA_",
    "ONEAPI_",
    "SYCL_",
    "ZE_",
    "MTL_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "OPENBLAS_",
    "MKL_",
)
"""GPU drivers and maths libraries, which are set up by environment variables."""


def child_environment(extra: Mapping[str, str] = {}, *, of: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The allowed variables of `of`, and `extra` on top."""
    allowed = {
        name: value for name, value in of.items() if name.upper() in _NAMES or name.upper().startswith(_PREFIXES)
    }
    return allowed | dict(extra)


def gpu_variables(extra: Mapping[str, str]) -> dict[str, str]:
    """Those of a child's variables that say which GPUs it is shown."""
    return {name: value for name, value in child_environment(extra).items() if name.endswith("VISIBLE_DEVICES")}
