"""The operating system's keyring.

Owns which keyrings are good enough, and that a call which hangs blocks no caller: it may wait for a person's password.
Knows nothing of what is kept there: the history's key (`history_key`), the hub's token (`library.hub.token`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

logger = logging.getLogger(__name__)

SERVICE = "llama-sidecar"
"""Under which the keyring lists our secrets."""

T = TypeVar("T")


class NoKeyring(Exception):
    """There is no keyring that keeps secrets safe; the text is what was found in its place."""


def backend() -> KeyringBackend:
    """The keyring that the system, or the user's own choice, names. May hang.

    Raises:
        ImportError: the package for it is not installed.
        NoKeyring: there is none, or one that keeps what it is given where anybody can read it.
    """
    import keyring
    from keyring.core import init_backend, recommended

    try:
        init_backend(limit=recommended)
        found = keyring.get_keyring()
        usable = recommended(found)
    except Exception as error:
        raise NoKeyring(f"{type(error).__name__} when it was searched for") from error
    if not usable:
        raise NoKeyring(f"{type(found).__module__}.{type(found).__qualname__}")
    return found


class KeyringCall(Generic[T]):
    """A call of the keyring on a thread of its own, which begins immediately. Its answer may come late.

    Args:
        call: what is asked; whatever it raises is raised by `result`.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._answer: Future[T] = Future()
        # A daemon: nothing ends a call that hangs, and the sidecar's end must not wait for it.
        threading.Thread(target=self._run, args=(call,), name="keyring", daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether it has been answered, or cancelled."""
        return self._answer.done()

    def result(self, timeout: float) -> T:
        """The answer. From any thread, as often as needed.

        Args:
            timeout: seconds to wait for it; 0 takes only what is there.

        Raises:
            TimeoutError: it has not been answered yet.
            concurrent.futures.CancelledError: it was cancelled.
        """
        return self._answer.result(timeout)

    def cancel(self) -> None:
        """Wait for no answer any more. From any thread."""
        self._answer.cancel()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            try:
                answer = call()
            except Exception as error:  # noqa: BLE001 - carried to whoever asks for the result
                self._answer.set_exception(error)
            else:
                self._answer.set_result(answer)
        except InvalidStateError:
            logger.info("the system's keyring answered after its call was cancelled")
