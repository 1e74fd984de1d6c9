"""Exceptions as hosts see them."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, field

from sidecar.contract import Params
from sidecar.contract.errors import Cancelled, SessionNotFound, SidecarError
from sidecar.dispatch.errors import as_sidecar_error

SECRET = "do not tell: /home/me/prompt"


class Inner(Params):
    size: int


class Wanted(Params):
    name: str
    count: Annotated[int, Meta(ge=1)] = 1
    inner: Inner | None = None
    many: list[Inner] = field(default_factory=list)


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, "$.name"),
        ({"name": "a", "wrong": 1}, "$.wrong"),
        ({"name": 1}, "$.name"),
        ({"name": "a", "count": 0}, "$.count"),
        ({"name": "a", "count": "1"}, "$.count"),
        ({"name": "a", "inner": {}}, "$.inner.size"),
        ({"name": "a", "inner": {"size": None}}, "$.inner.size"),
        ({"name": "a", "inner": {"size": 1, "x": 1}}, "$.inner.x"),
        ({"name": "a", "many": [{"size": 1}, {"size": "1"}]}, "$.many[1].size"),
        ({"name": "a", "many": 1}, "$.many"),
    ],
)
def test_wrong_params_are_told_with_their_path(params: dict[str, object], path: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(params, Wanted)
    error = as_sidecar_error(caught.value).to_wire()
    assert (error["code"], error["data"]["name"], error["data"]["path"]) == (-32602, "INVALID_PARAMS", path)


@pytest.mark.parametrize(
    ("exception", "name"),
    [
        (SessionNotFound("no"), "SESSION_NOT_FOUND"),
        (OSError(errno.ENOSPC, SECRET), "DISK_FULL"),
        (OSError(errno.EDQUOT, SECRET), "DISK_FULL"),
        (OSError(errno.EACCES, SECRET), "PERMISSION_DENIED"),
        (OSError(errno.EPERM, SECRET), "PERMISSION_DENIED"),
        (OSError(errno.EROFS, SECRET), "PERMISSION_DENIED"),
        (OSError(errno.EIO, SECRET), "INTERNAL_ERROR"),
        (RuntimeError(SECRET), "INTERNAL_ERROR"),
        (KeyError(SECRET), "INTERNAL_ERROR"),
        (SystemExit(3), "INTERNAL_ERROR"),
        (RecursionError(SECRET), "INTERNAL_ERROR"),
        (MemoryError(), "INTERNAL_ERROR"),
        (ExceptionGroup(SECRET, [SessionNotFound("no")]), "SESSION_NOT_FOUND"),
        (ExceptionGroup("", [ExceptionGroup("", [OSError(errno.ENOSPC, "")])]), "DISK_FULL"),
        (ExceptionGroup(SECRET, [SessionNotFound("no"), RuntimeError(SECRET)]), "INTERNAL_ERROR"),
        (BaseExceptionGroup(SECRET, [SystemExit(1)]), "INTERNAL_ERROR"),
    ],
)
def test_every_exception_is_an_error_that_tells_no_more_than_it_should(exception: BaseException, name: str) -> None:
    error = as_sidecar_error(exception)
    assert error.to_wire()["data"]["name"] == name
    assert "do not tell" not in str(error.to_wire())


def test_a_cancellation_is_told_as_one() -> None:
    assert isinstance(as_sidecar_error(asyncio.CancelledError()), Cancelled)


def test_an_unforeseen_exception_is_found_again_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = as_sidecar_error(RuntimeError("the details"))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert error.data["error_id"] in record.getMessage()
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the details"


def test_an_error_of_ours_stays_the_same_object() -> None:
    error = SidecarError.__new__(SessionNotFound)
    assert as_sidecar_error(error) is error
