"""The program's entry: `llama-sidecar`, or `python -m sidecar`.

Owns the first steps: remove the traces of a frozen program's loader, choose what the program is run as, and take the
wire before anything is imported that could write to it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import argparse


def main() -> int:
    """Run the program with the process's arguments; returns its exit code."""
    from sidecar.host.environment import leave_bundle

    leave_bundle()
    arguments = sys.argv[1:]
    if arguments[:2] == ["engine-child", "embedded"]:
        from sidecar.engines.kinds import embedded_child

        return embedded_child.main(arguments[2])

    if arguments[:1] == ["end-processes-of"]:
        from sidecar.processes import tags

        return tags.main(arguments[1])

    from sidecar.cli.arguments import parse
    from sidecar.cli.printable import guard

    guard()
    options = parse(arguments)
    if options.command not in (None, "serve"):
        from sidecar.cli.commands import run_command

        return run_command(options)
    return serve(options)


def serve(options: argparse.Namespace) -> NoReturn:
    """Serve a host on stdin and stdout, or pages; ends the process."""
    import gc
    import os

    from sidecar.host import limits
    from sidecar.host.descriptors import take_wire

    read_fd, write_fd = take_wire()
    limits.raise_open_files()
    limits.forbid_core_dumps()

    gc.disable()  # imports make objects that stay; collections would take a twentieth of the time

    from sidecar import app

    gc.freeze()  # later collections skip them, too
    gc.enable()
    code = 1
    try:
        app_options = app.Options(
            data_dir=options.data_dir,
            config_file=options.config,
            max_line_bytes=options.max_line_bytes,
            log_level=options.log_level,
            host_pid=options.host_pid,
        )
        if options.command == "serve" and options.web:
            from sidecar.cli.serve import serve_pages

            code = serve_pages(options, app_options, read_fd, write_fd)
        else:
            app.serve(app_options, read_fd, write_fd)
            code = 0
    except BaseException:  # noqa: BLE001 - a defect of ours
        sys.excepthook(*sys.exc_info())
    finally:
        # Not return: a thread may block in a read until the host ends, or in a dead disk or GPU driver.
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
