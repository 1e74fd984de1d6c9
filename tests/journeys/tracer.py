"""A sidecar that writes down each call inside its package: `python -m tests.journeys.tracer FILE [ARGUMENTS]`.

Owns the profile hook and the record, which is written to FILE when the process ends. A record has the calls of all
threads in the order in which they happened, and between them the lines of the wire: each as it is read, and before it
is written. Knows the program's entry and nothing behind it.

What counts as a call is whatever Python's profile hook reports as `call` for code whose file is in the package: the
call of a function, each resumption of a coroutine or generator, and the body of a module or a class that is run while
it is imported. The generated methods of contract structs are native and are not reported. What C extensions do is not
reported either.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

WIRE = b'{"jsonrpc"'
"""How every line of the wire begins, and nothing else that is read or written."""

CALL, READ, WRITTEN = "call", "read", "written"

Record = list[tuple[str, str]]
"""CALL with a module, its path in the package; READ or WRITTEN with a line or several."""


class Tracer:
    """Takes down what happens in this process.

    Args:
        package: the folder of the modules that count.

    Attributes:
        record: what has happened so far.
    """

    def __init__(self, package: Path) -> None:
        self.record: Record = []
        self._prefix = f"{package}{os.sep}"
        self._modules: dict[CodeType, str | None] = {}
        self._read, self._write, self._exit = os.read, os.write, os._exit

    def begin(self) -> None:
        """From now on take down calls on this thread and on those to come."""
        threading.setprofile(self._hook)
        sys.setprofile(self._hook)

    def watch_wire(self) -> None:
        """Take down the lines of the wire. They go through `os.read` and `os.write`, which are replaced."""
        os.read, os.write = self._reading, self._writing

    def save_at_exit(self, path: Path) -> None:
        """Write the record when the process ends. A sidecar ends by `os._exit`, which is replaced."""

        def leave(status: int) -> NoReturn:
            sys.setprofile(None)
            threading.setprofile(None)
            path.write_text(json.dumps(self.record), encoding="utf-8")
            self._exit(status)

        os._exit = leave

    def _hook(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        try:
            module = self._modules[code]
        except KeyError:
            module = self._modules[code] = self._module_of(code.co_filename)
        if module is not None:
            self.record.append((CALL, module))

    def _module_of(self, filename: str) -> str | None:
        return filename.removeprefix(self._prefix) if filename.startswith(self._prefix) else None

    def _reading(self, fd: int, length: int, /) -> bytes:
        data = self._read(fd, length)
        self._take_down(READ, data)
        return data

    def _writing(self, fd: int, data: ReadableBuffer, /) -> int:
        self._take_down(WRITTEN, data)
        return self._write(fd, data)

    def _take_down(self, kind: str, data: ReadableBuffer) -> None:
        view = memoryview(data)
        if view[: len(WIRE)] == WIRE:
            self.record.append((kind, bytes(view).decode()))


def load(path: Path) -> Record:
    """A record from the file that a traced sidecar has left."""
    return [(kind, what) for kind, what in json.loads(path.read_text(encoding="utf-8"))]


def main() -> int:
    """Be a sidecar, traced."""
    import sidecar

    path, *arguments = sys.argv[1:]
    sys.argv[1:] = arguments
    tracer = Tracer(Path(sidecar.__file__).parent)
    tracer.save_at_exit(Path(path))
    tracer.watch_wire()
    from sidecar.__main__ import main as be_sidecar

    tracer.begin()
    return be_sidecar()


if __name__ == "__main__":
    sys.exit(main())
