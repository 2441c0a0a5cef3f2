"""What is read in references that are pictures: every dev reference's own description against its bare picture.

    nice -n 10 .venv/bin/python -m benchmarks.pictures [--every 3]       # after benchmarks.renders

Writes benchmarks/results/pictures.json: for text (OCR), layout (frames) and color (palette) the mean value that the
right chart earns, for how many references the signal is available, and the CPU milliseconds of reading one.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from benchmarks.ranking import RESULTS
from benchmarks.renders import load, references
from benchmarks.signal_table import chart_of
from chartreward.models import SignalUse
from chartreward.profiles.options import options_of
from worker.similarity import SIGNALS, Chart
from worker.vision.ocr import LineReader

READ = ("text", "text.exact", "layout", "color", "visual.ssim")


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every n-th reference")
    every = parser.parse_args().every
    reader = LineReader()
    values: dict[str, list[float]] = {name: [] for name in READ}
    spent: dict[str, list[float]] = {name: [] for name in READ}
    scripts = list(references().values())[::every]
    for script in scripts:
        right, _ = chart_of(load(script), script)
        if right is None:
            raise SystemExit("run benchmarks.renders first")
        bare = Chart(right.pixels, None, read_lines=reader)
        for name in READ:
            started = time.process_time()
            result = SIGNALS[name](right, bare, options_of(SignalUse(name=name)))
            spent[name].append((time.process_time() - started) * 1000)
            if result.value is not None:
                values[name].append(result.value)
    found = {
        name: {
            "available": len(values[name]),
            "of": len(scripts),
            "mean": round(float(np.mean(values[name])), 3),
            "median": round(float(np.median(values[name])), 3),
            "least": round(float(np.min(values[name])), 3),
            "ms p50": round(float(np.median(spent[name])), 1),
            "ms max": round(float(np.max(spent[name])), 1),
        }
        for name in READ
    }
    for name, row in found.items():
        print(f"{name:12s} {row}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "pictures.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
