"""From a command's name to what carries it out."""

from __future__ import annotations

import argparse
import asyncio
import sys

from sidecar.client import ConnectionClosed
from sidecar.contract.errors import SidecarError

FAILED = 1
NEEDS_EXTRA = 2


def run_command(options: argparse.Namespace) -> int:
    """Carry out a command; returns the exit code. What went wrong is told on stderr."""
    try:
        if options.command == "call":
            from sidecar.cli.call import call

            return asyncio.run(call(options))
        if options.command == "doctor":
            from sidecar.cli.doctor import doctor

            return asyncio.run(doctor(options))
        from sidecar.cli.chat import chat

        return chat(options)
    except ModuleNotFoundError as error:
        if error.name != "rich":
            raise
        print("This needs the terminal extra: pip install 'llama-sidecar[cli]'.", file=sys.stderr)
        return NEEDS_EXTRA
    except SidecarError as error:
        print(f"{error.message} {error.hint}".strip(), file=sys.stderr)
        return FAILED
    except ConnectionClosed as error:
        print(f"The connection broke: {error}. Its log may say why: see --log-level debug.", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
