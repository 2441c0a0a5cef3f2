"""Networks as ONNX graphs for the CPU: exported once, kept on disk, run without torch.

ONNX Runtime gives the same numbers as eager torch to about 1e-5, in a quarter of the time, and a worker that never
imports torch starts two seconds sooner and is 200 MB smaller. The graph's name says what it was made of (backbone,
sha256 of the weights, versions of what exported it, this code) and what it holds (the sha256 of its bytes).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from worker.vision.weights import WeightsError, sha256_of

Stages = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]

ROOT = Path(__file__).resolve().parents[2]
EXPORTERS = ("torch", "onnx", "torchvision", "efficientnet-lite-pytorch")
EXPORT_CODE = ("networks.py", "dinov2.py", "torchvision_compat.py", "export.py")
EXPORT_TIMEOUT_S = 600
BAD_WEIGHTS = 3  # exit status of an export whose weights were refused; the reason is on its stderr


def load_graph(name: str, path: Path | None, digest: str, *, size: int, threads: int, cache: Path | None) -> Stages:
    """The stages of a backbone for x of shape (batch, 3, size, size), float32, any batch.

    `digest` is the sha256 of the weights at `path` (None: random ones). One input gives the same bits every time, in
    any batch order. Raises WeightsError.
    """
    with _graph(name, path, digest, size, cache) as file:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        stages: list[NDArray[np.float32]] = session.run(None, {"x": x})
        return stages

    return run


@contextmanager
def _graph(name: str, path: Path | None, digest: str, size: int, cache: Path | None) -> Iterator[Path]:
    """The file of a graph: from the cache, else exported into it, else (nothing can be written there) a passing one."""
    stem = f"{name}-{_provenance(name, digest, size)}"
    found = None if cache is None else _cached(cache, stem)
    if found is None and cache is not None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            lock = (cache / "exports.lock").open("w")
        except OSError:
            cache = None
        else:
            with lock:
                fcntl.flock(lock, fcntl.LOCK_EX)  # workers that start together export once
                found = _cached(cache, stem) or _export_into(cache, stem, name, path)
    if found is not None:
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        yield _export_into(Path(folder), stem, name, path)


def _provenance(name: str, digest: str, size: int) -> str:
    """16 hex digits that differ whenever the graph could."""
    code = [sha256_of(Path(__file__).with_name(file)) for file in EXPORT_CODE]
    parts = [name, digest, size, code, [_version(package) for package in EXPORTERS]]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cached(cache: Path, stem: str) -> Path | None:
    """A whole, unaltered graph of this provenance; altered ones are passed over."""
    for file in sorted(cache.glob(f"{stem}-*.onnx")):
        if file.name == f"{stem}-{sha256_of(file)[:32]}.onnx":
            return file
    return None


def _export_into(folder: Path, stem: str, name: str, path: Path | None) -> Path:
    """Export in a process of its own, which alone holds torch; the graph's file. Raises WeightsError."""
    part = folder / f"{stem}.part"
    command = [sys.executable, "-m", "worker.vision.export", "--one", name, str(part)]
    command += [] if path is None else [str(path.resolve())]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=EXPORT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise WeightsError(f"{name}: its export did not end within {EXPORT_TIMEOUT_S} s") from None
    if done.returncode == BAD_WEIGHTS:
        raise WeightsError(done.stderr.strip())
    if done.returncode != 0:
        raise WeightsError(f"{name}: its export failed (status {done.returncode}): {done.stderr.strip()[-2000:]}")
    return part.rename(folder / f"{stem}-{sha256_of(part)[:32]}.onnx")
