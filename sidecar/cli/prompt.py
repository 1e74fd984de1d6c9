"""The prompt: a line with editing, history and completion of commands, where the system supports that."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from sidecar.cli import screen
from sidecar.cli.wording import from_terminal

MARK = "> "


class Prompt:
    """Asks for lines. `commands` are completed by Tab."""

    def __init__(self, commands: Sequence[str]) -> None:
        self._commands = [f"/{name}" for name in commands]
        if sys.platform != "win32":  # its console edits lines itself
            try:
                import readline
            except ImportError:
                return
            readline.set_completer_delims(" \t\n")
            readline.set_completer(self._complete)
            libedit = "libedit" in (readline.__doc__ or "")
            readline.parse_and_bind("set enable-bracketed-paste on")  # lines that are pasted together are one message
            readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")

    def ask(self) -> str:
        """The next line.

        Raises:
            EOFError: Ctrl-D, or the terminal is gone.
            KeyboardInterrupt: Ctrl-C.
        """
        screen.say()
        if sys.stdout.isatty():
            return from_terminal(input(MARK))
        # stdout carries answers and may be piped, so the prompt must not be printed there.
        print(MARK, end="", file=sys.stderr, flush=True)
        return from_terminal(input())

    def _complete(self, text: str, state: int) -> str | None:
        found = [f"{name} " for name in self._commands if text and name.startswith(text)]
        return found[state] if state < len(found) else None
