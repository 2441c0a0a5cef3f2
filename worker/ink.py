"""Whose ink is it? A claim must not live on what something else drew.

Ink of the right colour in a text's box is its writing only when it is spread as writing is, outside of other texts'
boxes. A mark over a filled mark of its own colour cannot be seen there, so those places prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chartreward.description import Mark, Text

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Pair = tuple[Floats, Floats]

LOOKED_AT = 40_000  # pixels of a text's box that are looked at, at most
LEAST_ALONG = 0.4  # share of the columns (along the line) that letters without spaces reach at least
LEAST_ACROSS = 0.25  # share of the rows
MOST_INK = 0.7  # share of the box beyond which ink is a surface
LEAST_FREE = 0.25  # share of the box that other texts' boxes must leave
MAX_COVERS = 200  # filled marks, largest first, that are kept to explain others


def step_of(height: int, width: int) -> int:
    """Stride at which a box of that size has no more than about LOOKED_AT pixels."""
    return max(1, int(np.ceil(np.sqrt(height * width / LOOKED_AT))))


def is_judged(text: Text) -> bool:
    """Whether a text's ink can be told from other ink: not that of slanted texts, formulas and texts of signs alone."""
    letters = sum(character.isalnum() for character in text.string)
    return not (text.rotation % 90 or "$" in text.string or letters < 3 or 2 * letters < len(text.string.strip()))


def is_written(text: Text, ink: Flags, taken: Flags | None) -> bool:
    """Whether the `ink` of a box is spread as the writing of its text is, True where that cannot be told.

    `ink` and `taken` (within other texts' boxes; None: nothing is) are (height, width) of the box.
    """
    if not is_judged(text):
        return True
    longest = max(text.string.splitlines(), key=len, default="")
    dense = sum(not character.isspace() for character in longest) / max(1, len(longest))
    if text.rotation % 180:
        ink, taken = ink.T, None if taken is None else taken.T
    size = ink.size
    letters = ink
    if taken is not None:
        free = ~taken
        size = int(np.count_nonzero(free))
        if size / free.size < LEAST_FREE:
            return False
        columns = free.mean(axis=0) > 0.5
        if not columns.any():
            columns = free.any(axis=0)
        ink = ink & free
        letters = ink[:, columns]
    along = np.count_nonzero(letters.any(axis=0)) / letters.shape[1]
    across = np.count_nonzero(ink.any(axis=1)) / ink.shape[0]
    filled = np.count_nonzero(ink) / size
    return bool(along >= LEAST_ALONG * dense and across >= LEAST_ACROSS and filled <= MOST_INK)


# --- marks that cover others ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cover:
    """A filled mark: its place in the description, the colours it shows, its size, and which pixels (x, y) it fills.

    `shapes` counts the rectangles or corners that one pixel is compared with.
    """

    index: int
    tints: Floats
    area: float
    shapes: int
    holds: Callable[[Floats, Floats], Flags]


def _column(mark: Mark, name: str) -> Floats | None:
    values = mark.data.get(name)
    return np.array(values, np.float64) if values else None  # None becomes nan


def _boxes(mark: Mark) -> Floats | None:
    """(n, 4) left, bottom, right, top of a mark's rectangles in data coordinates."""
    x, y, width = (_column(mark, name) for name in ("x", "y", "width"))
    if x is None or y is None or width is None or not len(x) == len(y) == len(width):
        return None
    if mark.kind == "patch":
        height = _column(mark, "height")
        if height is None or len(height) != len(x):
            return None
        sides = np.stack([x, y, x + width, y + height], axis=-1)
    else:
        base = _column(mark, "base")
        if base is None or len(base) != len(x):
            return None
        lows = (base, x - width / 2) if mark.orientation == "horizontal" else (x - width / 2, base)
        highs = (base + y, x + width / 2) if mark.orientation == "horizontal" else (x + width / 2, base + y)
        sides = np.stack([*lows, *highs], axis=-1)
    return np.concatenate([np.minimum(sides[:, :2], sides[:, 2:]), np.maximum(sides[:, :2], sides[:, 2:])], axis=1)


def _in_boxes(boxes: Floats) -> Callable[[Floats, Floats], Flags]:
    def holds(x: Floats, y: Floats) -> Flags:
        points = np.stack([x, y], axis=-1)[:, None]
        inside = (points >= boxes[None, :, :2]) & (points <= boxes[None, :, 2:])
        return np.asarray(np.any(inside[..., 0] & inside[..., 1], axis=1), bool)

    return holds


def _in_polygon(corners: Floats) -> Callable[[Floats, Floats], Flags]:
    """Even-odd rule."""
    after = np.roll(corners, -1, axis=0)

    def holds(x: Floats, y: Floats) -> Flags:
        crosses = (corners[None, :, 1] > y[:, None]) != (after[None, :, 1] > y[:, None])
        rise = np.where(after[:, 1] == corners[:, 1], 1.0, after[:, 1] - corners[:, 1])
        at = corners[:, 0] + (y[:, None] - corners[:, 1]) / rise * (after[:, 0] - corners[:, 0])
        return np.asarray((crosses & (x[:, None] < at)).sum(axis=1) % 2 == 1)

    return holds


def cover_of(index: int, mark: Mark, tints: Floats, pixels: Callable[[Floats, Floats], Pair | None]) -> Cover | None:
    """A bar series, rectangle or area as a cover; None for what covers nothing, or nobody knows where.

    `tints` (n, 3) are the colours it shows, `pixels` turns its data coordinates into pixels.
    """
    if mark.kind not in ("bar", "patch", "area") or not mark.colors:
        return None
    if mark.kind == "area":
        x, y = _column(mark, "x"), _column(mark, "y")
        place = pixels(x, y) if x is not None and y is not None and len(x) == len(y) >= 3 else None
        if place is None:
            return None
        return Cover(index, tints, size_of(mark), len(place[0]), _in_polygon(np.stack(place, axis=-1)))
    boxes = _boxes(mark)
    corners = [] if boxes is None else [pixels(boxes[:, 0], boxes[:, 1]), pixels(boxes[:, 2], boxes[:, 3])]
    if len(corners) != 2 or corners[0] is None or corners[1] is None:
        return None
    first, second = np.stack(corners[0], axis=-1), np.stack(corners[1], axis=-1)
    sides = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
    return Cover(index, tints, size_of(mark), len(sides), _in_boxes(sides))


def size_of(mark: Mark) -> float:
    """Pixels of a mark's box."""
    return (mark.box[2] - mark.box[0]) * (mark.box[3] - mark.box[1])


def explained(
    mark: Mark, index: int, tints: Floats, places: Pair, *, covers: Sequence[Cover], contrast: float
) -> Flags:
    """At which of the pixels (x, y) a mark's colours (all of them) could be those of other marks that cover the place.

    Of two covers that explain each other the larger one, or the first of equals, has the ink.
    """
    x, y = places
    if not covers and len(tints):
        return np.zeros(len(x), bool)
    found = np.zeros((len(tints), len(x)), bool)
    for cover in covers:
        smaller = (cover.area, -cover.index) < (size_of(mark), -index)
        if cover.index == index or (smaller and mark.kind in ("bar", "patch", "area")):
            continue
        near = (np.linalg.norm(tints[:, None] - cover.tints[None], axis=-1) < contrast).any(axis=1)
        if near.any():
            found[near] |= cover.holds(x, y)
    return np.asarray(found.all(axis=0))
