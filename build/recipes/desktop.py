"""The desktop app: where its Rust is, and its tests against a real sidecar.

What needs neither a sidecar nor a window is among the checks.
"""

from __future__ import annotations

from pathlib import Path

from recipes import places
from recipes.console import say
from recipes.environment import Environment
from recipes.processes import call

HOST_LIBRARY = Path("shell", "src-tauri", "host", "Cargo.toml")

# Outside of the tree, as the launcher's: a bundle is made of the tree.
BUILT = ("--locked", "--target-dir", str(places.cache() / "desktop"))


def test(environment: Environment) -> int:
    """Runs all tests of the desktop app, up to the first that fails; the exit code."""
    for step in (test_host_library,):
        if code := step(environment):
            return code
    return 0


def test_host_library(environment: Environment) -> int:
    """The library that starts the sidecar: against sidecars of this tree, real processes and their kills."""
    say("Testing the host library ...")
    argv = ("cargo", "test", "--manifest-path", HOST_LIBRARY, *BUILT, "--all-features", "--quiet")
    return call(argv, environ={"LLAMA_SIDECAR_DESKTOP_PYTHON": str(environment.python)}, quiet=False)
