"""`legend`: entries and place of the legends.

Entries (label, colour) of all legends are paired one to one; similarity of two entries is the string similarity of
the labels times (3 + colour similarity)/4, colour similarity = max(0, 1 - CIEDE2000/50). F1 over entries, times (4 +
IoU of the best pair of legend boxes)/5. No legend on either side: 1; on one side only: 0.
"""

from __future__ import annotations

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.axes_pairs import overlap
from worker.similarity.chart import Chart
from worker.similarity.ciede2000 import differences
from worker.similarity.matching import MAX_PARTS, best_pairs
from worker.similarity.signal import Signal, f1_result, unavailable, unit

NO_COLOR = "#808080"
MAX_CHARS = 300


def entries(chart: Chart) -> tuple[list[str], list[str], np.ndarray]:
    """Labels, colours and boxes (fractions of the canvas) of the visible legends."""
    assert chart.description is not None
    legends = [legend for legend in chart.description.legends if legend.visible]
    rows = [entry for legend in legends for entry in legend.entries][:MAX_PARTS]
    height, width = chart.pixels.shape[:2]
    boxes = np.array([legend.box for legend in legends], np.float64).reshape(-1, 4) / [width, height, width, height]
    return [row.label.strip()[:MAX_CHARS] for row in rows], [row.color or NO_COLOR for row in rows], boxes


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Soft F1 of entries, weighed by the place of the legends."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its legend is not known")
    labels, colors, boxes = generated.derive(entries)
    their_labels, their_colors, their_boxes = reference.derive(entries)
    if not labels or not their_labels:
        return f1_result(0, len(labels), len(their_labels))
    table = cdist(labels, their_labels, scorer=Levenshtein.normalized_similarity).astype(np.float64)
    table *= (3 + np.maximum(0.0, 1 - differences(colors, their_colors) / 50)) / 4
    result = f1_result(sum(float(table[i, j]) for i, j in best_pairs(table)), len(labels), len(their_labels))
    place = overlap(boxes, their_boxes).max() if boxes.size and their_boxes.size else 0.0
    result.value = unit((result.f1 or 0.0) * (4 + float(place)) / 5)
    return result


SIGNAL = Signal("legend", compare)
