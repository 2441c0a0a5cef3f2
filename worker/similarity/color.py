"""`color`: the colours of the marks.

Each chart gives its distinct mark colours with weights (the square root of how many series show them, so that one
colour in many bars does not decide alone; weights sum to 1). Colours are paired one to one for the largest S = Σ
min(w_i, w_j) · s_ij with s = exp(-(ΔE00 / `scale`)²): P = R = F1 = S, since both sides weigh 1. ΔE00 is CIEDE2000; a
difference of 2-3 is barely seen, of 15 another shade, of 40 another colour. Images and meshes count by their colour
map: three samples of its range as drawn (`colors`), or equal names.

Pictures without a description: both charts give the palette of their pixels instead (8 levels a channel, background
left out, weights by area^½), and the result says so in its evidence.
"""

from __future__ import annotations

from collections import Counter
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from chartreward.models import SignalResult
from chartreward.profiles.options import ColorOptions
from worker.similarity.chart import Chart
from worker.similarity.ciede2000 import differences
from worker.similarity.matching import best_pairs
from worker.similarity.signal import Signal, f1_result

MAX_COLORS = 300
PALETTE = 12

Palette = tuple[list[str], NDArray[np.float64]]


def mark_colors(chart: Chart) -> Palette:
    """Distinct colours of the visible marks and their weights, heaviest first."""
    assert chart.description is not None
    counts: Counter[str] = Counter()
    for mark in chart.description.marks:
        if mark.visible:
            for color in mark.colors or mark.edgecolors:
                counts[color] += 1
    common = counts.most_common(MAX_COLORS)
    weights = np.array([sqrt(count) for _, count in common])
    return [color for color, _ in common], weights / max(weights.sum(), 1e-12)


def pixel_colors(chart: Chart) -> Palette:
    """The most common colours of the picture, its background left out, and their weights by area^½."""
    coarse = (chart.pixels[::2, ::2] >> 5).reshape(-1, 3).astype(np.int32)
    values, inverse, counts = np.unique(
        coarse[:, 0] << 6 | coarse[:, 1] << 3 | coarse[:, 2], return_inverse=True, return_counts=True
    )
    order = counts.argsort()[::-1][1 : PALETTE + 1]
    order = order[counts[order] >= 2e-4 * len(coarse)]
    pixels = chart.pixels[::2, ::2].reshape(-1, 3)
    means = [np.rint(pixels[inverse == index].mean(axis=0)).astype(int) for index in order]
    weights = np.sqrt(counts[order].astype(np.float64))
    assert len(values) == len(counts)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in means], weights / max(weights.sum(), 1e-12)


def overlap(ours: Palette, theirs: Palette, scale: float) -> tuple[float, list[tuple[str, str, float]]]:
    """S in [0, 1] of the best pairing, and the pairs (our colour, theirs, contribution)."""
    similar = np.exp(-((differences(ours[0], theirs[0]) / scale) ** 2))
    table = similar * np.minimum(ours[1][:, None], theirs[1][None, :])
    pairs = best_pairs(table)
    found = [(ours[0][i], theirs[0][j], float(table[i, j])) for i, j in pairs]
    return sum(part for _, _, part in found), found


def compare(generated: Chart, reference: Chart, options: ColorOptions) -> SignalResult:
    """Weighted colour overlap."""
    from_pixels = generated.description is None or reference.description is None
    read = pixel_colors if from_pixels else mark_colors
    ours, theirs = generated.derive(read), reference.derive(read)
    if not ours[0] or not theirs[0]:
        return f1_result(0, len(ours[0]), len(theirs[0]))
    value, pairs = overlap(ours, theirs, options.scale)
    result = f1_result(value, 1, 1, pairs=pairs[:30], source="pixels" if from_pixels else "marks")
    result.matched, result.generated, result.reference = len(pairs), len(ours[0]), len(theirs[0])
    return result


SIGNAL = Signal("color", compare)
