"""`chartmimic` against the scores that ChartMimic's evaluators recorded, over all rollouts (partial figures scored).

    nice -n 10 .venv/bin/python -m benchmarks.parity       # after benchmarks.renders and benchmarks.signal_table

A value agrees when it lies within 1e-6. Mismatches are listed by class:

- `no original run`: text, layout and colour are all recorded as 0 and the attempt was not rated, though it draws a
  figure: the original evaluated nothing there;
- `stale chart_type`: the original repeats the row before when the generated side is empty;
- `more than 10 colours` on either side: the original's filter depends on a hash seed;
- `unseeded random`: the script draws random numbers (squarify: colours) without a seed, so it drew another figure then;
- `seaborn`: types of calls that seaborn makes itself, which differ by its version;
- `unexplained`.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from functools import cache
from typing import Any

from benchmarks.ranking import RESULTS
from benchmarks.renders import load, references, rollouts
from benchmarks.signal_table import table_path
from worker.similarity.chartmimic import FILTER_ABOVE

METRICS = ("text", "layout", "chart_type", "color")
WITHIN = 1e-6


@cache
def crowded(code: str) -> bool:
    """Whether a script's figure has more than FILTER_ABOVE distinct colour items."""
    outcome = load(code)
    if outcome is None or outcome.description is None:
        return False
    items = {(call.name, color) for call in outcome.description.calls or () for color in call.colors}
    return len(items) > FILTER_ABOVE


def unseeded(code: str) -> bool:
    """Whether a script's figure differs from run to run."""
    seeded = re.search(r"seed\(|default_rng\(\d|random_state", code)
    return not seeded and bool(re.search(r"np\.random|random\.|spring_layout|squarify", code))


def classify(row: dict[str, Any], metric: str, ours: float, code: str, golden: str) -> str:
    """Why a value differs."""
    recorded = row["recorded"]
    if row["rating"] is None and recorded["text"] == recorded["layout"] == recorded["color"] == 0 and row["values"]:
        return "no original run"
    if metric == "color" and (crowded(golden) or crowded(code)):
        return "more than 10 colours"
    if metric == "chart_type" and ours == 0.0:
        return "stale chart_type"
    if unseeded(code):
        return "unseeded random"
    return "seaborn" if metric == "chart_type" and "seaborn" in code else "unexplained"


def main() -> None:
    """Print and write agreement by metric and mismatches by class."""
    rows = json.loads(table_path().read_text())
    golden, codes = references(), {(one.reference, one.policy): one.code or "" for one in rollouts()}
    agreed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    classes: Counter[tuple[str, str]] = Counter()
    examples: dict[str, list[list[Any]]] = defaultdict(list)
    for row in rows:
        if row["status"] == "no_code":
            continue
        for metric in METRICS:
            ours = row["values"].get(f"chartmimic.{metric}") or 0.0
            theirs = row["recorded"][metric]
            total[metric] += 1
            if abs(ours - theirs) <= WITHIN:
                agreed[metric] += 1
                continue
            name = row["reference"]
            kind = classify(row, metric, ours, codes[name, row["policy"]], golden[name])
            classes[metric, kind] += 1
            if kind == "unexplained":
                examples[metric].append([row["reference"], row["policy"], row["status"], round(ours, 4), theirs])
    for metric in METRICS:
        print(f"{metric:12s} {agreed[metric]}/{total[metric]} = {agreed[metric] / total[metric]:.4f}")
    print("all", sum(agreed.values()) / sum(total.values()))
    explained = sum(count for (_, kind), count in classes.items() if kind != "unexplained")
    outside = sum(agreed.values()) / (sum(total.values()) - explained)
    print("outside the documented quirks", outside)
    for (metric, kind), count in classes.most_common():
        print(f"  {metric} {kind}: {count}")
    RESULTS.mkdir(exist_ok=True)
    found = {
        "agreed": dict(agreed),
        "total": dict(total),
        "outside_quirks": outside,
        "classes": {f"{metric}: {kind}": count for (metric, kind), count in classes.items()},
        "examples": {metric: listed[:20] for metric, listed in examples.items()},
    }
    (RESULTS / "parity.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
