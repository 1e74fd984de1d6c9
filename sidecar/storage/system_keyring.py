"""The operating system's keyring.

Owns which keyrings are acceptable, and that a hanging call blocks no caller: it may wait for a person's password. Knows
nothing of what is kept there: the history's key (`history_key`), the hub's token (`library.hub.token`).
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
"""The name under which the keyring lists our secrets."""

T = TypeVar("T")


class NoKeyring(Exception):
    """No keyring keeps secrets safe; the text says what was found instead."""


def backend() -> KeyringBackend:
    """The keyring of the system or of the user's choice. May hang.

    Raises:
        ImportError: the package for it is not installed.
        NoKeyring: there is none, or only one that keeps secrets where others can read them.
    """
    import keyring
    from keyring.core import init_backend, recommended

    try:
        init_backend(limit=recommended)
        found = keyring.get_keyring()
        usable = recommended(found)
    except Exception as error:
        raise NoKeyring(f"{type(error).__name__} during the search") from error
    if not usable:
        raise NoKeyring(f"{type(found).__module__}.{type(found).__qualname__}")
    return found


class KeyringCall(Generic[T]):
    """A call to the keyring on a thread of its own, started immediately. Its answer may come late.

    Args:
        call: the call; `result` raises whatever it raises.
    """

    def __init__(self, call: Callable[[], T]) -> None:
        self._answer: Future[T] = Future()
        # A daemon: nothing ends a hanging call, and the shutdown must not wait for it.
        threading.Thread(target=self._run, args=(call,), name="keyring", daemon=True).start()

    @property
    def done(self) -> bool:
        """Whether the call was answered or cancelled."""
        return self._answer.done()

    def result(self, timeout: float) -> T:
        """The answer. From any thread, as often as needed.

        Args:
            timeout: seconds to wait; 0 does not wait.

        Raises:
            TimeoutError: there is no answer yet.
            concurrent.futures.CancelledError: the call was cancelled.
        """
        return self._answer.result(timeout)

    def cancel(self) -> None:
        """Stop waiting for the answer. From any thread."""
        self._answer.cancel()

    def _run(self, call: Callable[[], T]) -> None:
        try:
            try:
                answer = call()
            except Exception as error:  # noqa: BLE001 - `result` raises it
                self._answer.set_exception(error)
            else:
                self._answer.set_result(answer)
        except InvalidStateError:
            logger.info("the system's keyring answered after its call was cancelled")
