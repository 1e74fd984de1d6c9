"""The sidecars of `tests/app`, for reports about the whole program."""

from tests.app.conftest import engine, start_talk, talk

__all__ = ["engine", "start_talk", "talk"]
