"""The config file."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.contract.config import Config
from sidecar.contract.errors import DiskFull, InvalidParams, PermissionDenied, StorageError
from sidecar.storage.config import ConfigFile, merge, schema


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def loaded(path: Path) -> ConfigFile:
    file = ConfigFile(path)
    file.load()
    return file


def change(file: ConfigFile, changes: dict[str, Any]) -> Config:
    return file.keep(file.patched(changes))


def reset(file: ConfigFile, keys: list[str] | None) -> Config:
    return file.keep(file.without(keys))


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# --- reading -----------------------------------------------------------------------------------------------------


def test_without_a_file_the_defaults_count_and_none_is_made(path: Path) -> None:
    file = loaded(path)
    assert (file.config, file.notices, path.exists()) == (Config(), [], False)


def test_a_file_holds_what_differs_from_the_defaults(path: Path) -> None:
    path.write_text('{"chat": {"temperature": 0.5}}')
    file = loaded(path)
    assert (file.config.chat.temperature, file.config.server_defaults, file.notices) == (
        0.5,
        Config().server_defaults,
        [],
    )


BROKEN = {
    "cut off": b'{"chat": {"temp',
    "empty": b"",
    "no object": b"[1, 2]",
    "null": b"null",
    "not UTF-8": b'{"models": {"default": "\xff"}}',
    "zeros after a power cut": b"\0" * 300,
}


@pytest.mark.case(32)
@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_put_aside_and_the_defaults_count_and_a_notice_says_so(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    file = loaded(path)
    assert file.config == Config()
    [aside] = path.parent.iterdir()
    assert aside.name.startswith("config.broken-")
    assert aside.read_bytes() == data
    [notice] = file.notices
    assert notice.name == "CONFIG_BROKEN"
    assert aside.name in notice.message
    assert str(aside) in notice.hint
    change(file, {"chat": {"temperature": 1.0}})
    assert aside.read_bytes() == data
    assert loaded(path).config.chat.temperature == 1.0


def test_files_that_break_within_the_same_second_are_all_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda _: "20260101-000000")
    for number in range(3):
        path.write_text(f"broken {number}")
        loaded(path)
    assert sorted(p.read_text() for p in path.parent.iterdir()) == ["broken 0", "broken 1", "broken 2"]


def test_what_cannot_be_read_is_put_aside_too(path: Path) -> None:
    (path / "what is in it").mkdir(parents=True)
    file = loaded(path)
    [aside] = path.parent.iterdir()
    assert (names(aside), [n.name for n in file.notices]) == (["what is in it"], ["CONFIG_BROKEN"])
    change(file, {"chat": {"temperature": 1.0}})
    assert loaded(path).config.chat.temperature == 1.0


def test_where_nothing_can_be_put_aside_it_is_left_and_the_defaults_count(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    path.write_text("broken")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", read_only)
        file = loaded(path)
    assert (file.config, [n.name for n in file.notices], path.read_text()) == (Config(), ["CONFIG_BROKEN"], "broken")


# --- changing ----------------------------------------------------------------------------------------------------


def test_a_change_is_kept_and_only_the_change_is_written(path: Path) -> None:
    file = loaded(path)
    assert change(file, {"chat": {"temperature": 0.5, "top_k": 10}}).chat.temperature == 0.5
    change(file, {"chat": {"top_k": None}, "models": {"folders": ["/a"]}})
    assert json.loads(path.read_text()) == {"chat": {"temperature": 0.5}, "models": {"folders": ["/a"]}}
    assert loaded(path).config == file.config
    assert names(path.parent) == ["config.json"]


@pytest.mark.parametrize(
    ("patch", "where"),
    [
        ({"chatt": {}}, "$.patch.chatt"),
        ({"chat": {"temperatur": 1}}, "$.patch.chat.temperatur"),
        ({"chat": {"temperature": "hot"}}, "$.patch.chat.temperature"),
        ({"chat": 1}, "$.patch.chat"),
        ({"logs": {"kept_files": 0}}, "$.patch.logs.kept_files"),
        ({"models": {"folders": [1]}}, "$.patch.models.folders[0]"),
        ({"server_presets": {"fast": {"ctx_size": "x"}}}, "$.patch.server_presets[...].ctx_size"),
    ],
)
def test_a_change_that_is_not_allowed_changes_nothing_and_is_told_with_its_path(
    path: Path, patch: dict[str, Any], where: str
) -> None:
    file = loaded(path)
    change(file, {"chat": {"temperature": 0.5}})
    before = path.read_bytes()
    with pytest.raises(InvalidParams) as refused:
        change(file, patch | {"storage": {"deleted_retention_days": 1}})
    assert refused.value.data["path"] == where
    assert (path.read_bytes(), file.config.chat.temperature) == (before, 0.5)
    assert file.config.storage == Config().storage


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        (None, {}),
        (
            [],
            {"chat": {"temperature": 0.5, "top_k": 3}, "models": {"default": "m"}, "chat_presets": {"a": {"top_k": 1}}},
        ),
        (["chat.temperature"], {"chat": {"top_k": 3}, "models": {"default": "m"}, "chat_presets": {"a": {"top_k": 1}}}),
        (["chat", "models.default"], {"models": {}, "chat_presets": {"a": {"top_k": 1}}}),
        (["chat_presets.a", "chat", "models"], {"chat_presets": {}}),
        (["storage", "logs.level", "chat", "models", "chat_presets"], {"logs": {}}),
    ],
)
def test_keys_go_back_to_their_defaults(path: Path, keys: list[str] | None, left: dict[str, Any]) -> None:
    file = loaded(path)
    change(
        file,
        {"chat": {"temperature": 0.5, "top_k": 3}, "models": {"default": "m"}, "chat_presets": {"a": {"top_k": 1}}},
    )
    assert reset(file, keys) == msgspec.convert(left, Config)
    assert json.loads(path.read_text()) == left


@pytest.mark.parametrize(
    "key", ["", "nope", "chat.nope", "chat.temperature.deeper", ".chat", "chat.", "chat_presets.b"]
)
def test_a_key_that_there_is_not_cannot_be_reset(path: Path, key: str) -> None:
    file = loaded(path)
    change(file, {"chat": {"temperature": 0.5}, "chat_presets": {"a": {}}})
    with pytest.raises(InvalidParams) as refused:
        reset(file, ["chat", key])
    assert refused.value.data == {"path": "$.keys"}
    assert file.config.chat.temperature == 0.5


@pytest.mark.case(29, 30)
@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOSPC, DiskFull), (errno.EROFS, PermissionDenied), (errno.EIO, StorageError)]
)
def test_a_change_that_cannot_be_written_is_no_change(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    file = loaded(path)
    change(file, {"chat": {"temperature": 0.5}})

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(error):
            change(file, {"chat": {"temperature": 1}})
        with pytest.raises(error):
            reset(file, None)
    assert (file.config.chat.temperature, loaded(path).config.chat.temperature) == (0.5, 0.5)
    change(file, {"chat": {"temperature": 1}})
    assert loaded(path).config.chat.temperature == 1


def test_a_config_file_in_a_folder_that_is_not_there_cannot_be_written(tmp_path: Path) -> None:
    file = loaded(tmp_path / "missing" / "config.json")
    with pytest.raises(StorageError):
        change(file, {"chat": {"temperature": 1}})


# --- merge patches -----------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(  # the examples of RFC 7396, appendix A
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_are_merged_as_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


@given(target=values, patch=values)
def test_merging_twice_is_merging_once_and_changes_neither_side(target: Any, patch: Any) -> None:
    before = json.dumps([target, patch])
    once = merge(target, patch)
    assert merge(once, patch) == once
    assert json.dumps([target, patch]) == before


def test_the_schema_describes_every_key() -> None:
    described = schema()
    config = described["$defs"]["Config"]["properties"]
    assert set(config) == set(Config.__struct_fields__)
