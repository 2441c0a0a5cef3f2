"""Plain values out of matplotlib's: finite numbers, colours, boxes in pixels of the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import once
from matplotlib.colors import to_rgba
from mpl_toolkits.mplot3d.axis3d import Axis as Axis3D

# All within what chartreward.description accepts; a figure that has more is cut, and its description says so.
MAX_POINTS = 2000
MAX_TEXTS = 5000
MAX_MARKS = 5000
MAX_COLORS = 64
MAX_AXES = 2000
MAX_VALUES = 200_000  # of all marks together
MAX_CHARACTERS = 1_000_000  # of all texts together
MAX_MAGNITUDE = 1e150

Box = tuple[float, float, float, float]


def number(value: Any) -> float:
    """A float of at most MAX_MAGNITUDE; anything else is 0."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        return 0.0
    return value if abs(value) <= MAX_MAGNITUDE else 0.0


def numbers(values: Any) -> list[float | None]:
    """At most MAX_POINTS floats, evenly taken; not-a-number, and what is beyond MAX_MAGNITUDE, is None."""
    try:
        flat: Any = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel()
    except (TypeError, ValueError):
        return []
    if flat.size > MAX_POINTS:
        flat = flat[np.linspace(0, flat.size - 1, MAX_POINTS).astype(int)]
    return [one if abs(one) <= MAX_MAGNITUDE else None for one in flat.tolist()]


def hexes(colors: Any) -> list[str]:
    """Distinct `#rrggbb` of RGBA rows, in drawn order, fully transparent ones left out."""
    found: dict[str, None] = {}
    try:
        rows = np.atleast_2d(np.asarray(colors, dtype=float))
    except (TypeError, ValueError):
        return []
    if rows.size == 0:
        return []
    for row in rows[:2000]:
        if len(row) >= 3 and (len(row) < 4 or row[3] > 0):
            found["#" + "".join(f"{round(min(max(part, 0.0), 1.0) * 255):02x}" for part in row[:3])] = None
            if len(found) >= MAX_COLORS:
                break
    return list(found)


def one_hex(color: Any, default: str = "#000000") -> str:
    """`#rrggbb` of one matplotlib colour."""
    try:
        found = hexes([to_rgba(color)[:3]])
    except (TypeError, ValueError):
        return default
    return found[0] if found else default


def over(color: Any, ground: str) -> str:
    """`#rrggbb` of a colour laid over an opaque one."""
    try:
        *tints, alpha = to_rgba(color)
    except (TypeError, ValueError):
        return ground
    return one_hex([alpha * tint + (1 - alpha) * below for tint, below in zip(tints, to_rgba(ground), strict=False)])


def with_children(axes: Any) -> list[Any]:
    """Axes, then those that they hold themselves (`inset_axes`, `secondary_xaxis`), unknown to their figure."""
    every = {id(one): one for one in axes}
    waiting = list(every.values())
    while waiting and len(every) <= MAX_AXES:
        inner = [one for one in waiting.pop(0).child_axes if id(one) not in every]
        every |= {id(one): one for one in inner}
        waiting += inner
    return list(every.values())


def ticks_in_space(axis: Axis3D) -> list[Any]:
    """Of a drawn axis in three dimensions: worked out again, their labels would lie where those of flat axes do."""
    low, high = sorted(axis.get_view_interval())
    reach = 1e-6 * (high - low)
    return [tick for tick in axis.get_major_ticks() if low - reach <= tick.get_loc() <= high + reach]


class Picture:
    """A drawn figure and where the picture lies on its canvas: `left`, `top` from the canvas's top left, in pixels."""

    def __init__(self, figure: Any, renderer: Any, *, left: float, top: float, width: int, height: int) -> None:
        self.figure, self.renderer = figure, renderer
        self.left, self.top, self.width, self.height = left, top, width, height
        self.canvas_height = figure.bbox.height
        self.truncated = False
        self.axes = with_children(figure.get_axes())
        if len(self.axes) > MAX_AXES:
            self.axes, self.truncated = self.axes[:MAX_AXES], True
        self.values, self.characters = MAX_VALUES, MAX_CHARACTERS
        self.index = {id(axes): place for place, axes in enumerate(self.axes)}
        self._ticks: dict[int, Any] = {}

    def box(self, extent: Any) -> Box | None:
        """Picture box of a display-space Bbox; None when it is not finite, or absurdly far."""
        sides = (
            extent.x0 - self.left,
            self.canvas_height - extent.y1 - self.top,
            extent.x1 - self.left,
            self.canvas_height - extent.y0 - self.top,
        )
        if not all(abs(side) <= MAX_MAGNITUDE for side in sides):
            return None
        left, top, right, bottom = (round(float(side), 2) for side in sides)
        return left, top, right, bottom

    def drawn_ticks(self, axis: Any) -> Any:
        """The ticks of an axis as drawn, asked for once: the axis works each of them out. Raises what it does."""
        if id(axis) not in self._ticks:
            in_space = isinstance(axis, Axis3D) and axis.axes.get_visible() and axis.axes._axis3don
            self._ticks[id(axis)] = ticks_in_space(axis) if in_space else once.ticks_of(axis)
        return self._ticks[id(axis)]

    def inside(self, box: Box) -> bool:
        """Whether any of the box is on the picture."""
        return box[2] > 0 and box[3] > 0 and box[0] < self.width and box[1] < self.height

    def extent(self, artist: Any) -> Box | None:
        try:
            return self.box(artist.get_window_extent(self.renderer))
        except Exception:
            return None
