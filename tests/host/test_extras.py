"""What to do where optional packages are missing."""

from __future__ import annotations

import sys
from importlib import metadata

import pytest

from sidecar.host.extras import how_to_get


def test_the_packages_of_an_extra_and_the_python_to_install_them_for_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["anyio>=4", "aiohttp>=3.10; extra == 'hub'", "huggingface_hub>=1; extra == 'hub'", "x>=1; extra == 'y'"]
    monkeypatch.setattr(metadata, "requires", lambda name: required)
    monkeypatch.setattr(sys, "executable", "/a folder/python")
    pip = "'/a folder/python' -m pip install 'aiohttp>=3.10' 'huggingface_hub>=1'"
    assert how_to_get("hub") == f"Install it with: {pip}."


def test_every_extra_that_a_sentence_could_name_has_packages() -> None:
    extras = metadata.metadata("llama-sidecar").get_all("Provides-Extra") or []
    assert {"embedded", "hub", "web", "images", "encrypt"} <= set(extras)
    assert all(" -m pip install " in how_to_get(extra) for extra in extras)


def test_sources_that_were_never_installed_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert "'hub'" in how_to_get("hub")


def test_nothing_can_be_installed_into_a_frozen_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "pip" not in how_to_get("embedded")
    assert "whole llama-sidecar" in how_to_get("embedded")
