"""`axes`: limits, scales and tick labels of paired axes.

For every axis (x, y, z) of paired axes: limits by the overlap of the intervals (intersection over union; of
logarithms on log scales), scale equal or not, tick labels by the multiset F1 of their strings. An axis scores 0.4
limits + 0.2 scale + 0.4 labels; the mean over axis pairs, weighed by the similarity of the axes, is divided by the
larger number of axes, so that missing and surplus axes cost.
"""

from __future__ import annotations

from collections import Counter
from math import log10

from chartreward.description import Axis
from chartreward.models import SignalResult
from chartreward.profiles.options import NoOptions
from worker.similarity.axes_pairs import axes_pairs, plots
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, unavailable, unit


def limits_overlap(ours: Axis, theirs: Axis) -> float:
    """Intersection over union of the shown intervals; 0 when they run in opposite directions."""
    if (ours.limits[1] < ours.limits[0]) != (theirs.limits[1] < theirs.limits[0]):
        return 0.0
    left, right = sorted(ours.limits), sorted(theirs.limits)
    if ours.scale == theirs.scale == "log" and left[0] > 0 and right[0] > 0:
        left, right = [log10(value) for value in left], [log10(value) for value in right]
    union = max(left[1], right[1]) - min(left[0], right[0])
    common = min(left[1], right[1]) - max(left[0], right[0])
    if union <= 0:
        return float(left == right)
    return max(0.0, common / union)


def labels_f1(ours: Axis, theirs: Axis) -> float:
    """Multiset F1 of the tick labels; 1 when neither axis has any."""
    left, right = (Counter(label for label in axis.ticklabels if label) for axis in (ours, theirs))
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 1.0


def axis_similarity(ours: Axis, theirs: Axis) -> float:
    """0.4 limits + 0.2 scale + 0.4 tick labels; an axis hidden on one side only scores 0, on both 1."""
    if not ours.visible or not theirs.visible:
        return float(ours.visible == theirs.visible)
    same_scale = float(ours.scale == theirs.scale)
    return 0.4 * limits_overlap(ours, theirs) + 0.2 * same_scale + 0.4 * labels_f1(ours, theirs)


def compare(generated: Chart, reference: Chart, options: NoOptions) -> SignalResult:
    """Mean similarity of the axes' scales."""
    if generated.description is None or reference.description is None:
        return unavailable("the reference is a picture: its axes are not known")
    ours, theirs = generated.description.axes, reference.description.axes
    count = max(len(plots(generated)), len(plots(reference)))
    if count == 0:
        return SignalResult(value=1.0, generated=0, reference=0)
    total = 0.0
    for i, j, _ in axes_pairs(generated, reference):
        sides = [(ours[i].x, theirs[j].x), (ours[i].y, theirs[j].y)]
        scores = [axis_similarity(left, right) for left, right in sides]
        left_z, right_z = ours[i].z, theirs[j].z
        if left_z is not None or right_z is not None:
            scores.append(axis_similarity(left_z, right_z) if left_z is not None and right_z is not None else 0.0)
        total += sum(scores) / len(scores)
    return SignalResult(value=unit(total / count), generated=len(plots(generated)), reference=len(plots(reference)))


SIGNAL = Signal("axes", compare)
