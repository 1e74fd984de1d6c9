"""The program frozen: a folder for bundles, a slim one, and a single file, made from one analysis.

Owns where the products are, what decides how they come out, and the proof that two builds are alike. What is in them
stands in build/freeze: the PyInstaller spec, the packer, and the launcher of the single file.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from recipes import page, places, processes
from recipes.console import Problem, say, step
from recipes.environment import Environment, stamp_key
from recipes.files import replacing, sha256_of
from recipes.llama_cpp import python_tag

PROGRAM = "llama-sidecar.exe" if os.name == "nt" else "llama-sidecar"
FREEZE = Path("build", "freeze")
LAUNCHER = FREEZE / "launcher"
PAGE = page.BUILT.relative_to(places.ROOT)
SOURCES = (Path("sidecar"), FREEZE, PAGE)
NO_SOURCES = {"__pycache__", "target"}
STAMP = ".frozen"

# What else would differ from build to build: the order of sets, and the times in archives (1980, zip's first year).
ALIKE = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "315532800"}
MB = 1_000_000


@dataclass(frozen=True)
class Products:
    """Where the products of one build are, each named with the target that it runs on."""

    dist: Path
    target: str

    @property
    def onedir(self) -> Path:
        return self.dist / "onedir" / f"llama-sidecar-{self.target}"

    @property
    def slim(self) -> Path:
        return self.dist / "onedir-slim" / f"llama-sidecar-{self.target}"

    @property
    def single_file(self) -> Path:
        return self.dist / f"llama-sidecar-{self.target}{'.exe' if os.name == 'nt' else ''}"

    @property
    def programs(self) -> dict[str, Path]:
        """What is run, by the products' names."""
        return {"onedir": self.onedir / PROGRAM, "single-file": self.single_file}

    def sizes(self) -> dict[Path, int]:
        """Bytes of each product."""
        return {path: sum(one.stat().st_size for one in _files(path)) for path in (self.onedir, self.slim)} | {
            self.single_file: self.single_file.stat().st_size
        }


def ensure_frozen() -> Products:
    """The products in dist/; made first where something has changed that they depend on."""
    cargo, target = _rust()
    page.ensure_built()
    products = Products(places.ROOT / "dist", target)
    stamp = products.dist / STAMP
    with _locked():
        environment = _environment()
        key = key_of([str(environment.version), sys.version, processes.output([cargo, "-vV"]) or ""])
        if not (stamp.exists() and stamp.read_text(encoding="utf-8") == key and products.single_file.exists()):
            stamp.unlink(missing_ok=True)
            with _work_folder() as work:
                _put(_build(places.ROOT, work, environment, cargo, target), products)
            with replacing(stamp) as file:
                file.write(key.encode())
    for path, size in products.sizes().items():
        say(f"{size / MB:6.1f} MB  {places.shown(path)}")
    return products


def verify(products: Products) -> None:
    """Builds once more, from a copy of the sources in another folder, and compares every byte.

    Raises:
        Problem: something differs.
    """
    cargo, target = _rust()
    with _locked(), _work_folder() as work:
        copy = work / "a copy of the sources"
        for source in SOURCES:
            shutil.copytree(places.ROOT / source, copy / source, ignore=shutil.ignore_patterns(*NO_SOURCES))
        again = _build(copy, work / "again", _environment(), cargo, target, cached=False)
        first, second = hashes(products), hashes(again)
    if differ := differences(first, second):
        raise Problem(
            f"Two builds are not alike: {', '.join(differ[:5])}{' and others' if len(differ) > 5 else ''}.",
            next_step="Find what in these files comes from the folder, the time or the order of something.",
        )
    say(f"Two builds in two folders are alike, in all {len(first)} files.")


def hashes(products: Products) -> dict[str, str]:
    """The sha256 of every file of the products, and whether it may be run."""
    files = [*_files(products.onedir), *_files(products.slim), products.single_file]
    found = {path.relative_to(products.dist).as_posix(): path for path in files}
    return {name: f"{sha256_of(path)} {path.stat().st_mode & 0o111:o}" for name, path in found.items()}


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The names that only one has, or whose values differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def key_of(tools: Iterable[str]) -> str:
    """A hash of everything that decides how the products come out: sources, locks, this recipe and the tools."""
    listed = [path for source in SOURCES for path in _files(places.ROOT / source) if not NO_SOURCES & set(path.parts)]
    files = [*sorted(listed), places.LOCKS / "freeze.txt", Path(__file__)]
    return stamp_key(files=files, facts=[*tools, *map(places.shown, files)])


def version_in(source: str) -> str:
    """The version that sidecar/__init__.py names."""
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if not found:
        raise ValueError("sidecar/__init__.py names no version")
    return found[1]


def version_file(version: str) -> str:
    """What Windows shows of the executables, in the form that PyInstaller reads."""
    numbers = ([int(number) for number in re.findall(r"\d+", version)] + [0, 0, 0, 0])[:4]
    texts = {
        "FileDescription": "llama-sidecar: local language models for apps",
        "FileVersion": version,
        "InternalName": "llama-sidecar",
        "LegalCopyright": "Apache-2.0",
        "OriginalFilename": "llama-sidecar.exe",
        "ProductName": "llama-sidecar",
        "ProductVersion": version,
    }
    strings = ", ".join(f"StringStruct({name!r}, {text!r})" for name, text in texts.items())
    return (
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={tuple(numbers)}, prodvers={tuple(numbers)}), kids=["
        f"StringFileInfo([StringTable('040904B0', [{strings}])]), "
        "VarFileInfo([VarStruct('Translation', [1033, 1200])])])\n"
    )


def target_in(rustc_version: str) -> str:
    """The target triple in what `rustc -vV` prints; host apps name their files by it."""
    found = re.search(r"^host: (\S+)$", rustc_version, re.MULTILINE)
    if not found:
        raise ValueError("rustc names no host")
    return found[1]


# -- the steps ------------------------------------------------------------------------------------


def _rust() -> tuple[str, str]:
    cargo, rustc = shutil.which("cargo"), shutil.which("rustc")
    version = processes.output([rustc, "-vV"]) if rustc else None
    if cargo is None or version is None:
        raise Problem(
            "The single file has a small launcher in Rust, and there is no Rust here.",
            next_step="Install it (https://rustup.rs), and run the same command again.",
        )
    return cargo, target_in(version)


def _environment() -> Environment:
    environment = Environment(places.cache() / "environments" / f"freeze-{python_tag()}")
    environment.ensure_made()
    environment.ensure_requirements("build")
    environment.ensure_requirements("freeze")
    return environment


def _locked() -> AbstractContextManager[int]:
    return processes.exclusive(places.cache() / "locks" / "freeze", waiting_for="freezing the program")


@contextmanager
def _work_folder() -> Iterator[Path]:
    """An empty folder that is gone afterwards, and at the next time where it was not."""
    folder = places.cache() / "freeze" / "work"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build(
    root: Path, work: Path, environment: Environment, cargo: str, target: str, *, cached: bool = True
) -> Products:
    work.mkdir(exist_ok=True)
    products = Products(work / "dist", target)
    version = version_in((root / "sidecar" / "__init__.py").read_text(encoding="utf-8"))
    info = work / "version.txt"
    info.write_text(version_file(version), encoding="utf-8")
    with step("Freezing the program"):
        _freeze(root, work, environment, info)
        for name, folder in (("onedir", products.onedir), ("onedir-slim", products.slim)):
            folder.parent.mkdir(parents=True)
            Path(work, "frozen", name).replace(folder)
            must_hold_plain_files(folder)
    with step("Packing it into one file"):
        payload = work / "payload"
        _must(
            [environment.python, root / FREEZE / "pack.py", products.onedir, PROGRAM, version, payload], what="packed"
        )
        _build_launcher(root, work, cargo, payload, products.single_file, cached=cached)
        if os.name == "nt":
            _must([environment.script("pyi-set_version"), info, products.single_file], what="given its version")
    for program in products.programs.values():
        if processes.output([program, "--version"], environ={"XDG_CACHE_HOME": str(work)}) is None:
            raise Problem("The program that was frozen does not start.", next_step=f"To see why: {program} --version")
    return products


def _freeze(root: Path, work: Path, environment: Environment, info: Path) -> None:
    options: list[str | Path] = ["--noconfirm", "--log-level", "ERROR"]
    options += ["--workpath", work / "pyinstaller", "--distpath", work / "frozen"]
    argv = [environment.script("pyinstaller"), *options, root / FREEZE / "llama-sidecar.spec", "--", info]
    # Its cache of stripped libraries goes with the work, too: what is in it depends on who has filled it.
    _must(argv, what="frozen", environ=ALIKE | {"PYINSTALLER_CONFIG_DIR": str(work / "pyinstaller")})


def _build_launcher(root: Path, work: Path, cargo: str, payload: Path, result: Path, *, cached: bool) -> None:
    target = (places.cache() / "freeze" if cached else work) / "launcher"
    crates = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    # No folder of this machine stands in it.
    flags = [f"--remap-path-prefix={crates}=cargo", f"--remap-path-prefix={root / LAUNCHER}=launcher"]
    _must(
        [cargo, "build", "--quiet", "--release", "--locked", "--manifest-path", root / LAUNCHER / "Cargo.toml"],
        what="built",
        environ={
            "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
            "CARGO_TARGET_DIR": str(target),
            "LLAMA_SIDECAR_PAYLOAD": str(payload),
        },
    )
    shutil.copy2(target / "release" / PROGRAM, result)


def _must(argv: processes.Argv, *, what: str, environ: Mapping[str, str] | None = None) -> None:
    code = processes.call(argv, environ=environ)
    if code != 0:
        raise Problem(
            f"The program could not be {what}: {Path(argv[0]).stem} ended with exit code {code}.",
            next_step="Its message is above. Mend it, and run the same command again.",
        )


def must_hold_plain_files(folder: Path) -> None:
    """Bundlers follow symlinks or lose them, so there must be none."""
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    if links:
        raise Problem(
            f"The frozen folder holds {len(links)} symlinks, the first of them {links[0].relative_to(folder)}.",
            next_step="Keep PyInstaller from making them in build/freeze/llama-sidecar.spec.",
        )


def _put(made: Products, products: Products) -> None:
    for old in (products.onedir.parent, products.slim.parent):
        shutil.rmtree(old, ignore_errors=True)
    products.dist.mkdir(exist_ok=True)
    for name in ("onedir", "slim", "single_file"):
        source, target = getattr(made, name), getattr(products, name)
        target.parent.mkdir(exist_ok=True)
        shutil.move(source, target)


def _files(folder: Path) -> Iterable[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
