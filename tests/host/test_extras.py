"""What to do where optional packages are missing."""

from __future__ import annotations

import sys

import pytest

from sidecar.host.extras import how_to_get


def test_from_source_the_extra_is_named() -> None:
    assert how_to_get("embedded") == "Install it with: pip install 'llama-sidecar[embedded]'."


def test_nothing_can_be_installed_into_a_frozen_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "pip" not in how_to_get("embedded")
    assert "whole llama-sidecar" in how_to_get("embedded")
