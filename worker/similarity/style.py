"""`style`: how the chart is drawn, beyond its colours.

Mean of: line styles, markers, hatches (multiset F1 over the marks), line widths and marker sizes (ratio
smaller/larger of the medians), text sizes (ratio of the median sizes), opacity (1 - difference of the means), frames,
background colours (equal within ΔE00 5) and the picture's aspect ratio. Parts that neither chart has are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.axes_pairs import plots
from worker.similarity.chart import Chart
from worker.similarity.ciede2000 import differences
from worker.similarity.signal import Signal, unavailable, unit


def _f1(ours: Iterable[object], theirs: Iterable[object]) -> float | None:
    left, right = Counter(ours), Counter(theirs)
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else None


def _ratio(ours: list[float], theirs: list[float]) -> float | None:
    if not ours and not theirs:
        return None
    if not ours or not theirs:
        return 0.0
    left, right = median(ours), median(theirs)
    return min(left, right) / max(left, right) if max(left, right) > 0 else 1.0


def parts(generated: Chart, reference: Chart) -> dict[str, float]:
    """The named part scores, each in [0, 1]."""
    assert generated.description is not None and reference.description is not None
    charts = (generated.description, reference.description)
    ours, theirs = ([mark for mark in chart.marks if mark.visible] for chart in charts)
    found: dict[str, float | None] = {
        name: _f1(*([getattr(mark, name) for mark in side if getattr(mark, name)] for side in (ours, theirs)))
        for name in ("linestyle", "marker", "hatch")
    }
    for name in ("linewidth", "markersize"):
        sides = [[getattr(mark, name) for mark in side if getattr(mark, name)] for side in (ours, theirs)]
        found[name] = _ratio(*sides)
    found["text_size"] = _ratio(*([text.size for text in chart.texts if text.visible] for chart in charts))
    if ours and theirs:
        means = [sum(mark.alpha for mark in side) / len(side) for side in (ours, theirs)]
        found["alpha"] = 1 - abs(means[0] - means[1])
    found["frame"] = _f1(*([chart.description.axes[i].frame for i in plots(chart)] for chart in (generated, reference)))  # type: ignore[union-attr]
    grounds = [[chart.facecolor] for chart in charts]
    found["background"] = float(differences(*grounds)[0, 0] < 5)
    shapes = [chart.width / chart.height for chart in charts]
    found["aspect"] = min(shapes) / max(shapes)
    return {name: value for name, value in found.items() if value is not None}


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Mean of the parts."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its styles are not known")
    scores = parts(generated, reference)
    return SignalResult(value=unit(sum(scores.values()) / len(scores)), evidence={"parts": scores})


SIGNAL = Signal("style", compare)
