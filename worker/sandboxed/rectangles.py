"""Shorter ways to where a rectangle lies, for matplotlib 3.8: bars, frames and grounds of axes are rectangles.

Same numbers in fewer steps: an upright rectangle is the unit square, scaled and moved, so neither a rotation nor the
curves of its outline need be worked out. Anything else goes the way that it always goes.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from boxes import NUMBERS
from matplotlib.artist import Artist
from matplotlib.bezier import BezierSegment
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Bbox, Transform, TransformedBbox

SQUARE: Any = Path.unit_rectangle()
CORNERS = 4  # the fifth vertex only closes it


def install() -> None:
    """Replace the methods, once a process. Other versions are left alone."""
    if not mpl.__version__.startswith("3.8."):
        return
    Rectangle.get_patch_transform = _patch_transform(Rectangle.get_patch_transform)
    Artist.set_clip_path = _clip_path(Artist.set_clip_path)
    Path.iter_bezier = _beziers(Path.iter_bezier)
    Path.get_extents = _extents(Path.get_extents)


def _sides(rectangle: Any) -> tuple[float, float, float, float] | None:
    """x0, y0, x1, y1 of an upright rectangle that is given in finite numbers; else None."""
    x, y, width, height = rectangle._x0, rectangle._y0, rectangle._width, rectangle._height
    plain = type(x) in NUMBERS and type(y) in NUMBERS and type(width) in NUMBERS and type(height) in NUMBERS
    if not plain or rectangle.angle != 0.0 or type(rectangle._rotation_point) is not str:
        return None
    sides = float(x), float(y), float(x + width), float(y + height)
    return sides if rectangle._aspect_ratio_correction == 1.0 and all(abs(one) < np.inf for one in sides) else None


def _patch_transform(plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Without a rotation by nothing about a corner."""

    @functools.wraps(plain)
    def get_patch_transform(rectangle: Any) -> Any:
        sides = _sides(rectangle)
        if sides is None:
            return plain(rectangle)
        x0, y0, x1, y1 = sides
        return Affine2D(np.array([[x1 - x0, 0.0, x0], [0.0, y1 - y0, y0], [0.0, 0.0, 1.0]]))

    return get_patch_transform


def _clip_path(plain: Callable[..., None]) -> Callable[..., None]:
    """With one clip box for all that a rectangle clips while it stays where it is."""
    boxes: weakref.WeakKeyDictionary[Any, tuple[Any, Any, Any]] = weakref.WeakKeyDictionary()

    @functools.wraps(plain)
    def set_clip_path(artist: Any, path: Any, transform: Any = None) -> None:
        sides = _sides(path) if type(path) is Rectangle and transform is None else None
        if sides is None or not isinstance(path._transform, Transform):
            plain(artist, path, transform)
            return
        known = boxes.get(path)
        if known is None or known[0] != sides or known[1] is not path._transform:
            known = boxes[path] = sides, path._transform, TransformedBbox(Bbox.unit(), path.get_transform())
        artist.clipbox, artist._clippath = known[2], None
        artist.pchanged()
        artist.stale = True

    return set_clip_path


class _Side(BezierSegment):  # type: ignore[misc]  # matplotlib's types do not cover it
    """One side of the unit square, whose ends are known."""

    def __init__(self, segment: Any) -> None:
        self.__dict__.update(segment.__dict__)
        self.ends = segment([0, 1])

    def __call__(self, t: Any) -> Any:
        return self.ends.copy() if type(t) is list and t == [0, 1] else super().__call__(t)


def _beziers(plain: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The unit square's sides, worked out once."""
    sides = [(_Side(segment), code) for segment, code in plain(SQUARE, simplify=False)]

    @functools.wraps(plain)
    def iter_bezier(path: Any, **options: Any) -> Iterator[Any]:
        return iter(sides) if path is SQUARE and options == {"simplify": False} else plain(path, **options)

    return iter_bezier


def _extents(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Of the unit square, moved anywhere, without asking each vertex what it is."""

    @functools.wraps(plain)
    def get_extents(path: Any, transform: Any = None, **options: Any) -> Any:
        if options or path.codes is not SQUARE.codes:
            return plain(path, transform, **options)
        moved = path if transform is None else transform.transform_path(path)
        if moved.codes is not SQUARE.codes:
            return plain(moved)
        corners = moved.vertices[:CORNERS]
        return Bbox([corners.min(axis=0), corners.max(axis=0)])

    return get_extents
