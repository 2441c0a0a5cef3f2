"""Which axes of one chart stand for which of the other: what every signal about axes builds on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chartreward.description import Axes, Box
from worker.similarity.chart import Chart
from worker.similarity.matching import best_pairs

MAX_AXES = 400
SAME_CELL_BONUS = 0.25
OTHER_PROJECTION = 0.5


def plots(chart: Chart) -> list[int]:
    """Indices of the visible axes that are not colour bars, at most MAX_AXES."""
    assert chart.description is not None
    axes = chart.description.axes
    return [index for index, one in enumerate(axes) if one.visible and not one.colorbar][:MAX_AXES]


def _boxes(boxes: list[Box], chart: Chart) -> NDArray[np.float64]:
    height, width = chart.pixels.shape[:2]
    return np.array(boxes, np.float64).reshape(-1, 4) / [width, height, width, height]


def overlap(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, m) intersection over union of (left, top, right, bottom) boxes."""
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=-1) for boxes in (ours, theirs)]
    union = areas[0][:, None] + areas[1][None, :] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def similarity(ours: list[Axes], theirs: list[Axes], generated: Chart, reference: Chart) -> NDArray[np.float64]:
    """(n, m) in [0, 1]: overlap on the canvas, with a bonus for the same grid cell, halved for another projection."""
    table = overlap(_boxes([axes.box for axes in ours], generated), _boxes([axes.box for axes in theirs], reference))
    for i, left in enumerate(ours):
        for j, right in enumerate(theirs):
            if left.cell is not None and left.cell == right.cell and (left.twin is None) == (right.twin is None):
                table[i, j] = min(1.0, table[i, j] + SAME_CELL_BONUS)
            if left.projection != right.projection:
                table[i, j] *= OTHER_PROJECTION
    return table


def axes_pairs(generated: Chart, reference: Chart) -> list[tuple[int, int, float]]:
    """(index of our axes, index of theirs, similarity), each axes at most once; colour bars are left out.

    Worked out once a pair: several signals ask.
    """
    key = ("axes_pairs", reference.serial)
    if key not in generated.derived:
        assert generated.description is not None and reference.description is not None
        left, right = plots(generated), plots(reference)
        ours = [generated.description.axes[index] for index in left]
        theirs = [reference.description.axes[index] for index in right]
        table = similarity(ours, theirs, generated, reference)
        # A twin lies exactly on its host: order of creation decides between them.
        ranks = np.abs(np.arange(len(left))[:, None] - np.arange(len(right))[None, :])
        pairs = best_pairs(np.where(table > 0, table - 1e-6 * ranks / max(1, len(left), len(right)), 0.0))
        generated.derived[key] = [(left[i], right[j], float(table[i, j])) for i, j in pairs]
    return generated.derived[key]  # type: ignore[no-any-return]
