"""Stamps: when a step is done again and when it is not."""

import importlib.util
from pathlib import Path

import pytest
from recipes import console, processes
from recipes.environment import Environment, stamp_key, version_in


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment that looks made, without the seconds that making one takes."""
    monkeypatch.setenv("LLAMA_SIDECAR_CACHE_DIR", str(tmp_path / "cache"))
    result = Environment(tmp_path / "venv")
    result.python.parent.mkdir(parents=True)
    result.python.touch()
    (result.folder / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.11.7\n", encoding="utf-8")
    return result


def file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_the_same_files_and_facts_give_the_same_key(tmp_path: Path) -> None:
    lock = file(tmp_path, "run.txt", "a==1")
    assert stamp_key(files=[lock], facts=["3.11.7"]) == stamp_key(files=[lock], facts=["3.11.7"])


def test_a_change_of_content_name_fact_or_border_gives_another_key(tmp_path: Path) -> None:
    one, two = file(tmp_path, "one.txt", "a==1"), file(tmp_path, "two.txt", "a==1")
    changed = file(tmp_path, "changed.txt", "a==2")
    keys = [
        stamp_key(files=[one]),
        stamp_key(files=[two]),
        stamp_key(files=[changed]),
        stamp_key(files=[one, two]),
        stamp_key(files=[two, one]),
        stamp_key(files=[one], facts=["3.11"]),
        stamp_key(facts=["ab", "c"]),
        stamp_key(facts=["a", "bc"]),
        stamp_key(files=[tmp_path / "missing.txt"]),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("home = /usr/bin\nversion = 3.11.7\n", (3, 11, 7)),
        ("version_info = 3.12.1.final.0\n", (3, 12, 1)),
        ("version=3.13\n", (3, 13)),
        ("version = unknown\n", None),
        ("home = /usr/bin\n", None),
        ("", None),
    ],
)
def test_the_python_version_is_read_from_each_spelling_of_pyvenv_cfg(
    text: str, expected: tuple[int, ...] | None
) -> None:
    assert version_in(text) == expected


def test_a_step_that_is_recorded_is_not_missing_and_one_with_another_key_is(made: Environment) -> None:
    with made.once("run", "key 1") as missing:
        assert missing
    with made.once("run", "key 1") as missing:
        assert not missing
    with made.once("run", "key 2") as missing:
        assert missing


def test_a_step_that_fails_is_done_again_next_time(made: Environment) -> None:
    with pytest.raises(console.Problem), made.once("run", "key"):
        raise console.Problem("pip failed.", next_step="Try again.")
    assert not made.has("run", "key")


def test_a_stamp_counts_for_nothing_once_the_python_is_gone(made: Environment) -> None:
    made.record("run", "key")
    made.python.unlink()
    assert not made.has("run", "key")


def test_a_moved_environment_has_other_keys_since_its_scripts_name_the_old_folder(made: Environment) -> None:
    before = made.key()
    moved = Environment(made.folder.with_name("moved"))
    made.folder.rename(moved.folder)
    assert moved.version == (3, 11, 7)
    assert moved.key() != before


def test_an_environment_that_was_cut_short_or_is_too_old_is_made_anew(
    made: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[Environment] = []
    monkeypatch.setattr(Environment, "_make", lambda self: again.append(self))
    monkeypatch.setattr(processes, "output", lambda _argv: "pip 26")

    made.record("unfinished", "")
    made.ensure_made()
    assert again == [made]

    (made.folder / "stamps" / "unfinished").unlink()
    (made.folder / "stamps" / "made").unlink()
    (made.folder / "pyvenv.cfg").write_text("version = 3.10.2\n", encoding="utf-8")
    made.ensure_made()
    assert again == [made, made]


def test_a_good_environment_made_by_hand_is_taken_over(made: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "output", lambda _argv: "pip 26")
    monkeypatch.delattr(Environment, "_make")
    made.ensure_made()
    assert made.has("made", made.key())


@pytest.mark.parametrize(("options", "tries"), [((), processes.TRIES), (("--no-index",), 1)])
def test_pip_is_tried_again_where_it_needs_the_network(
    options: tuple[str, ...], tries: int, made: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[object] = []

    def fail(argv: processes.Argv, **_: object) -> int:
        called.append(argv)
        return 23

    monkeypatch.setattr(processes, "TRY_AGAIN_S", 0.0)
    monkeypatch.setattr(processes, "call", fail)
    with pytest.raises(console.Problem) as caught:
        made.pip("install", *options, "something")
    assert (len(called), caught.value.exit_code) == (tries, 23)


def test_a_python_without_venv_is_answered_with_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_SIDECAR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(console.Problem) as caught:
        Environment(tmp_path / "venv").ensure_made()
    assert "-venv" in caught.value.next_step
    assert not (tmp_path / "venv").exists()
