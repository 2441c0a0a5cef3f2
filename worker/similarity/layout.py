"""`layout`: where the axes are.

`cells`: multiset F1 of the grid cells (nrows, ncols, row_start, row_end, col_start, col_end) of the axes,
ChartMimic's notion. `boxes`: axes of the two charts are paired so that the summed overlap S is largest; F1 = 2S /
(|G| + |R|), with the intersection over union of the boxes in fractions of the canvas as overlap, so that `add_axes`,
insets and grid specs compare alike. `grid`: rows and columns as they are seen, centres of axes within LINE of each
other sharing one; multiset F1 with half a match for every axes that both have as (rows, columns, row, column,
projection), and half for every one that both have by its projection alone; axes that are tiny or show nothing are left
out. `exact` answers 1 or 0: is F1 1? (MSRL, Chart Specification.) Colour bars do not count as axes.

A reference that is a picture gives the frames that are seen in it (worker/similarity/picture.py); `boxes` and `grid`
compare with those, axes drawn over each other counting once. `cells` and pictures without frames: unavailable.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from chartreward.models import SignalResult
from chartreward.profiles.options import LayoutOptions
from worker.similarity.axes_pairs import axes_pairs, overlap, plots
from worker.similarity.chart import Chart
from worker.similarity.matching import best_pairs
from worker.similarity.picture import frames
from worker.similarity.signal import Signal, f1_result, unavailable

TWIN = 0.95  # overlap above which two axes are one frame
LINE = 0.05  # of the canvas: centres closer than this stand in one row or column
LEAST = 0.1  # of the canvas: smaller axes, put where one is missing, would fill the grid unseen
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


def _lines(centers: np.ndarray) -> tuple[np.ndarray, int]:
    """The line (0, 1, ...) on which each centre stands, and how many lines there are."""
    order = np.argsort(centers, kind="stable")
    steps = np.diff(centers[order], prepend=centers[order][:1]) > LINE
    found = np.empty(len(centers), int)
    found[order] = np.cumsum(steps)
    return found, int(steps.sum()) + bool(len(centers))


def _grid(boxes: np.ndarray, projections: list[str]) -> Counter[tuple[int | str, ...]]:
    """(rows, columns, row, column, projection) of every axes, its place as its centre is seen."""
    columns, width = _lines((boxes[:, 0] + boxes[:, 2]) / 2)
    rows, height = _lines((boxes[:, 1] + boxes[:, 3]) / 2)
    return Counter((height, width, *place) for place in zip(rows.tolist(), columns.tolist(), projections, strict=True))


def _by_grid(ours: tuple[np.ndarray, list[str]], theirs: tuple[np.ndarray, list[str]], **evidence: Any) -> SignalResult:
    """F1 of axes: half for each that has its place in the grid, half for each whose projection the other has too."""
    placed = (_grid(*ours) & _grid(*theirs)).total()
    there = (Counter(ours[1]) & Counter(theirs[1])).total()
    return f1_result((placed + there) / 2, len(ours[1]), len(theirs[1]), **evidence)


def _drawn(chart: Chart) -> tuple[np.ndarray, list[str]]:
    """Boxes and projections of the axes that can be seen: LEAST of the canvas a side, and with a mark or a text."""
    description = chart.description
    assert description is not None
    used: set[int | None] = {mark.axes for mark in description.marks if mark.visible}
    used |= {text.axes for text in description.texts if text.visible and text.string.strip()}
    boxes = chart.derive(_boxes)
    large = (np.minimum(boxes[:, 2:], 1) - np.maximum(boxes[:, :2], 0) >= LEAST).all(axis=1)
    kept = [(place, index) for place, index in enumerate(plots(chart)) if large[place] and index in used]
    return boxes[[place for place, _ in kept]], [description.axes[index].projection for _, index in kept]


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
        if options.match == "grid":
            result = _by_grid(generated.derive(_drawn), reference.derive(_drawn), axes=places)
        else:
            result = f1_result(matched, len(left), len(right), axes=places)
    return _whole(result) if options.exact else result


def _whole(result: SignalResult) -> SignalResult:
    """The same result with 1 for a perfect match as value, else 0."""
    return result.model_copy(update={"value": float(result.f1 is not None and result.f1 > 1 - 1e-9)})


def _distinct(chart: Chart) -> np.ndarray:
    """Boxes of axes as fractions of the canvas, those that lie on another (twins) left out; frames of a picture."""
    if chart.description is None:
        height, width = chart.pixels.shape[:2]
        return chart.derive(frames) / [width, height, width, height]
    return _apart(chart.derive(_boxes))


def _apart(boxes: np.ndarray) -> np.ndarray:
    same = np.triu(overlap(boxes, boxes) > TWIN, 1)
    return np.asarray(boxes[~same.any(axis=0)])


def _seen(generated: Chart, reference: Chart, options: LayoutOptions) -> SignalResult:
    """F1 of the axes' boxes with the frames in a picture."""
    ours, theirs = generated.derive(_distinct), reference.derive(_distinct)
    if options.match == "cells" or len(theirs) == 0:
        return unavailable("the reference is a picture: no axes are recognised in it")
    if options.match == "grid":
        if generated.description is not None:
            ours = _apart(generated.derive(_drawn)[0])
        # Frames say nothing of projections.
        result = _by_grid((ours, [""] * len(ours)), (theirs, [""] * len(theirs)), source="pixels")
        return _whole(result) if options.exact else result
    table = overlap(ours, theirs)
    pairs = best_pairs(table)
    places = [(i, j, round(float(table[i, j]), 3)) for i, j in pairs]
    result = f1_result(sum(float(table[i, j]) for i, j in pairs), len(ours), len(theirs), axes=places, source="pixels")
    if options.exact:
        result.value = float(len(pairs) == len(ours) == len(theirs) and min(place[2] for place in places) > SAME_FRAME)
    return result


SIGNAL = Signal("layout", compare)
