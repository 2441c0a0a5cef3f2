"""`layout`: where the axes are.

`cells`: multiset F1 of the grid cells (nrows, ncols, row_start, row_end, col_start, col_end) of the axes,
ChartMimic's notion. `boxes`: axes of the two charts are paired so that the summed overlap S is largest; F1 = 2S /
(|G| + |R|), with the intersection over union of the boxes in fractions of the canvas as overlap, so that `add_axes`,
insets and grid specs compare alike. `exact` answers 1 or 0: is F1 1? (MSRL, Chart Specification.) Colour bars do not
count as axes.

A reference that is a picture gives the frames that are seen in it (worker/similarity/picture.py); `boxes` compares
with those, axes drawn over each other counting once. `cells` and pictures without frames: unavailable.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from chartreward.models import SignalResult
from chartreward.profiles.options import LayoutOptions
from worker.similarity.axes_pairs import axes_pairs, overlap, plots
from worker.similarity.chart import Chart
from worker.similarity.matching import best_pairs
from worker.similarity.picture import frames
from worker.similarity.signal import Signal, f1_result, unavailable

TWIN = 0.95  # overlap above which two axes are one frame
SAME_FRAME = 0.9  # overlap above which a frame is at its place, for `exact`


def _boxes(chart: Chart) -> np.ndarray:
    assert chart.description is not None
    height, width = chart.pixels.shape[:2]
    boxes = [chart.description.axes[index].box for index in plots(chart)]
    return np.array(boxes, np.float64).reshape(-1, 4) / [width, height, width, height]


def _cells(chart: Chart) -> Counter[tuple[int, ...]]:
    assert chart.description is not None
    axes = [chart.description.axes[index] for index in plots(chart)]
    # Axes without a cell compare by their place, to one part in 20 of the canvas.
    places = _boxes(chart)
    return Counter(
        tuple(one.cell.model_dump().values()) if one.cell is not None else tuple(np.rint(places[i] * 20).astype(int))
        for i, one in enumerate(axes)
    )


def compare(generated: Chart, reference: Chart, options: LayoutOptions) -> SignalResult:
    """F1 of the axes' places."""
    if generated.description is None or reference.description is None:
        return _seen(generated, reference, options)
    if options.match == "cells":
        ours, theirs = generated.derive(_cells), reference.derive(_cells)
        result = f1_result((ours & theirs).total(), ours.total(), theirs.total())
    else:
        table = overlap(generated.derive(_boxes), reference.derive(_boxes))
        left, right, pairs = plots(generated), plots(reference), axes_pairs(generated, reference)
        matched = sum(float(table[left.index(i), right.index(j)]) for i, j, _ in pairs)
        places = [(i, j, round(float(table[left.index(i), right.index(j)]), 3)) for i, j, _ in pairs]
        result = f1_result(matched, len(left), len(right), axes=places)
    if options.exact:
        result.value = float(result.f1 is not None and result.f1 > 1 - 1e-9)
    return result


def _distinct(chart: Chart) -> np.ndarray:
    """Boxes of axes as fractions of the canvas, those that lie on another (twins) left out; frames of a picture."""
    if chart.description is None:
        height, width = chart.pixels.shape[:2]
        return chart.derive(frames) / [width, height, width, height]
    boxes = chart.derive(_boxes)
    same = np.triu(overlap(boxes, boxes) > TWIN, 1)
    return np.asarray(boxes[~same.any(axis=0)])


def _seen(generated: Chart, reference: Chart, options: LayoutOptions) -> SignalResult:
    """F1 of the axes' boxes with the frames in a picture."""
    ours, theirs = generated.derive(_distinct), reference.derive(_distinct)
    if options.match == "cells" or len(theirs) == 0:
        return unavailable("the reference is a picture: no axes are recognised in it")
    table = overlap(ours, theirs)
    pairs = best_pairs(table)
    places = [(i, j, round(float(table[i, j]), 3)) for i, j in pairs]
    result = f1_result(sum(float(table[i, j]) for i, j in pairs), len(ours), len(theirs), axes=places, source="pixels")
    if options.exact:
        result.value = float(len(pairs) == len(ours) == len(theirs) and min(place[2] for place in places) > SAME_FRAME)
    return result


SIGNAL = Signal("layout", compare)
