"""What child processes are started with: an allow-list of variables, and the command of this program.

Owns the list, our own variable, and the changes that the frozen program's loader made to our environment. An engine
gets no variable that it does not need, so no token or key of the host leaks into it, no inherited `LLAMA_…` variable
changes its settings, and no library of ours is loaded in place of its own. Imports almost nothing, since it runs
first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

DATA_DIR_VARIABLE = "LLAMA_SIDECAR_DATA_DIR"
"""Names the data folder if no option does."""

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
    """A child's variables that select its visible GPUs."""
    return {name: value for name, value in child_environment(extra).items() if name.endswith("VISIBLE_DEVICES")}


# --- the frozen program's loader -----------------------------------------------------------------------------------

_LOADERS_OWN = ("_PYI_", "_MEIPASS")
"""Prefix of PyInstaller's variables. A child of our program that got them would take itself for a part of us."""

_BEFORE = "_ORIG"
"""Suffix under which the loader keeps the original value of a variable."""

_SEARCHED_FOR_LIBRARIES = ("LD_LIBRARY_PATH", "LIBPATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")


def leave_bundle() -> None:
    """Undo what the frozen program's loader did to our environment, so that nothing of it reaches a child.

    Called before everything else. Our own libraries are found all the same. Does nothing when run from source.
    """
    bundle = getattr(sys, "_MEIPASS", None)
    if bundle is None:
        return
    before = before_loading(os.environ, bundle)
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    if sys.platform == "win32":  # untested; children inherit the folder that the loader has set
        import ctypes

        os.add_dll_directory(bundle)
        ctypes.windll.kernel32.SetDllDirectoryW(None)


def before_loading(environ: Mapping[str, str], bundle: str) -> dict[str, str]:
    """An environment as it was before the loader of the program in the folder `bundle` changed it."""
    before = {name: value for name, value in environ.items() if not name.upper().startswith(_LOADERS_OWN)}
    for name in _SEARCHED_FOR_LIBRARIES:
        kept = before.pop(name + _BEFORE, None)
        if kept is not None:
            before[name] = kept
        elif name in before:
            _take_out(before, name, bundle)
    for name in [name for name in before if name.upper() == "PATH"]:
        _take_out(before, name, bundle)
    return before


def _take_out(environ: dict[str, str], name: str, bundle: str) -> None:
    places = environ[name].split(os.pathsep)
    others = [place for place in places if place != bundle and not place.startswith(bundle + os.sep)]
    if others == places:
        return
    environ.pop(name)
    if others:
        environ[name] = os.pathsep.join(others)


def self_command() -> list[str]:
    """The command that starts this program again, frozen or from source."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, "-m", "sidecar"]
