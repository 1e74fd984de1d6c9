"""What `check` checks and what `format` repairs. All checks run, whatever the first one finds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from recipes import desktop, page, places
from recipes.console import Problem, say
from recipes.environment import Environment
from recipes.processes import call

GENERATOR = Path("build", "schema", "generate.py")
LAUNCHER = Path("build", "freeze", "launcher", "Cargo.toml")

# Outside of the tree: what is in build/freeze decides whether the program has to be frozen again.
BUILT = ("--locked", "--target-dir", str(places.cache() / "freeze" / "launcher"))


OTHER_SYSTEMS = ("win32", "darwin")
"""No machine of theirs runs the tests; their types are checked all the same."""


@dataclass(frozen=True)
class Check:
    """One command, and what to do when it fails."""

    name: str
    argv: tuple[str | Path, ...]
    repair: str


def checks(environment: Environment) -> list[Check]:
    python = environment.python
    typed = places.shown(python)
    return [
        Check("format", (python, "-m", "ruff", "format", "--check", "."), "make format"),
        Check("lint", (python, "-m", "ruff", "check", "."), "make format mends some of it; the rest by hand"),
        Check("types", (python, "-m", "mypy"), "change the lines named above"),
        *(
            Check(f"types for {system}", (python, *_types_for(system)), "give sidecar/host what differs there")
            for system in OTHER_SYSTEMS
        ),
        Check("import layers", (environment.script("lint-imports"),), "move the import named above to a higher layer"),
        Check("generated files", (python, GENERATOR, "--check"), f"{typed} {GENERATOR}"),
        Check(
            "generated clients",
            (python, Path("build", "schema", "check_clients.py")),
            "see its message above",
        ),
        Check(
            "page",
            page.npm("run", "--silent", "check"),
            "npm --prefix shell run mend does some of it; the rest by hand",
        ),
        Check("page tests", page.npm("run", "--silent", "test"), "see its message above"),
        *_of_crate("launcher", LAUNCHER, BUILT),
        *_of_crate("host library", desktop.HOST_LIBRARY, desktop.BUILT, "--all-targets", "--all-features"),
        Check(
            "host library documentation",
            _cargo("rustdoc", desktop.HOST_LIBRARY, *desktop.BUILT, "--lib", "--", "-D", "warnings"),
            "change the lines named above",
        ),
    ]


def _types_for(system: str) -> tuple[str, ...]:
    """The types of what is shipped, as another system sees them; a cache of its own keeps the other checks' whole."""
    return ("-m", "mypy", "--platform", system, "--cache-dir", f".mypy_cache/{system}", "sidecar")


def _of_crate(name: str, manifest: Path, built: tuple[str, ...], *linted: str) -> list[Check]:
    """What each crate of ours is held to; `linted` says of what there is more than the library."""
    repair = " ".join(_cargo("fmt", manifest))
    lint = _cargo("clippy", manifest, *built, *linted, "--", "-D", "warnings")
    return [
        Check(f"{name} format", _cargo("fmt", manifest, "--check"), repair),
        Check(f"{name} lint", lint, "change the lines named above"),
        Check(f"{name} tests", _cargo("test", manifest, *built, "--quiet"), "see its message above"),
    ]


def _cargo(command: str, manifest: Path, *arguments: str) -> tuple[str, ...]:
    return ("cargo", command, "--manifest-path", str(manifest), *arguments)


def run_all(listed: list[Check]) -> None:
    """Runs every check, says at the end which failed and how each is mended, and raises if any did."""
    failed: list[Check] = []
    started = time.monotonic()
    for check in listed:
        say(f"Checking: {check.name} ...")
        began = time.monotonic()
        if call(check.argv) != 0:
            failed.append(check)
        say(f"  {'FAILED' if check in failed else 'good'} after {time.monotonic() - began:.1f} s")
    say(f"{len(listed)} checks, {len(failed)} failed, in {time.monotonic() - started:.1f} s")
    if failed:
        repairs = "\n".join(f"  {check.name}: {check.repair}" for check in failed)
        raise Problem(
            f"These checks failed: {', '.join(check.name for check in failed)}.",
            next_step=f"To repair them:\n{repairs}",
        )


def mend(environment: Environment) -> None:
    """Formats the tree, and lets the linter change what it can change safely."""
    call([environment.python, "-m", "ruff", "check", "--fix-only", "."])
    code = call([environment.python, "-m", "ruff", "format", "."])
    if code != 0:
        raise Problem("ruff could not format the tree.", next_step="Its message is above.", exit_code=code)
