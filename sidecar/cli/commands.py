"""Dispatch of a command to the function that runs it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from sidecar.cli import wording
from sidecar.client import ConnectionClosed
from sidecar.contract.errors import SidecarError

FAILED = 1
INTERRUPTED = 130
"""A shell's exit code for a program that Ctrl-C has ended."""

READER_GONE = 141
"""A shell's exit code for a program that wrote into a pipe without a reader, as in `… | head`."""


def run_command(options: argparse.Namespace) -> int:
    """Run a command; returns the exit code. Errors are printed on stderr."""
    try:
        return _carry_out(options)
    except SidecarError as error:
        return _fail(wording.lines_of(error, takes_name=options.command in ("models", "engines")))
    except ConnectionClosed as error:
        return _fail(wording.broken(error))
    except BrokenPipeError:
        # Python flushes stdout once more at the end, and would complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED


def _carry_out(options: argparse.Namespace) -> int:
    if options.command == "call":
        from sidecar.cli.call import call

        return asyncio.run(call(options))
    if options.command == "doctor":
        from sidecar.cli.doctor import doctor

        return asyncio.run(doctor(options))
    if options.command == "models":
        from sidecar.cli.models import models

        return models(options)
    if options.command == "engines":
        from sidecar.cli.engines import engines

        return engines(options)
    from sidecar.cli.chat import chat

    return chat(options)


def _fail(lines: list[str], exit_code: int = FAILED) -> int:
    for line in lines:
        print(line, file=sys.stderr)
    return exit_code
