"""Laws that hold for every method, each as one test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sidecar.contract import METHODS, Method


def for_every_method(law: Callable[[Any, Method], None]) -> Callable[[Any], None]:
    """One test of a law, which names the methods that break it."""

    def test(self: Any) -> None:
        broken: dict[str, str] = {}
        for method in METHODS.values():
            try:
                law(self, method)
            except Exception as problem:  # noqa: BLE001 - each is a failure of one method
                broken[method.name] = f"{type(problem).__name__}: {problem}"
        assert not broken

    test.__name__, test.__doc__ = law.__name__, law.__doc__
    return test
