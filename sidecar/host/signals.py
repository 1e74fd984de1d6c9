"""The signals that ask a process to end. Untested on Windows and macOS."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import anyio


@contextmanager
def set_by_signals(event: anyio.Event) -> Iterator[None]:
    """Meanwhile SIGTERM and Ctrl-C set an event of the running loop; so does closing the terminal, unless SIGHUP is
    ignored (nohup)."""
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if sys.platform == "win32":  # asyncio has no signal handlers there

        def handle(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(event.set)

        old = {number: signal.signal(number, handle) for number in numbers}
        yield
        for number, handler in old.items():
            signal.signal(number, handler)
    else:
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, event.set)
        yield
        for number in numbers:
            loop.remove_signal_handler(number)
