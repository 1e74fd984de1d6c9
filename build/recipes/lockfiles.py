"""Writing the lock files again from pyproject.toml and the .in files, with uv.

Owns which lock file is made of what. The two that pin one artefact (starter-model.txt and
llama-cpp-python.txt) are written by hand and not touched here.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping

from recipes import places
from recipes.console import Problem, step
from recipes.environment import Environment
from recipes.processes import Argv, call, output

EXTRAS = ("embedded", "hub", "web", "images")
"""What a checkout and the frozen programs have."""

RUN_SOURCES = ("pyproject.toml", *(word for extra in EXTRAS for word in ("--extra", extra)))
# In this order: a later one takes the versions of those that it is constrained by.
SOURCES: dict[str, tuple[str, ...]] = {
    "uv": ("build/locks/uv.in",),
    "build": ("build/locks/build.in",),
    "run": RUN_SOURCES,
    "dev": (
        *(*RUN_SOURCES, "--extra", "encrypt", "--group", "dev"),
        *("-c", "build/locks/build.txt", "-c", "build/locks/run.txt"),
    ),
    "freeze": (
        *(*RUN_SOURCES, "--extra", "encrypt", "build/locks/freeze.in"),
        *("-c", "build/locks/build.txt", "-c", "build/locks/dev.txt"),
    ),
    "llama-cpp": ("build/locks/llama-cpp.in",),
    "native": (
        "build/locks/native.in",
        *("-c", "build/locks/llama-cpp.txt", "--no-emit-package", "llama-cpp-python"),
    ),
    "desktop": ("build/locks/desktop.in", "-c", "build/locks/dev.txt"),
    # The same versions as ours where both have a package: what is compared is the programs.
    "bench": ("build/locks/bench.in", "-c", "build/locks/run.txt"),
}
OPTIONS = (
    *("--quiet", "--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-emit-index-url", "--no-annotate", "--custom-compile-command", "make lock"),
)


def uv_environment(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """uv's variables for what `pip config list` says, since uv reads no pip configuration; ones that are set stay."""
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    found: dict[str, str] = {}
    for line in pip_config.splitlines():
        key, _, value = line.partition("=")
        variable = names.get(key.rpartition(".")[2])
        if variable and variable not in environ:
            found[variable] = " ".join(str(ast.literal_eval(value)).split())
    return found


def foreign_text(lock_text: str, absolute: Iterable[str]) -> list[str]:
    """The lines that say where the file was made: an address of an index, or a folder of this machine."""
    return [line for line in lock_text.splitlines() if any(part in line for part in ("://", *absolute))]


def make_all(*, upgrade: bool) -> None:
    """Makes every lock file; without `upgrade` the versions that still fit are kept."""
    environment = Environment(places.cache() / "environments" / "uv")
    environment.ensure_made()
    environment.ensure_requirements("uv")
    config = output(environment.pip_argv("config", "list", quiet=False)) or ""
    environ = uv_environment(config, os.environ)
    for name, sources in SOURCES.items():
        target = places.LOCKS / f"{name}.txt"
        with step(f"Making {places.shown(target)}"):
            options = [*OPTIONS, *(["--upgrade"] if upgrade else [])]
            # -o makes uv keep the versions that it finds there.
            argv: Argv = [environment.script("uv"), "pip", "compile", *options, "-o", target, *sources]
            code = call(argv, environ=environ)
            if code != 0:
                raise Problem(
                    f"uv could not make {places.shown(target)}.", next_step="Its message is above.", exit_code=code
                )
        foreign = foreign_text(target.read_text(encoding="utf-8"), [str(places.ROOT), str(places.cache())])
        if foreign:
            raise Problem(
                f"{places.shown(target)} names this machine or its index: {foreign[0]}",
                next_step="Take such lines out of the sources in build/locks and pyproject.toml, and run it again.",
            )
