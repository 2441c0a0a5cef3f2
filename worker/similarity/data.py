"""`data`: are the values right?

Axes of the two charts are paired first. Inside a pair the visible series are paired one to one so that the summed
similarity S (worker/similarity/series.py: lines in order, points and boxes in any order, bars and wedges paired one
by one, images cell by cell, all in data coordinates) is largest. F1 = 2S / (|G| + |R|) over all series; series of
unpaired axes count as unmatched. More than MANY series of one kind in an axes are compared as one. Kernels: `range`
(error in units of the shown axis), `cerm` (BigCharts-R1: 1/(1+|p-t|/|t|)), `tolerance` (MSRL: within ± 5 %).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from chartreward.description import Mark
from chartreward.models import SignalResult
from chartreward.profiles.options import DataOptions
from worker.similarity.axes_pairs import axes_pairs, plots
from worker.similarity.chart import Chart
from worker.similarity.matching import best_pairs
from worker.similarity.series import FAMILIES, mark_similarity, merged, scale_of
from worker.similarity.signal import Signal, f1_result, unavailable

MANY = 24
MAX_SHOWN = 100  # series in the evidence


def series(chart: Chart) -> dict[int, dict[str, list[Mark]]]:
    """Visible series by axes and family; colour bars' own marks are left out."""
    assert chart.description is not None
    kept = set(plots(chart))
    found: dict[int, dict[str, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    for mark in chart.description.marks:
        if mark.visible and mark.axes in kept and mark.kind in FAMILIES:
            found[mark.axes][FAMILIES[mark.kind]].append(mark)
    return {axes: dict(families) for axes, families in found.items()}


def _place(chart: Chart, mark: Mark) -> int | None:
    """Index of a mark in its chart's description; None for several merged into one."""
    assert chart.description is not None
    return next((index for index, other in enumerate(chart.description.marks) if other is mark), None)


def compare(generated: Chart, reference: Chart, options: DataOptions) -> SignalResult:
    """Soft F1 of the paired series."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its data is not known")
    ours, theirs = generated.derive(series), reference.derive(series)
    matched = generated_count = reference_count = 0.0
    shown: list[tuple[int, int, str, int | None, int | None, float]] = []
    paired = [(i, j) for i, j, _ in axes_pairs(generated, reference)]
    for i, j in paired:
        scale = scale_of(reference.description.axes[j], options.kernel, options.tolerance)
        for family in sorted(ours.get(i, {}).keys() | theirs.get(j, {}).keys()):  # sums in one order everywhere
            left, right = ours.get(i, {}).get(family, []), theirs.get(j, {}).get(family, [])
            # A pie is one series of wedges, drawn as many patches.
            if family == "wedge" or max(len(left), len(right)) > MANY:
                left, right = [merged(left)] if left else [], [merged(right)] if right else []
            generated_count += len(left)
            reference_count += len(right)
            table = np.array([[mark_similarity(a, b, scale) for b in right] for a in left], np.float64)
            pairs = best_pairs(table)
            matched += sum(float(table[a, b]) for a, b in pairs)
            shown += [
                (i, j, family, _place(generated, left[a]), _place(reference, right[b]), round(float(table[a, b]), 3))
                for a, b in pairs[: MAX_SHOWN - len(shown)]
            ]
    for side, done in ((ours, {i for i, _ in paired}), (theirs, {j for _, j in paired})):
        lost = sum(
            min(len(marks), MANY) for axes, families in side.items() if axes not in done for marks in families.values()
        )
        if side is ours:
            generated_count += lost
        else:
            reference_count += lost
    return f1_result(matched, generated_count, reference_count, series=shown)


SIGNAL = Signal("data", compare)
