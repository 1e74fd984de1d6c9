"""Errors of child processes, whatever they are for.

    ProcessError
    ├── ProgramNotFound     there is no program at this path
    ├── SpawnRefused        the system does not run it; `reason` says why
    └── CaptureFailed       it ran and gave no usable output

Callers turn these into errors that name the purpose of the process.
"""

from __future__ import annotations

from typing import Literal

SpawnReason = Literal[
    "bad_arguments",
    "arguments_too_long",
    "missing_loader",
    "permission_denied",
    "short_of_descriptors",
    "wrong_format",
    "other",
]


class ProcessError(Exception):
    """Attributes: program, the path of what was to run."""

    def __init__(self, program: str, message: str) -> None:
        super().__init__(message)
        self.program = program


class ProgramNotFound(ProcessError):
    """There is no program at this path."""


class SpawnRefused(ProcessError):
    """The system does not run the program.

    Attributes:
        reason: which kind of refusal.
    """

    def __init__(self, program: str, message: str, *, reason: SpawnReason) -> None:
        super().__init__(program, message)
        self.reason = reason


class CaptureFailed(ProcessError):
    """A program that was run for its output gave none that is usable.

    Attributes:
        argv: what was run.
        output: the bytes that came.
        exit_code: negative for a signal; `None` where it did not end in time or wrote too much.
        timed_out: whether it did not end in time.
    """

    def __init__(
        self, argv: tuple[str, ...], message: str, *, output: bytes, exit_code: int | None, timed_out: bool = False
    ) -> None:
        super().__init__(argv[0], message)
        self.argv = argv
        self.output = output
        self.exit_code = exit_code
        self.timed_out = timed_out
