"""Where the cache is on each OS."""

from pathlib import Path

import pytest
from recipes import places

HOME = Path("/home/ada").absolute()
XDG = Path("/var/xdg").absolute()


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, HOME / ".cache" / "llama-sidecar"),
        ("linux", {"XDG_CACHE_HOME": str(XDG)}, XDG / "llama-sidecar"),
        ("linux", {"XDG_CACHE_HOME": "relative/folder"}, HOME / ".cache" / "llama-sidecar"),
        ("linux", {"XDG_CACHE_HOME": ""}, HOME / ".cache" / "llama-sidecar"),
        ("darwin", {"XDG_CACHE_HOME": str(XDG)}, HOME / "Library" / "Caches" / "llama-sidecar"),
        ("win32", {"LOCALAPPDATA": str(HOME / "Local")}, HOME / "Local" / "llama-sidecar" / "Cache"),
        ("win32", {}, HOME / "AppData" / "Local" / "llama-sidecar" / "Cache"),
    ],
)
def test_the_cache_is_where_the_system_keeps_caches(platform: str, environ: dict[str, str], expected: Path) -> None:
    assert places.cache_folder(platform=platform, environ=environ, home=HOME) == expected


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_a_named_cache_folder_is_taken_as_it_is_on_every_system(platform: str, tmp_path: Path) -> None:
    environ = {"LLAMA_SIDECAR_CACHE_DIR": str(tmp_path), "XDG_CACHE_HOME": str(XDG)}
    assert places.cache_folder(platform=platform, environ=environ, home=HOME) == tmp_path


def test_a_path_inside_the_tree_is_shown_from_its_top_and_others_in_full(tmp_path: Path) -> None:
    assert places.shown(places.LOCKS / "run.txt") == str(Path("build", "locks", "run.txt"))
    assert places.shown(tmp_path) == str(tmp_path)
