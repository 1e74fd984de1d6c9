"""Windows' job objects, as far as they can be tried elsewhere: the sizes that Windows checks, and a plain refusal."""

from __future__ import annotations

import ctypes

import pytest

from sidecar.host import job_object


@pytest.mark.skipif(ctypes.sizeof(ctypes.c_void_p) != 8, reason="the sizes of 64 bits")
def test_the_structures_have_the_sizes_that_windows_expects() -> None:
    assert (ctypes.sizeof(job_object.BasicLimits), ctypes.sizeof(job_object.ExtendedLimits)) == (64, 144)
    assert job_object.BasicLimits.LimitFlags.offset == 16


def test_where_there_are_none_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(job_object, "_joined", False)
    job_object.join()
    job_object.join()
    assert len(caplog.records) == 1
    assert "may outlive it" in caplog.text
