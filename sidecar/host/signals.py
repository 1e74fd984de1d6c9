"""The signals that ask a process to end."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def calling(call: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C call a function in the running loop meanwhile, and so does a terminal that is closed, unless
    that is to be ignored (nohup)."""
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    if sys.platform == "win32":  # asyncio has no signal handlers there; untested
        old = {number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(call)) for number in numbers}
        yield
        for number, handler in old.items():
            signal.signal(number, handler)
    else:
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        for number in numbers:
            loop.add_signal_handler(number, call)
        yield
        for number in numbers:
            loop.remove_signal_handler(number)
