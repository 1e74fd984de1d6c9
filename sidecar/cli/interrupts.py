"""Coroutines in a program that otherwise waits for a person.

Owns Ctrl-C: while a coroutine runs it cancels that coroutine, at a prompt it is a KeyboardInterrupt.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Self, TypeVar

from sidecar.host.terminal import unechoed

T = TypeVar("T")


class Interruptible:
    """Runs coroutines one after the other, all on one loop. A context manager for the main thread."""

    # Not asyncio.Runner's own handling: it raises at a second Ctrl-C wherever the loop happens to be, and leaves the
    # coroutine suspended. Here each Ctrl-C is a cancellation, so that a second one can cut short the stop of an answer.

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._running = False
        self._deaf = False
        self._pressed = False
        self._task: asyncio.Task[Any] | None = None
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        self._runner.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._deaf = True
        self._runner.__exit__(*exc_info)
        signal.signal(signal.SIGINT, self._before)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; each Ctrl-C meanwhile cancels it.

        Raises:
            KeyboardInterrupt: the coroutine was cancelled and did not handle it.
        """
        self._pressed, self._running = False, True
        try:
            with unechoed():  # else what is typed meanwhile would stand in the middle of an answer
                return self._runner.run(self._cancellable(work))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            self._running = False

    def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine that cleans up to its end, whatever is pressed. It must have a bound of its own."""
        self._deaf = True
        try:
            return self.run(work)
        finally:
            self._deaf = False

    async def _cancellable(self, work: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.current_task()
        if self._pressed and self._task is not None:  # pressed before there was a task
            self._task.cancel()
        try:
            return await work
        finally:
            self._task = None

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self._deaf:
            return
        if not self._running:
            raise KeyboardInterrupt
        self._pressed = True
        if (task := self._task) is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)
