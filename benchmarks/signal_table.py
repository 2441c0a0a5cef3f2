"""Every signal's value and cost for every rollout of the development corpus, from cached renders.

    nice -n 10 .venv/bin/python -m benchmarks.signal_table

Writes `.cache/signals-<tag>.json`: one row a rollout {reference, policy, status, blank, rating, recorded, values, ms}.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.renders import CACHE, FULL, Rollout, load, reader_tag, references, rollouts
from chartreward.messages import Needs
from chartreward.models import SignalUse, Status
from chartreward.profiles.options import options_of
from worker import integrity
from worker.jail import Outcome
from worker.similarity import Chart, available_signals
from worker.vision import FeatureExtractor, FeatureSpec, View, load_backbone

BACKBONE = "efficientnet_lite0"

# Variants of a signal's settings that are reported beside its defaults.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "visual (last)": ("visual.efficientnet_lite0", {"stages": "last"}),
    "text (here)": ("text", {"place": 1.0, "floor": 0.3}),
    "text (any role)": ("text", {"other_role": 1.0, "place": 0.0, "floor": 0.0}),
    "attributes (multiset)": ("attributes", {"multiset": True}),
    "attributes (per category)": ("attributes", {"per_category": True}),
    "layout (cells)": ("layout", {"match": "cells"}),
    "layout (grid)": ("layout", {"match": "grid"}),
    "chart_type (exact)": ("chart_type", {"exact": True}),
    "text (with ticks)": ("text", {"ticks": True}),
    "data (cerm)": ("data", {"kernel": "cerm"}),
    "data (tolerance)": ("data", {"kernel": "tolerance"}),
    "data (0.1)": ("data", {"tolerance": 0.1}),
    "data (0.2)": ("data", {"tolerance": 0.2}),
    "data (0.4)": ("data", {"tolerance": 0.4}),
    "color (30)": ("color", {"scale": 30.0}),
    "color (same kind)": ("color", {"scale": 30.0, "other_kind": 0.0}),
    "color (any kind)": ("color", {"scale": 30.0, "other_kind": 1.0}),
    "text (anywhere)": ("text", {"place": 0.0, "other_role": 0.8}),
    "text (floor 0)": ("text", {"floor": 0.0}),
    "text (beta 0.5)": ("text", {"beta": 0.5}),
}


def chart_of(outcome: Outcome | None, code: str, *, partial: bool = False) -> tuple[Chart | None, Chart | None]:
    """(checked chart, unchecked chart) of a render; partial figures only when asked for."""
    if outcome is None or outcome.pixels is None or (outcome.status is not Status.OK and not partial):
        return None, None
    complete = outcome.status is Status.OK
    description = outcome.description
    assert description is not None
    checked, _ = integrity.check(description, outcome.pixels)
    return Chart(outcome.pixels, checked, code, complete), Chart(outcome.pixels, description, code, complete)


def features(extractor: FeatureExtractor, chart: Chart, spec: FeatureSpec) -> list[View]:
    """Features of a picture, kept on disk by its pixels: the reader of figures may change, the pictures do not."""
    digest = hashlib.sha256(repr((spec, chart.pixels.shape)).encode() + chart.pixels.tobytes()).hexdigest()
    path = CACHE.parent / "features" / digest[:2] / digest
    if path.exists():
        return pickle.loads(path.read_bytes())  # type: ignore[no-any-return]
    views = extractor.extract([chart.pixels], spec)[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(views))
    return views


def signal_calls() -> dict[str, tuple[str, dict[str, Any]]]:
    """Reported name -> (signal, options)."""
    return {name: (name, {}) for name in available_signals([BACKBONE])} | VARIANTS


def _score(job: tuple[str, str, list[Rollout], Needs]) -> list[dict[str, Any]]:
    """All rows of one reference."""
    name, script, group, needs = job
    extractor = FeatureExtractor({BACKBONE: load_backbone(BACKBONE)})
    signals = available_signals([BACKBONE])
    golden = chart_of(load(script, needs), script)
    rows = []
    for rollout in group:
        outcome = load(rollout.code, needs) if rollout.code else None
        status = "no_code" if rollout.code is None else "missing" if outcome is None else outcome.status.value
        row: dict[str, Any] = {
            "reference": name,
            "policy": rollout.policy,
            "status": status,
            "blank": False,
            "rating": rollout.rating["gpt4v_score"] if rollout.rating else None,
            "recorded": {key: value["f1"] for key, value in rollout.chartmimic.items()},
            "values": {},
            "ms": {},
        }
        rows.append(row)
        ours = chart_of(outcome, rollout.code or "", partial=True)
        if ours[0] is None or golden[0] is None:
            continue
        row["blank"] = integrity.is_blank(ours[0].pixels)
        for label, (signal_name, options) in signal_calls().items():
            bugs = signal_name.startswith("chartmimic.")
            generated, reference = (ours[1], golden[1]) if bugs else (ours[0], golden[0])
            assert generated is not None and reference is not None
            graph = {"graph": name.startswith("graph")} if signal_name == "chartmimic.layout" else {}
            checked = options_of(SignalUse(name=signal_name, options=options | graph))
            signal = signals[signal_name]
            started = time.perf_counter()
            for spec in signal.features(checked, reference):
                for chart in (generated, reference):
                    if spec not in chart.features:
                        chart.features[spec] = features(extractor, chart, spec)
            result = signal(generated, reference, checked)
            row["ms"][label] = round((time.perf_counter() - started) * 1e3, 3)
            row["values"][label] = result.value
            for stage, cosine in enumerate((result.layers or []) if label == signal_name else []):
                row["values"][f"{label} stage {stage + 1}"] = cosine
            if label in ("attributes", "text", "data", "chart_type", "legend", "text (any role)"):
                row["values"][f"{label} precision"] = result.precision
                row["values"][f"{label} recall"] = result.recall
    return rows


def _kept(job: tuple[str, str, list[Rollout], Needs]) -> list[dict[str, Any]]:
    """`_score`, resumed from what an interrupted run left."""
    path = table_path().with_suffix("") / f"{job[0]}.json"
    if path.exists():
        return json.loads(path.read_text())  # type: ignore[no-any-return]
    rows = _score(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
    return rows


def table_path() -> Path:
    """Where the rows lie."""
    return CACHE.parent / f"signals-{reader_tag()}.json"


def build(needs: Needs = FULL, processes: int = 2) -> list[dict[str, Any]]:
    """Compute all rows and write them."""
    groups = defaultdict(list)
    for rollout in rollouts():
        groups[rollout.reference].append(rollout)
    jobs = [(name, script, groups[name], needs) for name, script in references().items()]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        rows = [row for part in pool.imap_unordered(_kept, jobs) for row in part]
    table_path().write_text(json.dumps(rows))
    return rows


if __name__ == "__main__":
    started = time.perf_counter()
    plain = bool(os.environ.get("CHARTREWARD_CORPUS_PLAIN"))
    found = build(Needs(partial=True) if plain else FULL)
    print(f"{len(found)} rows in {time.perf_counter() - started:.0f} s -> {table_path()}")
