"""Fails when a ratio of a run fell behind the history: `python -m benchmarks.guard FILE`.

Ratios are compared, not seconds: they hold across machines. The yardstick of each ratio is the median of the runs in
benchmarks/results/ over at least as many rollouts; a run may lie `--slack` (a share) below it, as runs scatter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.throughput import RESULTS

SLACK = 0.1
WINDOW = 5  # the latest runs count; older ones are history
Ratios = Mapping[str, Mapping[str, float]]


def regressions(run: Ratios, history: Sequence[Ratios], slack: float = SLACK) -> list[str]:
    """One line for every ratio of `run` more than `slack` below the median of the last runs of `history`.

    Also for one that the history has and the run lacks. `history` is in order of time; empty, nothing can regress.
    """
    recent = history[-WINDOW:]
    found = []
    for name in dict.fromkeys(name for one in recent for name in one):
        for by in ("wall", "cpu"):
            known = [one[name][by] for one in recent if name in one and by in one[name]]
            if not known:
                continue
            usual = statistics.median(known)
            value = run.get(name, {}).get(by)
            if value is None:
                found.append(f"{name} by {by}: not measured; {usual:.2f} before")
            elif value < usual * (1 - slack):
                found.append(f"{name} by {by}: {value:.2f}; {usual:.2f} before")
    return found


def history(files: Iterable[Path], *, but: Path, rollouts: int) -> list[Ratios]:
    """Ratios of the runs in `files`, oldest first, without `but` and without those on fewer rollouts."""
    runs: list[dict[str, Any]] = [
        json.loads(file.read_text(encoding="utf-8")) for file in files if file.resolve() != but.resolve()
    ]
    told = [one for one in runs if one.get("parts") and one["rollouts"] >= rollouts]
    return [one["ratios"] for one in sorted(told, key=lambda one: str(one["when"]))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what regressed; 1 when anything did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--slack", type=float, default=SLACK)
    parser.add_argument("--history", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    run = json.loads(options.file.read_text(encoding="utf-8"))
    before = history(options.history.glob("throughput-*.json"), but=options.file, rollouts=run["rollouts"])
    lines = regressions(run["ratios"], before, options.slack)
    print("\n".join(lines) or f"no regression against {len(before)} earlier runs")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
