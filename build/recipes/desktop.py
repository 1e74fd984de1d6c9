"""The desktop app: where its Rust is, and its tests against a real sidecar.

What needs neither a sidecar nor a window is among the checks.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from recipes import page, places, starter_model
from recipes.console import Problem, say, step
from recipes.environment import Environment
from recipes.processes import call

HOST_LIBRARY = Path("shell", "src-tauri", "host", "Cargo.toml")

# Outside of the tree, as the launcher's: a bundle is made of the tree.
BUILT = ("--locked", "--target-dir", str(places.cache() / "desktop"))


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

# For people to look at; git passes them by.
SCREENSHOTS = places.ROOT / "shell" / "screenshots"


def test(environment: Environment) -> int:
    """Runs all tests of the desktop app, up to the first that fails; the exit code."""
    for part in (test_host_library, test_page):
        if code := part(environment):
            return code
    return 0


def test_host_library(environment: Environment) -> int:
    """The library that starts the sidecar: against sidecars of this tree, real processes and their kills."""
    say("Testing the host library ...")
    argv = ("cargo", "test", "--manifest-path", HOST_LIBRARY, *BUILT, "--all-features", "--quiet")
    return call(argv, environ={"LLAMA_SIDECAR_DESKTOP_PYTHON": str(environment.python)}, quiet=False)


def test_page(environment: Environment) -> int:
    """The page in a browser, on a real sidecar with a real small model."""
    environment.ensure_requirements("desktop")
    page.ensure_built()
    environ = {
        "LLAMA_SIDECAR_CHROMIUM": ensure_chromium(),
        "LLAMA_SIDECAR_SCREENSHOTS": str(SCREENSHOTS),
        "LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment)),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    say(f"Testing the page in a browser; its pictures go to {places.shown(SCREENSHOTS)} ...")
    return call([environment.python, "-m", "pytest", Path("tests", "desktop")], environ=environ, quiet=False)


def ensure_chromium() -> str:
    """The system's Chromium; installed where it is not there and we may do that."""
    if found := _chromium():
        return found
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        with step("Installing chromium"):
            for argv in (("apt-get", "update"), ("apt-get", "install", "--yes", "--no-install-recommends", "chromium")):
                call(argv, environ={"DEBIAN_FRONTEND": "noninteractive"})
        if found := _chromium():
            return found
    raise Problem(
        "The page is tested in Chromium, and there is none on PATH.",
        next_step="Install it (on Debian and Ubuntu: apt install chromium) and run the same command again.",
    )


def _chromium() -> str | None:
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)
