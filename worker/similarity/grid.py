"""`grid`: are the grid lines where the reference has them?

F1 over the grid lines' directions (x, y) of paired axes: matched are directions that both show; an axes that nobody
paired counts with what it shows. No grid on either side is agreement: 1.
"""

from __future__ import annotations

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.axes_pairs import axes_pairs, plots
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, f1_result, unavailable


def shown(chart: Chart) -> dict[int, set[str]]:
    """Grid directions of every plot, by index of its axes."""
    assert chart.description is not None
    return {
        index: {name for name in ("x", "y") if getattr(chart.description.axes[index], name).grid}
        for index in plots(chart)
    }


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """F1 of grid directions."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its grid is not known")
    ours, theirs = generated.derive(shown), reference.derive(shown)
    matched = sum(len(ours[i] & theirs[j]) for i, j, _ in axes_pairs(generated, reference))
    return f1_result(matched, sum(map(len, ours.values())), sum(map(len, theirs.values())))


SIGNAL = Signal("grid", compare)
