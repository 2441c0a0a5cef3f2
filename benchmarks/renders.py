"""The development corpus, rendered once through the real jail into `.cache/corpus/`.

    nice -n 10 .venv/bin/python -m benchmarks.renders [--processes 2] [--plain]

Renders are kept by the digest of the code and of the modules that read figures, so that other benchmarks work from the
cache and a changed reader renders anew.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import multiprocessing
import os
import pickle
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chartreward.description import ChartDescription
from chartreward.messages import Needs
from chartreward.models import Status
from worker.jail import Jail, JailError, JailSettings, Outcome, Runtime

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT.parent / "shared" / "corpora" / "chartmimic-dev.jsonl.gz"
CACHE = ROOT / ".cache" / "corpus"
READERS = ("calls", "capture", "describe", "drawing", "hooks", "marks", "text", "values")  # prefixes of module names
FULL = Needs(calls=True, text_lines=True, partial=True)
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Rollout:
    """One model output for one reference: its code, ChartMimic's recorded scores, GPT-4o's rating (0..1) when rated."""

    reference: str
    policy: str
    code: str | None
    chartmimic: dict[str, dict[str, float]]
    rating: dict[str, float] | None


def references() -> dict[str, str]:
    """Reference name -> golden script."""
    return {row["reference"]: row["code"] for row in _rows() if row["kind"] == "reference"}


def rollouts() -> list[Rollout]:
    """Every recorded model output."""
    return [
        Rollout(row["reference"], row["policy"], row["code"], row["chartmimic"], row["gpt4o"])
        for row in _rows()
        if row["kind"] == "rollout"
    ]


def _rows() -> Iterator[dict[str, Any]]:
    with gzip.open(CORPUS, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def reader_tag() -> str:
    """Digest of the code that reads figures; CHARTREWARD_CORPUS_TAG overrides it."""
    given = os.environ.get("CHARTREWARD_CORPUS_TAG")
    if given:
        return given
    digest = hashlib.sha256()
    for path in sorted((ROOT / "worker" / "sandboxed").glob("*.py")):
        if path.name.startswith(READERS):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _place(code: str, needs: Needs, tag: str) -> Path:
    key = hashlib.sha256(f"{needs.model_dump_json()}\n{code}".encode()).hexdigest()
    return CACHE / tag / key[:2] / key


def load(code: str, needs: Needs = FULL, tag: str | None = None) -> Outcome | None:
    """A cached render, or None."""
    path = _place(code, needs, tag or reader_tag())
    if not path.exists():
        return None
    kept = pickle.loads(zlib.decompress(path.read_bytes()))
    pixels = kept["pixels"]
    return Outcome(
        status=Status(kept["status"]),
        error=kept["error"],
        pixels=None if pixels is None else np.frombuffer(pixels, np.uint8).reshape(kept["shape"]),
        description=None if kept["description"] is None else ChartDescription.model_validate_json(kept["description"]),
        exec_ms=kept["exec_ms"],
        draw_ms=kept["draw_ms"],
        peak_mb=kept["peak_mb"],
    )


def _store(path: Path, outcome: Outcome) -> None:
    kept = {
        "status": outcome.status.value,
        "error": outcome.error,
        "pixels": None if outcome.pixels is None else outcome.pixels.tobytes(),
        "shape": None if outcome.pixels is None else outcome.pixels.shape,
        "description": None if outcome.description is None else outcome.description.model_dump_json(),
        "exec_ms": outcome.exec_ms,
        "draw_ms": outcome.draw_ms,
        "peak_mb": outcome.peak_mb,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(zlib.compress(pickle.dumps(kept), 1))
    temporary.rename(path)


def _serve(codes: list[str], needs: Needs, tag: str, runtime: str) -> Counter[str]:
    """Render what is missing with one jail."""
    counts: Counter[str] = Counter()
    missing = [code for code in codes if not _place(code, needs, tag).exists()]
    if not missing:
        return counts
    jail = Jail(Runtime(runtime, ROOT / ".runtimes" / runtime / "bin" / "python"), JailSettings(timeout_s=TIMEOUT_S))
    jail.start()
    for code in missing:
        try:
            outcome = jail.run(code, needs=needs)
        except JailError as error:
            counts[f"jail error: {error}"[:80]] += 1
            continue
        counts[outcome.status.value] += 1
        _store(_place(code, needs, tag), outcome)
    jail.close()
    return counts


def render_all(codes: list[str], *, needs: Needs = FULL, processes: int = 2, runtime: str = "mpl38") -> Counter[str]:
    """Render every code that is not cached yet."""
    tag = reader_tag()
    shards = [codes[index::processes] for index in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        counts = pool.starmap(_serve, [(shard, needs, tag, runtime) for shard in shards])
    return sum(counts, Counter())


def main() -> None:
    """Fill the cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="without the passes that only ChartMimic's metrics need")
    parser.add_argument("--limit", type=int, default=None)
    arguments = parser.parse_args()
    codes = [*references().values(), *(rollout.code for rollout in rollouts() if rollout.code)]
    codes = list(dict.fromkeys(codes))[: arguments.limit]
    started = time.perf_counter()
    needs = Needs(partial=True) if arguments.plain else FULL
    counts = render_all(codes, needs=needs, processes=arguments.processes)
    print(f"{len(codes)} scripts in {time.perf_counter() - started:.0f} s: {dict(counts)} (tag {reader_tag()})")


if __name__ == "__main__":
    main()
