"""`layout`: where the axes are.

`cells`: multiset F1 of the grid cells (nrows, ncols, row_start, row_end, col_start, col_end) of the axes,
ChartMimic's notion. `boxes`: axes of the two charts are paired so that the summed overlap S is largest; F1 = 2S /
(|G| + |R|), with the intersection over union of the boxes in fractions of the canvas as overlap, so that `add_axes`,
insets and grid specs compare alike. `exact` answers 1 or 0: is F1 1? (MSRL, Chart Specification.) Colour bars do not
count as axes.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from chartreward.models import SignalResult
from chartreward.profiles.options import LayoutOptions
from worker.similarity.axes_pairs import axes_pairs, overlap, plots
from worker.similarity.chart import Chart
from worker.similarity.signal import Signal, f1_result, unavailable


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
        return unavailable("the reference is a picture: its axes are not known")
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


SIGNAL = Signal("layout", compare)
