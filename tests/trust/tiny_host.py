"""A host as small as can be, so that it can be killed: it starts a sidecar and passes lines on, both ways.

Run as `python -I -S tiny_host.py COMMAND…`. The sidecar's stdin is descriptor 9 here, and nowhere else.
"""

import os
import select
import sys

SIDECAR_STDIN = 9


def main() -> None:
    """Pass lines on until the sidecar closes its stdout."""
    down_read, down_write = os.pipe()
    up_read, up_write = os.pipe()
    os.dup2(down_write, SIDECAR_STDIN, inheritable=False)
    os.close(down_write)
    command = [*sys.argv[1:], "--host-pid", str(os.getpid())]
    streams = [(os.POSIX_SPAWN_DUP2, down_read, 0), (os.POSIX_SPAWN_DUP2, up_write, 1)]
    os.posix_spawn(command[0], command, os.environ, file_actions=streams)
    os.close(down_read)
    os.close(up_write)
    ways = {0: SIDECAR_STDIN, up_read: 1}
    while up_read in ways:
        for source in select.select(list(ways), [], [])[0]:
            if data := os.read(source, 65536):
                os.write(ways[source], data)
            else:
                os.close(ways.pop(source))


if __name__ == "__main__":
    main()
