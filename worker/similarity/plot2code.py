"""`plot2code.text`: Plot2Code's text match.

Source: Plot2Code (arXiv 2405.07990): texts are matched greedily when they are equal and exp(-d/100) > 0.8, d the
distance of their places in pixels (so d < 22.3); score = m / (m + u1 + u2), m matches, u1 and u2 unmatched texts of
either side. Places here are box centres at the canonical resolution; tick labels count, as they are drawn.
"""

from __future__ import annotations

from math import exp

import numpy as np

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, unavailable
from worker.similarity.text import items


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """m / (m + u1 + u2); two charts without text agree: 1."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its texts are not known")
    ours, theirs = generated.derive(items, True), reference.derive(items, True)
    sizes = [float(np.hypot(*chart.pixels.shape[:2])) for chart in (generated, reference)]
    free: dict[str, list[int]] = {}
    for index, string in enumerate(theirs.strings):
        free.setdefault(string, []).append(index)
    matched = 0
    for index, string in enumerate(ours.strings):
        candidates = free.get(string, [])
        place = ours.centers[index] * sizes[0]
        apart = [float(np.linalg.norm(place - theirs.centers[other] * sizes[1])) for other in candidates]
        if apart and exp(-min(apart) / 100) > 0.8:
            candidates.pop(apart.index(min(apart)))
            matched += 1
    total = len(ours.strings) + len(theirs.strings) - matched
    return SignalResult(
        value=matched / total if total else 1.0,
        matched=matched,
        generated=len(ours.strings),
        reference=len(theirs.strings),
    )


SIGNAL = Signal("plot2code.text", compare)
