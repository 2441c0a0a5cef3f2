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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chartreward.models import SignalResult
from chartreward.profiles.options import ColorOptions
from worker.coarse import RGB_OF_CODE, counted_over_ground
from worker.similarity.chart import Chart
from worker.similarity.ciede2000 import differences, kept_rgb_of
from worker.similarity.matching import best_pairs
from worker.similarity.series import FAMILIES
from worker.similarity.signal import Signal, f1_result

MAX_COLORS = 300
PALETTE = 12
NEAR = 28.0  # RGB distance within which a pixel shows a colour
AREA_POWER = 0.5
LEAST_AREA = 4.0  # pixels: what a colour weighs that antialiasing or blending hides from the count


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours, the kind of mark that each is on (empty for pixels), and weights that sum to 1."""

    colors: list[str]
    kinds: list[str]
    weights: NDArray[np.float64]


def _shown(chart: Chart) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 3) colours of the picture at 5 bits a channel, and how many pixels have each."""
    codes, counts = counted_over_ground(chart.pixels)
    return RGB_OF_CODE[codes], counts.astype(np.float64)


def _nearest(rgb: NDArray[np.float64], shown: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each of (n, 3) colours the index of the closest tint, and whether it is NEAR; in parts, to bound memory."""
    places, close = [], []
    for start in range(0, len(rgb), 2048):
        apart = np.linalg.norm(rgb[start : start + 2048, None] - shown[None], axis=-1)
        places.append(apart.argmin(axis=1))
        close.append(apart.min(axis=1) < NEAR)
    return np.concatenate(places), np.concatenate(close)


def mark_colors(chart: Chart) -> Palette:
    """Distinct (kind, colour) of the visible marks, at most MAX_COLORS, and their weights."""
    assert chart.description is not None
    axes = chart.description.axes
    tints: dict[tuple[str, str], NDArray[np.float64]] = {}
    grounds = [kept_rgb_of((chart.description.facecolor,))[0]]
    for mark in chart.description.marks:
        if not mark.visible or not 0 <= mark.axes < len(axes) or axes[mark.axes].colorbar:
            continue
        ground = kept_rgb_of((axes[mark.axes].facecolor,))[0]
        for color in mark.colors or mark.edgecolors:
            key = (FAMILIES.get(mark.kind, mark.kind), color)
            if key not in tints and len(tints) < MAX_COLORS:
                tints[key] = mark.alpha * kept_rgb_of((color,))[0] + (1 - mark.alpha) * ground
                grounds.append(ground)
    if not tints:
        return Palette([], [], np.empty(0))
    rgb, counts = chart.derive(_shown)
    shown = np.stack(list(tints.values()))
    nearest, near = _nearest(rgb, shown)
    areas = np.bincount(nearest[near], weights=counts[near], minlength=len(tints))
    # A mark in the colour of its ground would be given the whole background.
    plain = (np.linalg.norm(shown[:, None] - np.unique(np.stack(grounds), axis=0)[None], axis=-1) < NEAR).any(axis=1)
    areas = np.where(plain, LEAST_AREA, np.maximum(areas, LEAST_AREA))
    weights = areas**AREA_POWER
    kinds, colors = zip(*tints, strict=True)
    return Palette(list(colors), list(kinds), weights / weights.sum())


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
    weights = counts[order].astype(np.float64) ** AREA_POWER
    assert len(values) == len(counts)
    colors = [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in means]
    return Palette(colors, [""] * len(colors), weights / max(weights.sum(), 1e-12))


def overlap(ours: Palette, theirs: Palette, options: ColorOptions) -> tuple[float, list[tuple[str, str, float]]]:
    """S in [0, 1] of the best pairing, and the pairs (our colour, theirs, contribution)."""
    similar = np.exp(-((differences(ours.colors, theirs.colors) / options.scale) ** 2))
    same_kind = np.array(ours.kinds)[:, None] == np.array(theirs.kinds)[None, :]
    similar *= np.where(same_kind, 1.0, options.other_kind)
    table = similar * np.minimum(ours.weights[:, None], theirs.weights[None, :])
    pairs = best_pairs(table)
    found = [(ours.colors[i], theirs.colors[j], float(table[i, j])) for i, j in pairs]
    return sum(part for _, _, part in found), found


def compare(generated: Chart, reference: Chart, options: ColorOptions) -> SignalResult:
    """Weighted colour overlap."""
    from_pixels = reference.description is None or not reference.derive(mark_colors).colors
    read = pixel_colors if from_pixels or generated.description is None else mark_colors
    ours, theirs = generated.derive(read), reference.derive(read)
    if not ours.colors or not theirs.colors:
        return f1_result(0, len(ours.colors), len(theirs.colors))
    value, pairs = overlap(ours, theirs, options)
    apart: NDArray[np.float64] = differences([a for a, _, _ in pairs], [b for _, b, _ in pairs]).diagonal()
    used = {a for a, _, _ in pairs}, {b for _, b, _ in pairs}
    result = f1_result(
        value,
        1,
        1,
        pairs=[(*pair, round(float(delta), 2)) for pair, delta in list(zip(pairs, apart, strict=True))[:30]],
        missing=[color for color in dict.fromkeys(theirs.colors) if color not in used[1]][:30],
        extra=[color for color in dict.fromkeys(ours.colors) if color not in used[0]][:30],
        source="pixels" if from_pixels else "marks",
    )
    result.matched, result.generated, result.reference = len(pairs), len(ours.colors), len(theirs.colors)
    return result


SIGNAL = Signal("color", compare)
