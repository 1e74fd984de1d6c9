"""Nothing that an engine prints or a host sends can pretend to be another line of a log."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.app.talking import Talk, prepare
from tests.library.gguf_files import write_model

UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)
"""What ends a line, moves a terminal's cursor, or is not what it looks like."""

OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (DEBUG|INFO|WARNING|ERROR) +sidecar[\w.]*: .*")
ON_STDERR = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) sidecar[\w.]*: .*|    .*")

ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029")
OTHERS = ("\x1b[2J\x1b[1;1H", "\x9b2J", "\u202e", "\u2066", "\b\b\b\b", "\x00", "\x7f", "\ufeff", "\U000e0041", "\xad")
FORGED = "2026-01-01T00:00:00Z ERROR   sidecar: FORGED"
ON_OWN_LINES = "".join(f"x{end}{FORGED}{other}" for end in ENDS for other in OTHERS)

PRINTED = (
    *(f"{end}{FORGED}{other}".encode() for end in ENDS if "\n" not in end for other in OTHERS),
    *(b"\x9b2J raw C1", b"\xff\xfe no UTF-8", b"half \xe2\x80", b"\xed\xa0\x80 half a pair", b"ESC \x1b]0;title\x07"),
)
"""Lines of an engine."""


@pytest.fixture
def printing(tmp_path: Path) -> Path:
    """A llama.cpp folder whose engine prints these lines and ends."""
    folder = tmp_path / "printing"
    folder.mkdir()
    (folder / "output").write_bytes(b"\n".join(PRINTED) + b"\n" + b"without an end")
    program = folder / "llama-server"
    program.write_text(
        f"#!{sys.executable} -SE\n"
        "import pathlib, sys\n"
        "if '--help' in sys.argv: print('--model FNAME  model path')\n"
        "elif '--version' in sys.argv: print('version: 1')\n"
        "else:\n"
        "    sys.stdout.buffer.write(pathlib.Path(__file__).with_name('output').read_bytes())\n"
        "    sys.exit(3)\n"
    )
    program.chmod(0o755)
    return folder


def test_every_line_of_every_log_is_one_that_was_written(data_dir: Path, fake_llama_cpp: Path, printing: Path) -> None:
    prepare(data_dir, fake_llama_cpp, models={"folders": [f"relative{ON_OWN_LINES}"]})
    write_model(data_dir / "models" / f"x\n{FORGED}\u2028{FORGED}.gguf")
    with Talk(data_dir, "--log-level", "debug") as talk:
        talk.call("subscribe", topics=["logs"], channel="logs", options={"min_level": "debug"})
        error = talk.fail("start_llama_server", llama_cpp_path=str(printing), model="tiny")
        settings: dict[str, Any] = {"model": "tiny", "server_id": "b"}
        talk.call("start_llama_server", **settings)
        for params in (
            {"model_path": f"/no/{ON_OWN_LINES}"},
            {"model": ON_OWN_LINES},
            {"llama_cpp_path": f"/no/{ON_OWN_LINES}"},
            {"rpc_servers": [ON_OWN_LINES], "extra_args": [ON_OWN_LINES.replace("\0", "")], "model": "tiny"},
            {"chat_template": ON_OWN_LINES, "extra_args": ["--no-such"], "env": {"A": ON_OWN_LINES}, "model": "tiny"},
        ):
            talk.fail("start_llama_server", server_id="c", **params)
        talk.call("initialize", client={"name": ON_OWN_LINES[:200], "version": FORGED})
        talk.answer(talk.begin(ON_OWN_LINES))
        talk.call("list_models")
        page = talk.call("get_logs", limit=10_000, min_level="debug")
        talk.call("unsubscribe", channel="logs")
        shown = [entry["message"] for entry in page["entries"]]
        shown += [entry["message"] for e in talk.events["logs"] for entry in e["event"].get("entries", [])]
        shown += error["data"]["log_tail"]
        files = {Path(source["file"]).name: source for source in talk.call("list_log_sources")}
    assert [line for line in shown if UNSAFE.search(line)] == []
    assert sum("FORGED" in line for line in shown) > len(PRINTED)
    for name, source in files.items():
        text = Path(source["file"]).read_text(encoding="utf-8")
        lines = text.split("\n")
        assert lines.pop() == ""
        assert [line for line in lines if UNSAFE.search(line)] == [], name
        if name == "sidecar.log":
            assert [line for line in lines if not OURS.fullmatch(line)] == []
    engine = Path(files["server-default.log"]["file"]).read_text(encoding="utf-8").split("\n")
    assert len(engine) - 1 == len(PRINTED) + 1
    stderr = talk.stderr.decode("utf-8").split("\n")
    assert [line for line in stderr if line and not ON_STDERR.fullmatch(line)] == []
    assert [line for line in stderr if UNSAFE.search(line)] == []
