"""llama-cpp-python beside a llama.cpp that was built before: bindings only, nothing compiled twice.

It has an environment of its own in the cache, so that the ordinary .venv stays as it is without it.
Knows nothing of the tests that use it.
"""

from __future__ import annotations

from pathlib import Path

from recipes import places
from recipes.console import Problem, step
from recipes.environment import Environment
from recipes.llama_cpp import fetch_sdist, python_tag
from recipes.llama_cpp_recipe import VERSION
from recipes.processes import output


def ensure_installed(llama_cpp: Path) -> Environment:
    """An environment whose Python has llama_cpp and its server, tried once against the build in `llama_cpp`."""
    environment = Environment(places.cache() / "environments" / f"native-{python_tag()}")
    environment.ensure_made()
    environment.ensure_requirements("native")
    lock = places.LOCKS / "llama-cpp-python.txt"
    with environment.once("llama-cpp-python", environment.key(files=[lock], facts=[str(llama_cpp)])) as missing:
        if missing:
            sdist = fetch_sdist(environment)
            with step(f"Installing llama-cpp-python {VERSION} on top of that llama.cpp"):
                # No cache: pip would keep this wheel without libraries and give it to others as llama-cpp-python.
                options = ("--no-cache-dir", "--no-deps", "--no-build-isolation", "--require-hashes", "--no-index")
                environment.pip(
                    *("install", *options, "--force-reinstall", "--find-links", sdist.parent, "-r", lock),
                    environ={"CMAKE_ARGS": "-DLLAMA_BUILD=OFF"},
                )
                _must_load(environment, llama_cpp)
    return environment


def _must_load(environment: Environment, llama_cpp: Path) -> None:
    program = "import llama_cpp.server.app, llama_cpp.llama_cpp as c; c.llama_print_system_info()"
    argv: list[str | Path] = [environment.python, "-c", program]
    if output(argv, environ=library_path(llama_cpp)) is None:
        raise Problem(
            f"llama-cpp-python {VERSION} does not load the libraries in {llama_cpp}.",
            next_step=f"To see why: LLAMA_CPP_LIB_PATH={llama_cpp} {environment.python} -c 'import llama_cpp'",
        )


def library_path(llama_cpp: Path) -> dict[str, str]:
    return {"LLAMA_CPP_LIB_PATH": str(llama_cpp)}
