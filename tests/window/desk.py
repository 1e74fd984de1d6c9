"""A screen without a monitor and a message bus without services, for windows of tests alone.

Owns the two processes, and what the display says of windows: which there are, which has the focus, and that a person
closes one.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from Xlib import X, display
from Xlib.protocol.event import ClientMessage
from Xlib.xobject.drawable import Window

SCREEN = "1400x1000x24"

SOON_SECONDS = 30.0
"""Longest wait for what a display tells."""

# Services that something would start, such as for accessibility, are processes that outlive the test.
BUS = """<busconfig>
  <type>session</type>
  <listen>unix:abstract=/tmp/llama-sidecar-tests-{pid}</listen>
  <policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""


class Desk:
    """A display and a bus of our own."""

    def __init__(self, folder: Path) -> None:
        reading, writing = os.pipe()
        with os.fdopen(reading) as told:
            argv = ["Xvfb", "-displayfd", str(writing), "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset"]
            self._screen = subprocess.Popen(argv, pass_fds=(writing,), stderr=subprocess.DEVNULL)
            os.close(writing)
            self.display = f":{told.readline().strip()}"
        config = folder / "bus.conf"
        config.write_text(BUS.format(pid=os.getpid()))
        argv = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
        self._bus = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self._bus.stdout is not None
        self.bus = self._bus.stdout.readline().strip()
        self._connection = display.Display(self.display)

    def close(self) -> None:
        """End both."""
        self._connection.close()
        assert self._bus.stdout is not None
        self._bus.stdout.close()
        for process in (self._bus, self._screen):
            process.terminate()
            process.wait(timeout=SOON_SECONDS)

    def windows(self) -> list[Window]:
        """The windows that are shown and that a person can close."""
        found = self._connection.screen().root.query_tree().children
        return [one for one in found if one.get_attributes().map_state == X.IsViewable and self._closing(one)]

    def ask_to_close(self, window: Window) -> None:
        """What a window manager does when a person closes a window."""
        data = (32, [self._closing(window), X.CurrentTime, 0, 0, 0])
        protocols = self._connection.intern_atom("WM_PROTOCOLS")
        window.send_event(ClientMessage(window=window, client_type=protocols, data=data))
        self._connection.flush()

    def take_focus(self) -> None:
        """Take the keyboard away from every window."""
        self._connection.set_input_focus(X.NONE, X.RevertToNone, X.CurrentTime)
        self._connection.sync()

    def gets_focus(self, window: Window) -> bool:
        """Whether the keyboard goes to a window, at the latest after a while."""
        deadline = time.monotonic() + SOON_SECONDS
        while time.monotonic() < deadline:
            focus = self._connection.get_input_focus().focus
            if not isinstance(focus, int) and window.id in (focus.id, focus.query_tree().parent.id):
                return True
            time.sleep(0.02)
        return False

    def _closing(self, window: Window) -> int:
        """The atom by which a window can be asked to close; 0 where it can not."""
        atom = self._connection.intern_atom("WM_DELETE_WINDOW")
        return int(atom) if atom in window.get_wm_protocols() else 0
