"""Writes everything that is generated from the contract, or checks that it is up to date.

    python build/schema/generate.py            write
    python build/schema/generate.py --check    compare with a fresh generation; exit 1 where a file differs

Owns which files there are and where. A file in `ipc_schema/` that is not generated is an error, so that nothing is
edited there by hand; what building the clients leaves behind is ignored.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from contract_reader import read_contract
from json_schema import openrpc_json, schema_json
from markdown import config_md, with_generated_parts, with_version
from python_client import generated_py, methods_py
from rust_events import events_rs
from rust_methods import errors_rs, methods_rs, roundtrip_rs, samples_json
from rust_types import RustTypes
from typescript import contract_ts, types_ts

from sidecar import __version__
from sidecar.contract import openrpc

ROOT = Path(__file__).resolve().parents[2]
REPAIR = "python build/schema/generate.py"
_MARK = "by build/schema/generate.py"
"""In the first lines of every generated source file; the others in ipc_schema are written by hand."""

_VERSIONED = (
    "ipc_schema/rust/Cargo.toml",
    "ipc_schema/typescript/package.json",
    "ipc_schema/typescript/package-lock.json",
)
"""Written by hand, but for the version at their beginning, which is the program's."""

_LEFT_BY_BUILDS = frozenset({"node_modules", "dist", "dist-test", "target", "Cargo.lock", "__pycache__"})
_LEFT_BY_EDITORS = frozenset({".DS_Store"})


def generate() -> dict[Path, str]:
    """Every generated file's text, by its path in the repository."""
    contract = read_contract()
    contract_hash = openrpc.contract_hash(openrpc.document())
    rust_types = RustTypes(contract)
    files = {
        "ipc_schema/openrpc.json": openrpc_json(),
        "ipc_schema/schema.json": schema_json(contract),
        "ipc_schema/typescript/src/types.ts": types_ts(contract),
        "ipc_schema/typescript/src/contract.ts": contract_ts(contract, contract_hash),
        "ipc_schema/rust/src/types.rs": rust_types.types_rs(),
        "ipc_schema/rust/src/methods.rs": methods_rs(contract, rust_types, contract_hash),
        "ipc_schema/rust/src/errors.rs": errors_rs(contract),
        "ipc_schema/rust/src/events.rs": events_rs(contract),
        "ipc_schema/rust/tests/roundtrip.rs": roundtrip_rs(contract),
        "ipc_schema/rust/tests/samples.json": samples_json(contract),
        "README.md": with_generated_parts(_text("README.md")),
        "ipc_schema/README.md": with_generated_parts(_text("ipc_schema/README.md")),
        "ipc_schema/config.md": config_md(),
        "sidecar/client/methods.py": methods_py(contract),
        "sidecar/contract/generated.py": generated_py(contract_hash),
    }
    for path in _VERSIONED:
        files[path] = with_version(_text(path), __version__)
    return {Path(path): text for path, text in sorted(files.items())}


def differences(fresh: dict[Path, str], *, root: Path = ROOT) -> list[str]:
    """What is not as generated, a line for each file."""
    found = []
    for path, text in fresh.items():
        file = root / path
        if not file.is_file():
            found.append(f"missing: {path.as_posix()}")
        elif file.read_bytes() != text.encode():
            found.append(f"stale: {path.as_posix()}")
    for file in _files_below(root / "ipc_schema"):
        path = file.relative_to(root)
        if path not in fresh and _MARK in file.read_text(encoding="utf-8"):
            found.append(f"extra: {path.as_posix()}")
    return found


def write(fresh: dict[Path, str], *, root: Path = ROOT) -> list[str]:
    """Write what differs and remove what is extra; what was done, a line for each file."""
    done = differences(fresh, root=root)
    for difference in done:
        kind, _, path = difference.partition(": ")
        file = root / path
        if kind == "extra":
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(fresh[Path(path)].encode())
    return done


def main() -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(description="Generate the clients and schemas from sidecar/contract.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 where a file is not up to date")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder that holds ipc_schema and sidecar")
    arguments = parser.parse_args()
    fresh = generate()
    if not arguments.check:
        done = write(fresh, root=arguments.root)
        print("\n".join([*done, f"{len(fresh)} files are up to date."]))
        return 0
    found = differences(fresh, root=arguments.root)
    if found:
        print("\n".join([*found, f"Run {REPAIR} and review what changes."]), file=sys.stderr)
        return 1
    return 0


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _files_below(folder: Path) -> list[Path]:
    ignored = _LEFT_BY_BUILDS | _LEFT_BY_EDITORS
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not ignored.intersection(file.relative_to(folder).parts)
    ]


if __name__ == "__main__":
    sys.exit(main())
