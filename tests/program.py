"""The program that the tests start: this tree's source, or the frozen one that `make test-frozen` names."""

from __future__ import annotations

import os
import sys

VARIABLE = "LLAMA_SIDECAR_TEST_PROGRAM"

FROZEN = os.environ.get(VARIABLE)

PROGRAM = [FROZEN] if FROZEN else [sys.executable, "-m", "sidecar"]
