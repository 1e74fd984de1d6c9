"""A Debian with nothing but its package manager, in a folder: what bundles are installed into to be tried."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from recipes import places, processes, system_packages
from recipes.console import Problem, step
from recipes.processes import exclusive

DEBOOTSTRAP = system_packages.Needs(
    purpose="The .deb is tried in a Debian of its own",
    packages=("debootstrap",),
    programs=("debootstrap",),
)


def ensure() -> Path:
    """Makes it once, of this system's release: programs that are built here run there."""
    system_packages.ensure(DEBOOTSTRAP)
    if os.geteuid() != 0:
        raise Problem("A system is installed into a folder, which only root can do.", next_step="Run it as root.")
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    target = places.cache() / "debian" / release
    with exclusive(places.cache() / "locks" / "debian", waiting_for="making a minimal Debian"):
        if not target.exists():
            part = target.with_name(f"{release}.part")
            part.parent.mkdir(parents=True, exist_ok=True)
            with step(f"Making a minimal Debian {release} with debootstrap"):
                code = processes.persist(lambda: _make(release, part))
            if code != 0:
                raise Problem(
                    f"debootstrap ended with exit code {code}.",
                    next_step=f"It writes down why in {part / 'debootstrap' / 'debootstrap.log'}.",
                )
            part.replace(target)
    return target


def _make(release: str, folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)  # it does not continue what it left half done
    return processes.call(["debootstrap", "--variant=minbase", release, folder])
