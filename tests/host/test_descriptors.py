"""The wire's descriptors, taken away from everything else in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

TAKE = "import os, sys; from sidecar.host.descriptors import take_wire; r, w = take_wire()\n"


def run(code: str, *, close: str = "", stdin: bytes = b"from the host") -> subprocess.CompletedProcess[bytes]:
    """Run Python with some of its standard streams closed before it starts."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {close}', "sh", sys.executable, "-c", TAKE + code],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_only_the_wire_reaches_the_host() -> None:
    done = run(
        "os.write(w, b'wire')\n"
        "print('python'); sys.stdout.flush()\n"
        "os.write(1, b'descriptor')\n"
        "import subprocess; subprocess.run(['/bin/sh', '-c', 'echo child'])\n"
        "import ctypes; libc = ctypes.CDLL(None); libc.puts(b'native'); libc.fflush(None)\n"
    )
    assert done.returncode == 0
    assert done.stdout == b"wire"
    for stray in (b"python", b"descriptor", b"child", b"native"):
        assert stray in done.stderr


def test_the_wire_is_read_from_its_own_descriptor_and_stdin_is_empty() -> None:
    done = run("os.write(w, os.read(r, 100) + b'|' + sys.stdin.buffer.read() + b'|' + os.read(0, 100))")
    assert done.stdout == b"from the host||"


def test_children_do_not_get_the_wire() -> None:
    done = run(
        "import subprocess\n"
        "for fd in (0, 1, 2, r, w):\n"
        "    ask = [sys.executable, '-c', f'import os; os.fstat({fd})']\n"
        "    has_it = subprocess.run(ask, close_fds=False).returncode == 0\n"
        "    os.write(w, b'%d' % has_it)\n"
    )
    assert done.stdout == b"11100", done.stderr


@pytest.mark.parametrize(
    "close",
    ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"],
)
def test_streams_that_are_closed_at_the_start_are_replaced_and_stay_taken(close: str) -> None:
    done = run(
        "assert [os.fstat(fd) and fd for fd in (0, 1, 2, r, w)] and r > 2 and w > 2, (r, w)\n"
        "new = os.open(os.devnull, os.O_RDONLY)\n"
        "assert new > 2, new  # else stray output would land in the next file that is opened\n"
        "assert os.read(0, 10) == b''\n"
        "os.write(1, b'stray')\n"
        "os.write(w, b'wire')\n"
        "os._exit(7)\n",
        close=close,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout == (b"" if ">&-" in close.replace("2>&-", "") else b"wire")
