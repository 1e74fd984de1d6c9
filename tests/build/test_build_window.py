"""The recipes of the app's window: what they need of the system, and versions that have to agree."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from recipes import system_packages, window
from recipes.console import Problem

from sidecar import __version__

ROOT = Path(__file__).resolve().parents[2]
SHELL = ROOT / "shell"
NEEDS = system_packages.Needs(purpose="It is tried", packages=("no-such",), programs=("no-such-program",))


def locked_page() -> dict[str, Any]:
    packages: dict[str, Any] = json.loads((SHELL / "package-lock.json").read_text())["packages"]
    return packages


def test_the_app_its_library_its_page_and_the_sidecar_have_one_version() -> None:
    crates = [tomllib.loads((SHELL / "src-tauri" / name).read_text()) for name in ("Cargo.toml", "host/Cargo.toml")]
    page = json.loads((SHELL / "package.json").read_text())
    assert [crate["package"]["version"] for crate in crates] == [__version__] * 2
    assert page["version"] == __version__


def test_the_page_and_the_app_have_the_same_minor_version_of_tauri() -> None:
    crates = tomllib.loads((SHELL / "src-tauri" / "Cargo.lock").read_text())["package"]
    crate = next(one["version"] for one in crates if one["name"] == "tauri")
    versions = {locked_page()[f"node_modules/@tauri-apps/{name}"]["version"] for name in ("api", "cli")}
    assert {version.split(".")[:2] == crate.split(".")[:2] for version in versions} == {True}


def test_the_pages_lock_file_names_what_other_systems_need_and_no_registry() -> None:
    packages = locked_page()
    optional = {name for one in packages.values() for name in one.get("optionalDependencies", {})}
    assert [name for name in sorted(optional) if f"node_modules/{name}" not in packages] == []
    assert [name for name, one in packages.items() if "resolved" in one] == []


def test_what_is_missing_is_said_with_what_to_type_where_nobody_may_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system_packages, "may_install", lambda: False)
    with pytest.raises(Problem) as raised:
        system_packages.ensure(NEEDS)
    assert "no-such-program" in raised.value.what
    assert "sudo apt install no-such" in raised.value.next_step


def test_what_is_missing_is_installed_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def install(packages: object) -> None:
        (tmp_path / "no-such-program").write_text("#!/bin/sh\n")
        (tmp_path / "no-such-program").chmod(0o755)

    monkeypatch.setattr(system_packages, "may_install", lambda: True)
    monkeypatch.setattr(system_packages, "install", install)
    monkeypatch.setenv("PATH", str(tmp_path))
    system_packages.ensure(NEEDS)
    assert NEEDS.missing() == []


def test_without_a_display_it_is_said_where_else_the_page_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Problem) as raised:
        window.must_have_display()
    assert "make web" in raised.value.next_step


def test_without_cargo_it_is_said_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem) as raised:
        window.cargo("build")
    assert "rustup" in raised.value.next_step
