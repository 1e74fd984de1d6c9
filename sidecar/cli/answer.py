"""An answer on the terminal, as it streams.

Owns what is printed where: the answer alone on stdout; thinking, tool calls, progress and figures on stderr.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from rich.status import Status

from sidecar.cli import screen
from sidecar.cli.printable import one_line
from sidecar.contract.chat import (
    TurnLoading,
    TurnPrefill,
    TurnQueued,
    TurnReasoning,
    TurnResult,
    TurnToken,
    TurnToolCall,
)


class AnswerPrinter:
    """Prints the events of a turn; a context manager, which leaves the cursor at the start of a line."""

    def __init__(self) -> None:
        self._wait: Status | None = None
        self._thinking = False
        self._mid_line = False
        self.has_output = False
        """Whether anything of the answer was printed, thoughts included."""

    def __enter__(self) -> Self:
        if screen.status.is_terminal:
            self._wait = Status("Waiting for the model", console=screen.status, spinner_style="dim")
            self._wait.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stop_waiting()
        self._end_thinking()
        if self._mid_line:
            self._write("\n")

    def show(self, event: Any) -> None:
        """Show an event of a turn."""
        match event:
            case TurnQueued(position=position) if position:
                self._wait_for(f"Waiting for {position} other answer{'s' if position > 1 else ''}")
            case TurnLoading(progress=progress):
                share = "" if progress is None else f": {progress:.0%}"
                self._wait_for(f"Loading the model again{share}")
            case TurnPrefill(processed=processed, total=total) if total:
                self._wait_for(f"Reading: {processed} of {total} tokens")
            case TurnReasoning(reasoning=reasoning):
                self._think(reasoning)
            case TurnToken(chunk=chunk):
                self._stop_waiting()
                self._end_thinking()
                self._write(chunk)
            case TurnToolCall(tool_call=call):
                self._stop_waiting()
                screen.say(f"→ {one_line(call.function.name)}({call.function.arguments})", style="cyan")

    def _write(self, text: str) -> None:
        if text:
            self.has_output = True
            sys.stdout.write(text)
            sys.stdout.flush()
            self._mid_line = not text.endswith("\n")

    def _think(self, text: str) -> None:
        self._stop_waiting()
        if not self._thinking:
            screen.say("Thinking:", style="dim")
            self._thinking = self.has_output = True
        screen.status.out(text, style="dim italic", end="", highlight=False)

    def _end_thinking(self) -> None:
        if self._thinking:
            screen.status.out("\n")
            self._thinking = False

    def _wait_for(self, words: str) -> None:
        if self._wait is not None:
            self._wait.update(words)

    def _stop_waiting(self) -> None:
        if self._wait is not None:
            self._wait.stop()
            self._wait = None


def figures(result: TurnResult) -> str:
    """An answer's figures on one line."""
    timings, context = result.timings, result.context
    parts = [f"{result.usage.completion_tokens} tokens"]
    rate, tokens_after_first = timings.predicted_per_second, result.usage.completion_tokens - 1
    if rate is None and timings.ttft_ms is not None and timings.total_ms > timings.ttft_ms and tokens_after_first > 0:
        rate = tokens_after_first / (timings.total_ms - timings.ttft_ms) * 1e3
    if rate is not None:
        parts.append(f"{rate:.1f} tokens/s")
    if timings.ttft_ms is not None:
        parts.append(f"first after {timings.ttft_ms:.0f} ms")
    parts.append(f"context {context.used} of {context.max_context}")
    if context.dropped_messages:
        parts.append(f"{context.dropped_messages} older messages left out")
    if result.finish_reason == "length":
        parts.append("cut at the length limit")
    return " · ".join(parts)
