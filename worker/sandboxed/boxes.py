"""Shorter ways to the boxes of matplotlib 3.8: same numbers, with fewer small arrays on the way.

A layout asks for thousands of boxes, and of each for its sides, one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.bezier import BezierSegment
from matplotlib.transforms import Bbox, BboxBase, TransformedBbox

NUMBERS = (int, float, np.float64)
BOXES = (Bbox, TransformedBbox)
MOST = 1000  # curves whose extrema are kept


def install() -> None:
    """Replace the functions, once a process. Other versions are left alone."""
    if not mpl.__version__.startswith("3.8."):
        return
    Bbox.from_extents = staticmethod(_from_extents(Bbox.from_extents))
    Bbox.union = staticmethod(_union(Bbox.union))
    for name, column, larger in (("xmin", 0, False), ("ymin", 1, False), ("xmax", 0, True), ("ymax", 1, True)):
        setattr(BboxBase, name, _side(getattr(BboxBase, name), column, larger=larger))
    BezierSegment.axis_aligned_extrema = _extrema(BezierSegment.axis_aligned_extrema)


def _from_extents(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Of four numbers, without reshaping them."""

    @functools.wraps(plain)
    def from_extents(*sides: Any, minpos: Any = None) -> Any:
        if minpos is not None or len(sides) != 4 or any(type(side) not in NUMBERS for side in sides):
            return plain(*sides, minpos=minpos)
        x0, y0, x1, y1 = sides
        return Bbox([[x0, y0], [x1, y1]])

    return from_extents


def _union(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Of all corners at once."""

    @functools.wraps(plain)
    def union(boxes: Any) -> Any:
        if not len(boxes) or any(type(box) not in BOXES for box in boxes):
            return plain(boxes)
        corners = np.array([box.get_points() for box in boxes])
        return Bbox([corners.min(axis=(0, 1)), corners.max(axis=(0, 1))])

    return union


def _side(plain: Any, column: int, *, larger: bool) -> Any:
    """One of two numbers."""

    @functools.wraps(plain.fget)
    def side(box: Any) -> Any:
        points = box.get_points()
        first, second = points[0, column], points[1, column]
        if first < second:
            return second if larger else first
        if second < first:
            return first if larger else second
        return plain.fget(box)  # equal, or no numbers

    return property(side, doc=plain.__doc__)


def _extrema(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Worked out once for each curve: the frame of a legend is measured several times."""
    known: dict[tuple[bytes, tuple[int, ...]], Any] = {}

    @functools.wraps(plain)
    def axis_aligned_extrema(segment: Any) -> Any:
        points = segment._cpoints
        if points.dtype != np.float64:
            return plain(segment)
        key = points.tobytes(), points.shape
        found = known.get(key)
        if found is None:
            found = plain(segment)
            if len(known) < MOST:
                known[key] = found
        return tuple(one.copy() for one in found)

    return axis_aligned_extrema
