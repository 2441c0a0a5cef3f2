"""`color`: the colours of the marks, by how much of the picture they fill.

Each chart gives its distinct mark colours with weights: the square root of the pixels that show the colour (as
blended by the mark's opacity over its axes), so that a dot in a guessed colour weighs next to nothing; weights sum to
1. Colours are paired one to one for the largest S = Σ min(w_i, w_j) · s_ij with s = exp(-(ΔE00 / `scale`)²): P = R =
F1 = S, since both sides weigh 1. ΔE00 is CIEDE2000; a difference of 2-3 is barely seen, of 15 another shade, of 40
another colour.

A chart without coloured marks (images by colour map), or a picture without a description, gives the palette of its
pixels instead (8 levels a channel, background left out, weights by area^½); then both sides do, and the evidence says
so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from chartreward.models import SignalResult
from chartreward.profiles.options import ColorOptions
from worker.similarity.chart import Chart
from worker.similarity.ciede2000 import differences, rgb_of
from worker.similarity.matching import best_pairs
from worker.similarity.signal import Signal, f1_result

MAX_COLORS = 300
PALETTE = 12
NEAR = 28.0  # RGB distance within which a pixel shows a colour
LEAST_AREA = 4.0  # pixels: what a colour weighs that antialiasing or blending hides from the count

Palette = tuple[list[str], NDArray[np.float64]]


def _shown(chart: Chart) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 3) colours of the picture at 5 bits a channel, and how many pixels have each."""
    coarse = (chart.pixels >> 3).astype(np.uint16)
    counts = np.bincount(((coarse[..., 0] << 10) | (coarse[..., 1] << 5) | coarse[..., 2]).ravel())
    codes = np.flatnonzero(counts)
    rgb = np.stack([codes >> 10, codes >> 5 & 31, codes & 31], axis=-1) * 8.0 + 4.0
    return rgb, counts[codes].astype(np.float64)


def mark_colors(chart: Chart) -> Palette:
    """Distinct colours of the visible marks, at most MAX_COLORS, and their weights."""
    assert chart.description is not None
    axes = chart.description.axes
    tints: dict[str, NDArray[np.float64]] = {}
    for mark in chart.description.marks:
        if not mark.visible or not 0 <= mark.axes < len(axes):
            continue
        for color in mark.colors or mark.edgecolors:
            if color not in tints and len(tints) < MAX_COLORS:
                ground = rgb_of([axes[mark.axes].facecolor])[0]
                tints[color] = mark.alpha * rgb_of([color])[0] + (1 - mark.alpha) * ground
    if not tints:
        return [], np.empty(0)
    rgb, counts = chart.derive(_shown)
    apart = np.linalg.norm(rgb[:, None] - np.stack(list(tints.values()))[None], axis=-1)
    nearest = apart.argmin(axis=1)
    near = apart[np.arange(len(rgb)), nearest] < NEAR
    areas = np.bincount(nearest[near], weights=counts[near], minlength=len(tints))
    weights = np.sqrt(np.maximum(areas, LEAST_AREA))
    return list(tints), weights / weights.sum()


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
    from_pixels = reference.description is None or not reference.derive(mark_colors)[0]
    read = pixel_colors if from_pixels or generated.description is None else mark_colors
    ours, theirs = generated.derive(read), reference.derive(read)
    if not ours[0] or not theirs[0]:
        return f1_result(0, len(ours[0]), len(theirs[0]))
    value, pairs = overlap(ours, theirs, options.scale)
    result = f1_result(value, 1, 1, pairs=pairs[:30], source="pixels" if from_pixels else "marks")
    result.matched, result.generated, result.reference = len(pairs), len(ours[0]), len(theirs[0])
    return result


SIGNAL = Signal("color", compare)
