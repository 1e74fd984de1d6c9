"""The README's Python host runs as it stands there. (Its Node and Rust hosts are run by check_clients.py.)"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.library.gguf_files import write_model

ROOT = Path(__file__).parents[1]


def test_the_python_host_of_the_readme_prints_an_answer(data_dir: Path, fake_llama_cpp: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    write_model(data_dir / "models" / "tiny.gguf")
    config = {"engines": {"llama_cpp_path": str(fake_llama_cpp)}}
    (data_dir / "config.json").write_text(json.dumps(config), encoding="utf-8")
    environment = {**os.environ, "LLAMA_SIDECAR_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", blocks[0]], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("w1 w2 w3")
