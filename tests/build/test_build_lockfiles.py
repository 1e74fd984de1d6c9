"""The lock files: what is committed, and what `lock` makes of a pip configuration."""

import re

import pytest
from recipes import lockfiles, places
from recipes.downloads import Pin, pinned_hash
from recipes.llama_cpp import SDIST
from recipes.llama_cpp_recipe import VERSION
from recipes.lockfiles import foreign_text, uv_environment
from recipes.starter_model import WHEEL

LOCKS = sorted(path.name for path in places.LOCKS.glob("*.txt"))


def lock(name: str) -> str:
    return (places.LOCKS / name).read_text(encoding="utf-8")


def versions(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock(name), re.MULTILINE):
        found.setdefault(package, []).append(version)
    return found


def test_every_lock_file_is_made_by_the_lock_command_or_pins_one_artefact() -> None:
    made = {f"{name}.txt" for name in lockfiles.SOURCES}
    assert made | {"starter-model.txt", "llama-cpp-python.txt"} == set(LOCKS)


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_carries_a_hash(name: str) -> None:
    text = re.sub(r"^\s*#.*$", "", lock(name), flags=re.MULTILINE).replace("\\\n", " ")
    requirements = [line for line in text.splitlines() if line.strip()]
    assert requirements
    assert [line for line in requirements if not re.search(r"^[\w.-]+==.*--hash=sha256:[0-9a-f]{64}", line)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_file_says_where_it_was_made(name: str) -> None:
    assert foreign_text(lock(name), [str(places.ROOT)]) == []


@pytest.mark.parametrize("name", ["dev.txt", "freeze.txt"])
def test_what_is_tested_and_what_is_frozen_is_the_program_in_the_same_versions(name: str) -> None:
    others = versions(name)
    assert {package: others.get(package) for package in versions("run.txt")} == versions("run.txt")


def test_packages_in_both_the_build_tools_and_the_development_packages_have_one_version() -> None:
    build, develop = versions("build.txt"), versions("dev.txt")
    shared = build.keys() & develop.keys()
    assert {name: build[name] for name in shared} == {name: develop[name] for name in shared}


def test_the_llama_cpp_python_version_is_the_same_wherever_it_is_written() -> None:
    assert versions("llama-cpp-python.txt") == {"llama-cpp-python": [VERSION]}
    assert f"llama-cpp-python[server]=={VERSION}" in lock("native.in").split()


@pytest.mark.parametrize("pin", [WHEEL, SDIST], ids=["model", "llama.cpp"])
def test_a_pinned_artefact_has_one_hash_and_a_file_name_of_its_version(pin: Pin) -> None:
    assert len(pinned_hash(lock(f"{pin.lock}.txt"))) == 64
    [(package, [version])] = versions(f"{pin.lock}.txt").items()
    assert pin.file.startswith(f"{package.replace('-', '_')}-{version}")


def test_a_lock_file_with_more_than_one_hash_is_no_pin() -> None:
    with pytest.raises(ValueError, match="holds 2"):
        pinned_hash(f"a==1 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}")


def test_uv_is_told_what_pip_is_told() -> None:
    config = (
        "global.index-url='https://a/simple'\n:env:.cert='/c.crt'\nglobal.extra-index-url='\\nhttps://b\\nhttps://d'"
    )
    assert uv_environment(config, {}) == {
        "UV_DEFAULT_INDEX": "https://a/simple",
        "SSL_CERT_FILE": "/c.crt",
        "UV_INDEX": "https://b https://d",
    }


def test_what_the_user_has_set_for_uv_stays() -> None:
    assert uv_environment("global.index-url='https://a'\n", {"UV_DEFAULT_INDEX": "https://mine"}) == {}


def test_settings_that_uv_has_no_use_for_are_left_out() -> None:
    assert uv_environment("global.timeout='60'\n:env:.disable-pip-version-check='1'\n\n", {}) == {}


def test_addresses_and_folders_of_the_machine_are_found_in_a_lock_file() -> None:
    text = "a==1\n--index-url https://mirror/simple\n# from /home/ada/tree/x.in\nb==2\n"
    assert foreign_text(text, ["/home/ada/tree"]) == ["--index-url https://mirror/simple", "# from /home/ada/tree/x.in"]
