"""Hosts switch on error names and codes, so neither ever changes."""

from __future__ import annotations

from sidecar.contract.errors import SidecarError, all_errors
from sidecar.contract.remedies import RETRY

CODES = {
    -32700: "PARSE_ERROR",
    -32600: "INVALID_REQUEST",
    -32601: "METHOD_NOT_FOUND",
    -32602: "INVALID_PARAMS",
    -32603: "INTERNAL_ERROR",
    -32800: "CANCELLED",
    -32001: "OVERLOADED",
    -32002: "RESULT_TOO_LONG",
    -32010: "SERVER_NOT_RUNNING",
    -32011: "SERVER_ALREADY_RUNNING",
    -32012: "ENGINE_NOT_FOUND",
    -32013: "ENGINE_START_FAILED",
    -32014: "ENGINE_CRASHED",
    -32015: "ENGINE_UNRESPONSIVE",
    -32016: "CONTEXT_TOO_LONG",
    -32017: "MODEL_NOT_FOUND",
    -32018: "MODEL_INVALID",
    -32019: "MODEL_IN_USE",
    -32020: "DELETE_NOT_ALLOWED",
    -32021: "DOWNLOAD_FAILED",
    -32022: "CHECKSUM_MISMATCH",
    -32023: "DISK_FULL",
    -32024: "PERMISSION_DENIED",
    -32025: "PATH_NOT_ALLOWED",
    -32026: "PORT_IN_USE",
    -32027: "SESSION_NOT_FOUND",
    -32028: "QUEUE_FULL",
    -32029: "DATA_DIR_LOCKED",
    -32030: "STORAGE_ERROR",
    -32031: "NOT_SUPPORTED",
    -32040: "DOWNLOAD_NOT_FOUND",
    -32041: "HUB_ACCESS_DENIED",
    -32042: "ADDRESS_NOT_ALLOWED",
    -32043: "ENGINE_IN_USE",
    -32044: "ARCHIVE_INVALID",
}
"""New ones are added here; those that are here stay."""


def test_every_error_has_the_code_that_it_has_always_had() -> None:
    assert {error.code: error.name for error in all_errors()} == CODES


def test_no_two_errors_share_a_code_or_a_name() -> None:
    errors = all_errors()
    assert len({error.code for error in errors}) == len(errors)
    assert len({error.name for error in errors}) == len(errors)


def test_every_error_is_described() -> None:
    assert all((error.__doc__ or "").strip().endswith(".") for error in all_errors())
    assert all(error.__doc__ != SidecarError.__doc__ for error in all_errors())


def test_a_hint_is_one_sentence_or_nothing() -> None:
    for error in all_errors():
        assert error.default_hint == "" or error.default_hint.endswith("."), error.name


def test_an_error_says_on_the_wire_what_its_class_says() -> None:
    for error in all_errors():
        assert error("It failed.", hint="Try again.", remedies=[RETRY], more=1).to_wire() == {
            "code": error.code,
            "message": "It failed.",
            "data": {
                "name": error.name,
                "retryable": error.retryable,
                "hint": "Try again.",
                "remedies": [{"action": "retry", "params": {}}],
                "more": 1,
            },
        }
