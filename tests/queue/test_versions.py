"""The versions that a worker announces name its runtimes' work: read from an environment or told by an interpreter."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from worker.runner import CHART_LIBRARIES, _versions

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("runtime", ["mpl38", "current"])
def test_what_is_read_is_what_the_interpreter_tells(runtime: str, tmp_path: Path) -> None:
    python = ROOT / ".runtimes" / runtime / "bin" / "python"
    code = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {CHART_LIBRARIES}))"
    told = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert told.startswith("matplotlib 3.")
    assert _versions(python) == told
    elsewhere = tmp_path / "bin" / "python"  # no environment around it
    elsewhere.parent.mkdir()
    elsewhere.write_text(f'#!/bin/sh\nexec {os.fspath(python)} "$@"\n')
    elsewhere.chmod(0o755)
    assert _versions(elsewhere) == told
