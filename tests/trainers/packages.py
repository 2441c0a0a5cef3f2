"""Trainers from PyPI, in throwaway places: files without dependencies, or an environment of their own.

Everything is pinned, tried again when the index stumbles, and appears under its final name only when complete, so that
an interrupted installation is never taken for a good one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache" / "trainers"
ATTEMPTS = 5
# torch==2.13.0 is what the workers have (requirements/engine.txt); nothing else here asks for CUDA.
TRL = (
    "torch==2.13.0",
    "trl==1.16.0",
    "transformers==5.24.0",
    "datasets==5.2.0",
    "accelerate==1.15.0",
    "pyarrow==26.0.1",
    "pillow==13.0.0",
    "httpx==0.28.1",
    "pydantic==2.14.3",
    "rich==15.0.0",
    "typer==0.29.2",
)


def installed(*requirements: str) -> Path:
    """A folder with the files of these packages, without what they depend on."""

    def build(folder: Path) -> None:
        pip(sys.executable, "install", "--no-deps", "--no-compile", "--target", str(folder), *requirements)

    return _once(requirements[0].replace("==", "-"), requirements, build)


def environment(name: str, requirements: tuple[str, ...]) -> Path:
    """The interpreter of a virtual environment with these packages and what they depend on."""

    def build(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip(str(folder / "bin" / "python"), "install", *requirements)

    return _once(name, requirements, build) / "bin" / "python"


def pip(python: str, *arguments: str) -> None:
    """Run pip; a failure is tried again, and in the end raises with what pip said."""
    said = ""
    for attempt in range(1, ATTEMPTS + 1):
        run = subprocess.run(
            [python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PIP_RETRIES": "5"},
        )
        if run.returncode == 0:
            return
        said = run.stderr[-3000:]
        time.sleep(5 * attempt)
    raise RuntimeError(f"pip {' '.join(arguments)} failed {ATTEMPTS} times: {said}")


def _once(name: str, requirements: tuple[str, ...], build: Callable[[Path], None]) -> Path:
    digest = hashlib.sha256("\n".join((sys.version, *requirements)).encode()).hexdigest()[:10]
    target = CACHE / f"{name}-{digest}"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="making-"))
        try:
            build(folder)
            folder.rename(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return target
