"""What decides how a build of llama.cpp comes out: version, flags, CPU and compilers, and the key made of them.

Builds nothing. Linux is tried; macOS and Windows are written for and untried.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from recipes import processes
from recipes.console import Problem

VERSION = "0.3.36"
"""Of llama-cpp-python, whose sdist the source is taken from."""

# Environment variables that CMake reads when it chooses and calls the compilers.
COMPILER_VARIABLES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what comes out of a build."""

    version: str
    machine: str
    cpu_features: tuple[str, ...]
    flags: tuple[str, ...]
    variables: tuple[str, ...]
    compilers: tuple[str, ...]

    @property
    def key(self) -> str:
        """The build's folder name; builds for this CPU (-march=native) must not be run on a lesser one."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.version}-{self.machine}-{digest[:12]}"


NO_AMX = "-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
"""ggml's AMX kernels die of SIGILL (`tilezero` on a worker thread) in virtual machines on Sapphire Rapids. The compiler
has these options where -march=native would switch AMX on."""


def cmake_flags(system: str, features: Sequence[str] = ()) -> tuple[str, ...]:
    """The flags for `platform.system()`; libraries are searched for beside the program, so the folder can be moved.

    Args:
        features: the CPU's instruction sets, as /proc/cpuinfo names them.
    """
    beside = {"Darwin": "@loader_path", "Windows": ""}.get(system, "$ORIGIN")
    flags: tuple[str, ...] = (
        "-DCMAKE_BUILD_TYPE=Release",
        "-DLLAMA_BUILD_SERVER=ON",
        "-DLLAMA_BUILD_TOOLS=ON",
        "-DGGML_RPC=ON",
        "-DLLAMA_BUILD_UI=OFF",
        "-DLLAMA_USE_PREBUILT_UI=OFF",
        "-DLLAMA_OPENSSL=OFF",
        "-DLLAMA_BUILD_TESTS=OFF",
        "-DLLAMA_BUILD_EXAMPLES=OFF",
    )
    if any(feature.startswith("amx_") for feature in features):
        flags += (f"-DCMAKE_C_FLAGS={NO_AMX}", f"-DCMAKE_CXX_FLAGS={NO_AMX}")
    rpath = ("-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", f"-DCMAKE_INSTALL_RPATH={beside}")
    return (*flags, *rpath) if beside else flags


def cpu_features(cpuinfo: str) -> tuple[str, ...]:
    """The instruction sets in the text of /proc/cpuinfo (x86 says flags, ARM says Features), in one fixed order."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo, re.MULTILINE)
    return tuple(sorted(set(found[1].split()))) if found else ()


def recipe_here() -> Recipe:
    """The recipe for this machine, or a Problem that says which tool is missing."""
    compilers = tuple(find_compiler(kind, os.environ) for kind in ("C", "C++"))
    chosen = tuple(f"{name}={os.environ[name]}" for name in COMPILER_VARIABLES if os.environ.get(name))
    features = _cpu_features_here()
    return Recipe(
        version=VERSION,
        machine=platform.machine().lower() or "unknown",
        cpu_features=features,
        flags=cmake_flags(platform.system(), features),
        variables=chosen,
        compilers=compilers,
    )


def _cpu_features_here() -> tuple[str, ...]:
    if platform.system() == "Darwin":
        return tuple(sorted((processes.output(["sysctl", "-a", "machdep.cpu", "hw.optional"]) or "").splitlines()))
    try:
        return cpu_features(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return (platform.processor(),)


def find_compiler(kind: str, environ: Mapping[str, str]) -> str:
    """What the compiler that CMake will choose says of its version."""
    variable, usual = ("CC", ("cc", "gcc", "clang", "cl")) if kind == "C" else ("CXX", ("c++", "g++", "clang++", "cl"))
    for name in [environ[variable]] if environ.get(variable) else usual:
        path = shutil.which(name.split()[0])
        # cl (Visual C++) knows no --version and prints its version when it is called with nothing.
        printed = processes.output([path, *([] if Path(path).stem == "cl" else ["--version"])]) if path else None
        if path and printed and printed.strip():
            return f"{name}: {printed.splitlines()[0]}"
    raise Problem(
        f"Building llama.cpp needs a {kind} compiler, and none was found"
        + (f" under the name in {variable}, {environ[variable]}." if environ.get(variable) else "."),
        next_step=(
            "Install one: `sudo apt install g++` (Debian, Ubuntu), `sudo dnf install gcc-c++` (Fedora), "
            "`xcode-select --install` (macOS), or on Windows the Visual Studio Build Tools, and run this from their "
            "x64 command prompt. Without llama.cpp, `make run` and `make test` work with the embedded engine."
        ),
    )
