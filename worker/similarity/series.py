"""How alike two series are: the number kernels and shapes that `data` builds on. All take data coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from chartreward.description import Axes, Axis, Mark
from worker.similarity.matching import OPTIMAL_SIDE, best_pairs

Floats = NDArray[np.float64]
Kernel = Literal["range", "cerm", "tolerance"]
SAMPLES = 64

# Kinds that may stand for each other, and what the exchange costs.
FAMILIES = {
    "line": "line",
    "points": "points",
    "bar": "bar",
    "wedge": "wedge",
    "area": "area",
    "image": "image",
    "mesh": "image",
    "contour": "contour",
    "segments": "segments",
    "quiver": "quiver",
    "surface": "surface",
    "box": "box",
    "patch": "patch",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """How values of one paired axes are compared: the kernel, its width, and the reference's extent in x, y and z."""

    kernel: Kernel
    tolerance: float
    x: float
    y: float
    z: float

    def similarity(self, ours: Floats, theirs: Floats, extent: float) -> Floats:
        """Elementwise in [0, 1].

        range: exp(-(|p - t| / (tolerance · extent))). cerm: 1 / (1 + |p - t| / |t|), t = 0: exact (BigCharts-R1).
        tolerance: 1 when |p - t| <= tolerance · |t|, else 0 (MSRL's ± 5 %).
        """
        apart = np.abs(ours - theirs)
        if self.kernel == "range":
            return np.asarray(np.exp(-apart / max(self.tolerance * extent, 1e-300)))
        if self.kernel == "tolerance":
            return (apart <= self.tolerance * np.abs(theirs) + 1e-12).astype(np.float64)
        size = np.abs(theirs)
        exact = (apart <= 1e-12).astype(np.float64)
        return np.where(size > 0, 1.0 / (1.0 + apart / np.where(size > 0, size, 1.0)), exact)


def extent_of(axis: Axis) -> float:
    """Length of the interval an axis shows, never 0."""
    return max(abs(axis.limits[1] - axis.limits[0]), 1e-12)


def scale_of(axes: Axes, kernel: Kernel, tolerance: float) -> Scale:
    """The scale of one reference axes."""
    x, y = extent_of(axes.x), extent_of(axes.y)
    return Scale(kernel, tolerance, x, y, y if axes.z is None else extent_of(axes.z))


def column(mark: Mark, *names: str) -> Floats | None:
    """The first of the named columns that the mark has; missing values become NaN."""
    for name in names:
        values = mark.data.get(name)
        if values:
            return np.array([np.nan if value is None else value for value in values], np.float64)
    return None


def _points(mark: Mark) -> Floats | None:
    """(n, d) finite points, columns in the alphabetical order of the coordinates."""
    names = [name for name in ("x", "y", "z") if mark.data.get(name)]
    columns = [column(mark, name) for name in names]
    kept = [values for values in columns if values is not None]
    if not kept or len({len(values) for values in kept}) != 1:
        return None
    table = np.stack(kept, axis=-1)
    return table[np.isfinite(table).all(axis=1)]


def _sampled(values: Floats, at: Floats) -> Floats:
    return np.interp(at, np.linspace(0.0, 1.0, len(values)), values)


def line_similarity(ours: Mark, theirs: Mark, scale: Scale) -> float:
    """Order-sensitive: both resampled along their points; lines that run in x are compared at the same x.

    The mean kernel of y over the reference's x range, times the share of that range which the other line covers.
    """
    left, right = _points(ours), _points(theirs)
    if left is None or right is None or len(left) == 0 or len(right) == 0:
        return float(left is None and right is None)
    if left.shape[1] >= 2 and _rising(left) and _rising(right):
        low, high = max(left[0, 0], right[0, 0]), min(left[-1, 0], right[-1, 0])
        span = max(left[-1, 0], right[-1, 0]) - min(left[0, 0], right[0, 0])
        if high < low or span <= 0:
            return 0.0
        at = np.linspace(low, high, SAMPLES)
        close = scale.similarity(
            np.interp(at, left[:, 0], left[:, 1]), np.interp(at, right[:, 0], right[:, 1]), scale.y
        )
        return float(close.mean() * (high - low) / span)
    width = min(left.shape[1], right.shape[1])
    at = np.linspace(0.0, 1.0, SAMPLES)
    close = np.ones(SAMPLES)
    for dimension in range(width):
        extent = (scale.x, scale.y, scale.z)[dimension]
        close *= scale.similarity(_sampled(left[:, dimension], at), _sampled(right[:, dimension], at), extent)
    return float(close.mean())


def _rising(points: Floats) -> bool:
    return len(points) > 1 and bool(np.all(np.diff(points[:, 0]) > 0))


def cloud_similarity(ours: Floats, theirs: Floats, scale: Scale) -> float:
    """Order-insensitive: mean kernel of every point's nearest neighbour on the other side, in both directions.

    Distances are in fractions of the reference's axes; a count that differs costs its ratio's square root.
    """
    if len(ours) == 0 or len(theirs) == 0:
        return float(len(ours) == len(theirs))
    width = min(ours.shape[1], theirs.shape[1])
    unit = np.array([scale.x, scale.y, scale.z])[:width]
    left, right = ours[:, :width] / unit, theirs[:, :width] / unit
    reach = scale.tolerance if scale.kernel == "range" else 0.05
    near = [cKDTree(b).query(a)[0] for a, b in ((left, right), (right, left))]
    close = min(float(np.exp(-distance / reach).mean()) for distance in near)
    return close * float(np.sqrt(min(len(left), len(right)) / max(len(left), len(right))))


def bars_similarity(ours: Mark, theirs: Mark, scale: Scale) -> float:
    """Bars paired one to one by place and length; S / larger count."""
    tables = []
    for mark in (ours, theirs):
        place, length, base = column(mark, "x"), column(mark, "height", "y"), column(mark, "base")
        if place is None or length is None or len(place) != len(length):
            return 0.0
        base = np.zeros_like(place) if base is None or len(base) != len(place) else base
        tables.append(np.nan_to_num(np.stack([place, length, base], axis=-1)))
    left, right = tables
    across, along = (scale.y, scale.x) if theirs.orientation == "horizontal" else (scale.x, scale.y)
    if max(len(left), len(right)) > OPTIMAL_SIDE:
        turned = Scale(scale.kernel, scale.tolerance, across, along, scale.z)
        return cloud_similarity(left[:, :2], right[:, :2], turned)
    place = np.exp(-np.abs(left[:, None, 0] - right[None, :, 0]) / (0.1 * across))
    length = scale.similarity(left[:, None, 1], right[None, :, 1], along)
    base = scale.similarity(left[:, None, 2], right[None, :, 2], along)
    table = place * (0.8 * length + 0.2 * base)
    matched = sum(float(table[i, j]) for i, j in best_pairs(table))
    return matched / max(len(left), len(right))


def wedges_similarity(ours: Mark, theirs: Mark, scale: Scale) -> float:
    """Wedges as fractions of the circle, in drawn order and in any order: the mean of both."""
    shares = []
    for mark in (ours, theirs):
        start, end = column(mark, "theta1"), column(mark, "theta2")
        if start is None or end is None or len(start) != len(end):
            return 0.0
        shares.append(np.abs(end - start) / 360.0)
    left, right = shares
    count = max(len(left), len(right))
    padded = [np.pad(side, (0, count - len(side))) for side in (left, right)]
    in_order = float(np.exp(-np.abs(padded[0] - padded[1]) / scale.tolerance).mean())
    table = np.exp(-np.abs(left[:, None] - right[None, :]) / scale.tolerance)
    return 0.5 * in_order + 0.5 * sum(float(table[i, j]) for i, j in best_pairs(table)) / count


def image_similarity(ours: Mark, theirs: Mark, scale: Scale) -> float:
    """Same shape: cell by cell, in units of the reference's range of values. Otherwise by sorted values, halved."""
    left, right = column(ours, "value"), column(theirs, "value")
    if left is None or right is None:
        return float(left is None and right is None)
    left, right = np.nan_to_num(left), np.nan_to_num(right)
    extent = max(float(np.ptp(right)), 1e-12)
    if ours.shape == theirs.shape and len(left) == len(right):
        return float(scale.similarity(left, right, extent).mean())
    at = np.linspace(0.0, 1.0, SAMPLES)
    return 0.5 * float(scale.similarity(_sampled(np.sort(left), at), _sampled(np.sort(right), at), extent).mean())


def mark_similarity(ours: Mark, theirs: Mark, scale: Scale) -> float:
    """Similarity of two series of the same family, in [0, 1]; 0 for different families."""
    family = FAMILIES.get(theirs.kind)
    if FAMILIES.get(ours.kind) != family:
        return 0.0
    if family == "bar" and not theirs.data.get("z"):
        return bars_similarity(ours, theirs, scale) if ours.orientation == theirs.orientation else 0.0
    if family == "wedge":
        return wedges_similarity(ours, theirs, scale)
    if family == "image":
        return image_similarity(ours, theirs, scale)
    if family == "line":
        return line_similarity(ours, theirs, scale)
    left, right = _points(ours), _points(theirs)
    if left is None or right is None:
        return float(left is None and right is None)
    return cloud_similarity(left, right, scale)


def merged(marks: list[Mark]) -> Mark:
    """Many series of one kind as a single one: their columns joined."""
    names = {name for mark in marks for name in mark.data}
    shared = [name for name in names if all(name in mark.data for mark in marks)]
    joined = {name: [value for mark in marks for value in mark.data[name]][:5000] for name in shared}
    return marks[0].model_copy(update={"data": joined, "shape": None, "count": sum(mark.count for mark in marks)})
