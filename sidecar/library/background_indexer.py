"""Headers that a listing has read only in part are read on beside everything else, so that the next listing is complete
and takes no time.

Owns the thread and how much of a processor it takes. Which headers those are is the library's business.
"""

from __future__ import annotations

import threading
import time

from sidecar.library.library import Library

SHARE = 0.25
"""Of one processor: a thousand large vocabularies take minutes then, and no engine notices."""


class BackgroundIndexer:
    """Reads on whenever a listing was not complete.

    Args:
        library: the library; its listings begin it.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        library.when_unread(self._begin)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is read on any more; whether that came about in time."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """End after the header that is being read, without waiting for that. Safe to call twice."""
        self._closed.set()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name="library", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            left = None
            while files := self._library.unread():
                if left is not None and len(files) >= left:
                    return  # they change as they are read; the next listing begins anew
                left = len(files)
                for file in files:
                    began = time.thread_time()
                    self._library.read_on(file)
                    if self._closed.wait((time.thread_time() - began) * (1 / SHARE - 1)):
                        return
            self._library.keep()
        finally:
            with self._lock:
                self._thread = None
