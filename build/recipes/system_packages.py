"""What the desktop app needs of the system: libraries to compile it, programs to try it.

Owns their Debian names, how one sees that they are there, and who may install them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from recipes import processes
from recipes.console import Problem, step

# Another program may be at it: a new machine installs its updates by itself, for minutes. And a mirror may hiccup.
RETRYING = ("-o", "DPkg::Lock::Timeout=180", "-o", "Acquire::Retries=5")
# For what apt does not wait for: the lock of its lists, and lists that name what a mirror has no more.
TRIES = 5


@dataclass(frozen=True)
class Needs:
    """System packages for one purpose by their Debian names, and the programs and pkg-config modules in them."""

    purpose: str
    packages: tuple[str, ...]
    programs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """What is not there. A library counts as missing where pkg-config is."""
        programs = [name for name in self.programs if shutil.which(name) is None]
        modules = [name for name in self.modules if processes.output(["pkg-config", "--exists", name]) is None]
        return programs + modules


WINDOW = Needs(
    purpose="The app's window is compiled against WebKit",
    packages=("build-essential", "pkg-config", "libwebkit2gtk-4.1-dev", "libdbus-1-dev"),
    programs=("cc", "pkg-config"),
    modules=("webkit2gtk-4.1", "javascriptcoregtk-4.1", "libsoup-3.0", "gtk+-3.0", "dbus-1"),
)
WINDOW_TESTS = Needs(
    purpose="The app's window is tested on a display of its own",
    packages=("xvfb", "dbus-daemon", "webkit2gtk-driver"),
    programs=("Xvfb", "dbus-daemon", "WebKitWebDriver"),
)


def ensure(needs: Needs) -> None:
    """Installs what is missing where we may do that; else says what to type."""
    if needs.missing() and may_install():
        install(needs.packages)
    if missing := needs.missing():
        raise Problem(
            f"{needs.purpose}, and there is no {', '.join(missing)} here.",
            next_step=f"On Debian and Ubuntu: sudo apt install {' '.join(needs.packages)}. Then run the same again.",
        )


def may_install() -> bool:
    """Whether we are root on a Debian: no password is asked for."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> None:
    """Installs Debian packages; apt says what goes wrong, and whoever needs them sees whether they are there."""
    with step(f"Installing {', '.join(packages)}"):
        processes.persist(lambda: _try_to_install(packages), tries=TRIES)


def _try_to_install(packages: Sequence[str]) -> int:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    # It may fail for a list that has nothing to do with these packages.
    processes.call(("apt-get", *RETRYING, "update"), environ=quiet)
    return processes.call(
        ("apt-get", *RETRYING, "install", "--yes", "--no-install-recommends", *packages), environ=quiet
    )
