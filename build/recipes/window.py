"""The desktop app: its program, and the packages made of that and of the frozen sidecar.

Owns how it is compiled, started and bundled. One profile for all of it: what Tauri consists of takes a quarter of an
hour to compile, and what is tested is what is bundled.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from recipes import freezing, page, places, processes, system_packages
from recipes.console import Problem, say, step

TAURI = Path("shell", "src-tauri")
MANIFEST = TAURI / "Cargo.toml"
COMMAND_VARIABLE = "LLAMA_SIDECAR_APP_COMMAND"

# In /usr/lib/<name> of what is installed; the app finds it there.
RESOURCE = "sidecar"
KINDS = ("deb", "rpm")


def target_folder() -> Path:
    """Where it is compiled: outside of the tree, as the launcher is."""
    return places.cache() / "desktop"


def built_with() -> tuple[str, ...]:
    """Options of cargo that every command shares, so that all find what the first has compiled."""
    return ("--locked", "--release", "--manifest-path", str(MANIFEST), "--target-dir", str(target_folder()))


def cargo(command: str, *arguments: str) -> tuple[str, ...]:
    """The command line of cargo; raises where there is none."""
    program = shutil.which("cargo")
    if program is None:
        raise Problem(
            "The app is written in Rust, and there is no cargo on PATH.",
            next_step="Install it (https://rustup.rs) and run the same command again.",
        )
    return (program, command, *arguments)


def ensure_built() -> Path:
    """Builds the page and the app around it, where something has changed; the program."""
    build = cargo("build", *built_with())
    system_packages.ensure(system_packages.WINDOW)
    page.ensure_built()
    with step("Building the app; the first time takes a quarter of an hour"):
        _must(processes.call(build), "built")
    return target_folder() / "release" / ("llama-sidecar-app.exe" if os.name == "nt" else "llama-sidecar-app")


def environ_for(sidecar: list[str | Path]) -> dict[str, str]:
    """What has the app start another sidecar than the bundled one."""
    return {COMMAND_VARIABLE: json.dumps([str(word) for word in sidecar])}


def must_have_display() -> None:
    """Raises where no window could be shown."""
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        raise Problem(
            "There is no display to show a window on: neither DISPLAY nor WAYLAND_DISPLAY is set.",
            next_step="Run it in a graphical session. make web serves the same page to a browser.",
        )


def ensure_bundled() -> list[Path]:
    """Makes the packages in dist/, each with the app and the frozen sidecar; their paths."""
    ensure_built()
    products = freezing.ensure_frozen()
    freezing.must_hold_plain_files(products.onedir)
    overlay = {"bundle": {"resources": {f"{products.onedir}/": f"{RESOURCE}/"}}}
    made = target_folder() / "release" / "bundle"
    shutil.rmtree(made, ignore_errors=True)
    with step(f"Bundling {' and '.join(KINDS)}"):
        argv = page.npm("exec", "--", "tauri", "bundle", "--ci", "--bundles", ",".join(KINDS))
        _must(_in_the_shell([*argv, "--config", json.dumps(overlay)]), "bundled")
    return [_put(kind, made, products.dist) for kind in KINDS]


def _in_the_shell(argv: list[str]) -> int:
    environ: Mapping[str, str] = {"CARGO_TARGET_DIR": str(target_folder())}
    with processes.child(argv, environ=environ, cwd=page.SHELL) as process:
        process.wait()
    return processes.exit_code(process.returncode)


def _put(kind: str, made: Path, dist: Path) -> Path:
    (found,) = (made / kind).glob(f"*.{kind}")
    for old in dist.glob(f"*.{kind}"):
        old.unlink()
    target = dist / found.name
    shutil.move(found, target)
    say(f"{target.stat().st_size / freezing.MB:6.1f} MB  {places.shown(target)}")
    return target


def _must(code: int, done: str) -> None:
    if code != 0:
        raise Problem(
            f"The app was not {done}: exit code {code}.",
            next_step="The message above says why. Mend it, and run the same command again.",
            exit_code=code,
        )
