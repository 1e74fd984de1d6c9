"""The app in a window, with a data folder of its own, and what is left when it has ended.

LLAMA_SIDECAR_TEST_APP names the app. It runs the sidecar of this tree, or the one that it was bundled with where it is
installed in a root of its own, which LLAMA_SIDECAR_TEST_ROOT names.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.busy import BUSY_SECONDS
from tests.program import PROGRAM
from tests.window.desk import Desk
from tests.window.webdriver import Driver

APP_VARIABLE = "LLAMA_SIDECAR_TEST_APP"
ROOT_VARIABLE = "LLAMA_SIDECAR_TEST_ROOT"

GONE_SECONDS = 8.0 + BUSY_SECONDS
"""From the end of the app to the last moment that one of its processes can be there: the app's own bound is 8 s."""

START_SECONDS = 60.0
"""Longest wait for an app that finds itself running; a test that needs it is broken."""

KEPT = ("PATH", "LANG")
"""What an app is given of our environment."""


class Window:
    """The app's window, and its processes.

    Attributes:
        opened: the file with the addresses that were to be opened in a browser, a line each.
    """

    def __init__(self, app: str, desk: Desk, home: Path, *, root: str, command: Sequence[str]) -> None:
        self.desk = desk
        self.name = "window-installed" if root else "window"
        self._inside = ["chroot", root] if root else []
        self._app = app
        seen_home = f"/{home.relative_to(root)}" if root else str(home)
        self._env = {name: os.environ[name] for name in KEPT if name in os.environ} | {
            "HOME": seen_home,
            "LLAMA_SIDECAR_DATA_DIR": f"{seen_home}/data",
            "DISPLAY": desk.display,
            "DBUS_SESSION_BUS_ADDRESS": desk.bus,
            "TAURI_WEBVIEW_AUTOMATION": "true",
            "NO_AT_BRIDGE": "1",  # there is no service for accessibility on this bus
        }
        self.opened = home / "opened"
        _stand_in_for_the_browser(home / "bin", f"{seen_home}/opened")
        self._env["PATH"] = f"{seen_home}/bin{os.pathsep}{self._env['PATH']}"
        if command:
            self._env["LLAMA_SIDECAR_APP_COMMAND"] = json.dumps([str(word) for word in command])
        self.page = Driver(app, env=self._env, inside=self._inside)
        (self.process,) = psutil.Process(self.page.process.pid).children()

    def close(self) -> None:
        """End the app, if the test has not, and its driver."""
        if self.process.is_running():
            self.process.terminate()
            ended([self.process])
        self.page.close()

    def processes(self) -> list[psutil.Process]:
        """The app, its sidecar, and all that they have started."""
        return [self.process, *self.process.children(recursive=True)]

    def sidecar(self) -> psutil.Process:
        """The sidecar: the one of the app's children that is told its host."""
        return next(one for one in self.process.children() if "--host-pid" in one.cmdline())

    def start_again(self) -> int:
        """Start the app a second time, to its end; the exit code."""
        argv = [*self._inside, self._app]
        return subprocess.run(argv, env=self._env, timeout=START_SECONDS, check=False).returncode


def _stand_in_for_the_browser(folder: Path, opened: str) -> None:
    """What a desktop opens addresses with; this one writes them down."""
    folder.mkdir()
    program = folder / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" >> "{opened}"\n')
    program.chmod(0o755)


def ended(processes: list[psutil.Process]) -> bool:
    """Whether processes end, all of them and in time."""
    _, alive = psutil.wait_procs(processes, timeout=GONE_SECONDS)
    return not alive


Open = Callable[..., Window]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A display and a bus for all tests."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    yield desk
    desk.close()


@pytest.fixture
def open_window(desk: Desk, tmp_path: Path, model: Path) -> Iterator[Open]:
    """Opens the app's window, with the real model in its library; `command` is another sidecar than ours."""
    opened: list[Window] = []
    root = os.environ.get(ROOT_VARIABLE, "")

    def open_(command: Sequence[str] = () if root else PROGRAM) -> Window:
        models = tmp_path / "data" / "models"
        models.mkdir(parents=True)
        # A long story is long every time. Two threads that wait for each other stand still where WebKit takes a CPU.
        config = {"chat": {"temperature": 0}, "server_defaults": {"threads": 1}}
        (tmp_path / "data" / "config.json").write_text(json.dumps(config))
        shutil.copy(model, models)
        opened.append(Window(os.environ[APP_VARIABLE], desk, tmp_path, root=root, command=command))
        return opened[-1]

    yield open_
    for window in opened:
        window.close()
