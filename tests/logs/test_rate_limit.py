"""How many log lines one place may write."""

from __future__ import annotations

import logging
import sys

from sidecar.logs.rate_limit import MOST_LINES, MOST_PLACES, WINDOW_SECONDS, LimitedHandler, RateLimit


def record(text: str = "again", *, line: int = 1, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, None) if error else None
    return logging.LogRecord("n", logging.ERROR, "a.py", line, text, None, info)


class Minute:
    """A limit with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limit = RateLimit(lambda: self.now)

    def texts(self, *records: logging.LogRecord) -> list[str]:
        return [passed.getMessage() for one in records for passed in self.limit.passed(one)]


def test_a_place_that_repeats_itself_is_suppressed_and_counted() -> None:
    minute = Minute()
    texts = minute.texts(*[record()] * 1000)
    assert texts[:-1] == ["again"] * MOST_LINES
    assert texts[-1] == "… more lines like the last one are suppressed for up to 60 s"
    minute.now = WINDOW_SECONDS
    assert minute.texts(record()) == [f"… suppressed {1000 - MOST_LINES} more lines like the next one", "again"]
    minute.now *= 2
    assert minute.texts(record()) == ["again"]


def test_other_places_and_other_errors_are_written_meanwhile() -> None:
    minute = Minute()
    minute.texts(*[record(error=OSError())] * 1000)
    assert minute.texts(record("other line", line=2), record("other error", error=ValueError())) == [
        "other line",
        "other error",
    ]
    assert minute.texts(record(error=OSError())) == []


def test_places_do_not_pile_up() -> None:
    minute = Minute()
    for line in range(MOST_PLACES + 100):
        minute.texts(record(line=line))
    assert len(minute.limit._windows) == MOST_PLACES


def test_tracebacks_of_one_place_stay_small_in_the_log() -> None:
    written: list[str] = []

    class Writing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(self.format(record))

    logger = logging.Logger("limited")
    logger.addHandler(LimitedHandler([Writing()]))
    for _ in range(5_000):
        try:
            raise OSError("Too many open files")
        except OSError:
            logger.exception("it could not be accepted", exc_info=sys.exc_info())
    assert len(written) == MOST_LINES + 1
    assert sum(map(len, written)) < 100_000
