"""What a terminal does with keys while a program of ours is busy. Windows has no such settings; untested there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sidecar.host.descriptors import STDIN, is_in_foreground

ECHO_AT = 3
"""The place of the local modes in what termios returns."""


@contextmanager
def unechoed() -> Iterator[None]:
    """Keep what is typed from being shown meanwhile. It stays in the terminal, for whoever reads next.

    Nothing is changed where stdin is no terminal, or another program is in its foreground: the system would stop us.
    The settings are restored in the end, also where SIGTERM ends the program.
    """
    if sys.platform == "win32" or not os.isatty(STDIN) or not is_in_foreground(STDIN):
        yield
    else:
        import termios

        before = termios.tcgetattr(STDIN)
        quiet = list(before)
        quiet[ECHO_AT] &= ~(termios.ECHO | termios.ECHONL)

        def restore() -> None:
            if is_in_foreground(STDIN):
                try:
                    termios.tcsetattr(STDIN, termios.TCSANOW, before)
                except termios.error:  # the terminal is gone
                    return

        def end(number: int, _frame: Any) -> None:
            restore()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        termios.tcsetattr(STDIN, termios.TCSANOW, quiet)
        handler = signal.signal(signal.SIGTERM, end) if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL else None
        try:
            yield
        finally:
            if handler is not None:
                signal.signal(signal.SIGTERM, handler)
            restore()
