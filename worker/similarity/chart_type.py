"""`chart_type`: which kinds of marks are drawn, in which projections.

F1 over multisets of (kind, projection, orientation) of the visible marks, one a series; repeats count with their
square root, so that thirty error bars do not outweigh the bars they belong to. `exact` answers 1 or 0 on the sets of
kinds (MSRL, Chart Specification).
"""

from __future__ import annotations

from collections import Counter
from math import sqrt

from chartreward.models import SignalResult
from chartreward.profiles.options import ChartTypeOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, f1_result, unavailable


def kinds(chart: Chart) -> Counter[tuple[str, str, str]]:
    """How many series of each (kind, projection, orientation); colour bars' own marks are left out."""
    assert chart.description is not None
    axes = chart.description.axes
    found: Counter[tuple[str, str, str]] = Counter()
    for mark in chart.description.marks:
        if mark.visible and mark.kind != "other" and 0 <= mark.axes < len(axes) and not axes[mark.axes].colorbar:
            found[mark.kind, axes[mark.axes].projection, mark.orientation or ""] += 1
    return found


def compare(generated: Chart, reference: Chart, options: ChartTypeOptions) -> SignalResult:
    """F1 of the kinds of marks."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its marks are not known")
    ours, theirs = generated.derive(kinds), reference.derive(kinds)
    if options.exact:
        same = set(ours) == set(theirs)
        return SignalResult(value=float(same), generated=len(ours), reference=len(theirs))
    matched = sum(sqrt(min(ours[kind], theirs[kind])) for kind in sorted(ours.keys() & theirs.keys()))
    counts = [(*kind, ours[kind], theirs[kind]) for kind in sorted(ours.keys() | theirs.keys())]
    return f1_result(matched, sum(map(sqrt, ours.values())), sum(map(sqrt, theirs.values())), counts=counts)


SIGNAL = Signal("chart_type", compare)
