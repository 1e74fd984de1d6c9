"""The tests of the desktop app against a real sidecar: its host library, its page in a browser, its window.

What needs neither a sidecar nor a window is among the checks.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from recipes import minimal_debian, page, places, starter_model, system_packages, window
from recipes.console import Problem, say
from recipes.environment import Environment
from recipes.processes import call

HOST_LIBRARY = Path("shell", "src-tauri", "host", "Cargo.toml")

# Outside of the tree, as the launcher's: a bundle is made of the tree.
BUILT = ("--locked", "--target-dir", str(window.target_folder()))


CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

# What an installed app is asked. The others start a sidecar that is outside, or are about the page alone.
INSTALLED = "nothing_is_left or second_start"

# For people; git ignores them.
SCREENSHOTS = places.ROOT / "shell" / "screenshots"


def test(environment: Environment) -> int:
    """Runs all tests of the desktop app, up to the first that fails; the exit code."""
    for part in (test_host_library, test_page, check_commands, test_window):
        if code := part(environment):
            return code
    return 0


def test_host_library(environment: Environment) -> int:
    """The library that starts the sidecar: against sidecars of this tree, real processes and their kills."""
    say("Testing the host library ...")
    argv = window.cargo("test", "--manifest-path", str(HOST_LIBRARY), *BUILT, "--all-features", "--quiet")
    return call(argv, environ={"LLAMA_SIDECAR_DESKTOP_PYTHON": str(environment.python)}, quiet=False)


def test_page(environment: Environment) -> int:
    """The page in a browser, on a real sidecar with a real small model."""
    environ = ensure_browser(environment)
    say(f"Testing the page in a browser; its pictures go to {places.shown(SCREENSHOTS)} ...")
    return pytest(environment, Path("tests", "desktop"), environ)


def try_page(environment: Environment) -> int:
    """How heavy the page is, how soon it is there, and how it scrolls."""
    return call([environment.python, "-m", "tests.desktop.trial"], environ=ensure_browser(environment), quiet=False)


def ensure_browser(environment: Environment) -> dict[str, str]:
    """The page, a browser and what drives it; the variable that says where the browser is."""
    environment.ensure_requirements("desktop")
    page.ensure_built()
    return {"LLAMA_SIDECAR_CHROMIUM": ensure_chromium()}


def check_commands(_: Environment) -> int:
    """The window's Rust, which needs WebKit to be compiled: its format, its lint, and its commands."""
    window.ensure_built()
    say("Testing the app's commands ...")
    for argv in (
        window.cargo("fmt", "--manifest-path", str(window.MANIFEST), "--check"),
        window.cargo("clippy", *window.built_with(), "--all-targets", "--quiet", "--", "-D", "warnings"),
        window.cargo("test", *window.built_with(), "--quiet"),
    ):
        if code := call(argv):
            return code
    return 0


def test_window(environment: Environment) -> int:
    """The window, on a display of its own, with a real small model."""
    environment.ensure_requirements("desktop")
    system_packages.ensure(system_packages.WINDOW_TESTS)
    environ = {"LLAMA_SIDECAR_TEST_APP": str(window.ensure_built())}
    say(f"Testing the window; its picture goes to {places.shown(SCREENSHOTS)} ...")
    return pytest(environment, Path("tests", "window"), environ)


def test_bundle(environment: Environment) -> int:
    """The window as a person gets it: the .deb installed by apt in a Debian without Python and without this tree."""
    environment.ensure_requirements("desktop")
    system_packages.ensure(system_packages.WINDOW_TESTS)
    package = next(path for path in window.ensure_bundled() if path.suffix == ".deb")
    debian = minimal_debian.ensure()
    say("Testing the app as it is installed ...")
    installed = ("tests.window.installed", str(package), str(debian), str(places.cache() / "debian" / "downloads"))
    return pytest(environment, Path("tests", "window"), {}, *installed, "-k", INSTALLED)


def pytest(environment: Environment, tests: Path, environ: dict[str, str], *before: str) -> int:
    """Runs tests with what all of them need; `before` are words of a program that runs pytest itself."""
    shared = {
        "LLAMA_SIDECAR_SCREENSHOTS": str(SCREENSHOTS),
        "LLAMA_SIDECAR_TEST_MODEL": str(starter_model.ensure_cached(environment)),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return call([environment.python, "-m", *(before or ["pytest"]), tests], environ=shared | environ, quiet=False)


def ensure_chromium() -> str:
    """The system's Chromium; installed where it is not there and we may do that."""
    if not _chromium() and system_packages.may_install():
        system_packages.install(["chromium"])
    if found := _chromium():
        return found
    raise Problem(
        "The page is tested in Chromium, and there is none on PATH.",
        next_step="Install it (on Debian and Ubuntu: sudo apt install chromium) and run the same command again.",
    )


def _chromium() -> str | None:
    return next((path for name in CHROMIUM if (path := shutil.which(name))), None)
