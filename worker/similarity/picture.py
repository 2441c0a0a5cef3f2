"""What a bare picture tells: its lines of writing and the rectangles of its axes.

A reference given as an image has no description. Its writing is read by OCR where a reader is configured
(worker/vision/ocr.py), its axes by their frames: a frame is a pair of long horizontal edges with equal ends that long
vertical edges join, on both sides or (open frames) on the left alone. Both are worked out once a reference.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chartreward.description import Text
from worker.similarity.chart import Chart
from worker.vision.ocr import Line

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Run = tuple[int, int, int]  # where the run lies across it, its start, its end (exclusive)

EDGE = 24  # levels by which neighbouring pixels differ at an edge
SHORTEST = 0.08  # of the picture's side: shorter edges are no frames
CORNER = 4  # pixels that ends may be apart
SIDE_FILLED = 0.9  # share of a side that must be edge: ticks and bars interrupt it
LEAST_COVERED = 0.2  # share of the picture that its frames cover; below, what was found are parts of a chart
ONE_TONE = 0.998  # share of a rectangle that one tone fills when it is no axes
DARK_TONE = 0.6  # the same for a tone that is neither light nor the picture's ground
LIGHT = 216
MAX_RUNS = 400  # longest runs kept a direction; a picture of stripes has thousands


def lines_of(chart: Chart) -> list[Line] | None:
    """A picture's lines of writing; None without a reader."""
    if chart.read_lines is None:
        return None
    return joined(chart.read_lines(chart.pixels))


def joined(lines: list[Line]) -> list[Line]:
    """Upright words above each other are one line: readers cut rotated labels at their spaces."""
    upright = [line for line in lines if len(line.string) > 1 and _height(line) > 1.5 * _width(line)]
    kept = [line for line in lines if line not in upright]
    upright.sort(key=lambda line: (round((line.box[0] + line.box[2]) / 2 / max(1.0, _width(line))), -line.box[3]))
    merged: list[Line] = []
    for line in upright:
        last = merged[-1] if merged else None
        if last is not None and _continues(last, line):
            box = (
                min(last.box[0], line.box[0]),
                min(last.box[1], line.box[1]),
                max(last.box[2], line.box[2]),
                max(last.box[3], line.box[3]),
            )
            merged[-1] = Line(f"{last.string} {line.string}", box)
        else:
            merged.append(line)
    return kept + merged


def _width(line: Line) -> float:
    return line.box[2] - line.box[0]


def _height(line: Line) -> float:
    return line.box[3] - line.box[1]


def _continues(below: Line, above: Line) -> bool:
    """Whether `above` is the next word of an upright line that ends with `below`."""
    width = min(_width(below), _width(above))
    common = min(below.box[2], above.box[2]) - max(below.box[0], above.box[0])
    return common > 0.7 * width and abs(below.box[1] - above.box[3]) < 0.8 * width


def split_lines(texts: list[Text]) -> list[Line]:
    """Described texts as a reader of the picture sees them: one item a drawn line, its share of the box."""
    lines = []
    for text in texts:
        parts = [part.strip() for part in text.string.splitlines() if part.strip()]
        left, top, right, bottom = text.box
        upright = text.rotation % 180 == 90
        at = np.linspace(0, 1, len(parts) + 1)
        for part, (start, end) in zip(parts, pairwise(at), strict=True):
            box = (
                (left + (right - left) * start, top, left + (right - left) * end, bottom)
                if upright
                else (left, top + (bottom - top) * start, right, top + (bottom - top) * end)
            )
            lines.append(Line(part, tuple(float(side) for side in box)))  # type: ignore[arg-type]  # four sides
    return lines


# --- axes -------------------------------------------------------------------------------------


def frames(chart: Chart) -> Floats:
    """(n, 4) boxes of axes in pixels, found by their frames; empty when none is seen."""
    grey = chart.pixels.astype(np.int16) @ np.array([77, 151, 28], np.int32) >> 8
    across = np.abs(np.diff(grey, axis=0)) > EDGE
    along = np.abs(np.diff(grey, axis=1)) > EDGE
    height, width = grey.shape
    flat = runs(across, SHORTEST * width)
    upright = runs(along.T, SHORTEST * height)
    found = _rectangles(flat, upright, both=True)
    found += [box for box in _rectangles(flat, upright, both=False) if not any(_inside(box, other) for other in found)]
    found.sort(key=lambda box: -(box[2] - box[0]) * (box[3] - box[1]))
    kept: list[tuple[int, int, int, int]] = []
    for box in found:
        whole = box[2] - box[0] > 0.98 * width and box[3] - box[1] > 0.98 * height
        if not whole and not any(_inside(box, other) for other in kept) and not _plain(grey, box):
            kept.append(box)
    boxes = np.array(kept, np.float64).reshape(-1, 4)
    covered = float((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).sum()) / (height * width)
    return boxes if covered >= LEAST_COVERED else boxes[:0]


def _plain(grey: NDArray[np.int32], box: tuple[int, int, int, int]) -> bool:
    """Whether a rectangle is filled with one tone, or mostly with a darker one than axes have: a bar, a cell."""
    inside = grey[box[1] + 3 : box[3] - 2, box[0] + 3 : box[2] - 2]
    if inside.size == 0:
        return True
    tones = np.bincount(inside.ravel() >> 3, minlength=32)
    ground = int(np.bincount(grey[::4, ::4].ravel() >> 3).argmax())
    most = int(tones.argmax())
    light = most >= LIGHT >> 3 or abs(most - ground) <= 1
    return float(tones[most]) > (ONE_TONE if light else DARK_TONE) * inside.size


def runs(edges: Flags, shortest: float) -> list[Run]:
    """The longest runs of edge pixels along the rows, gaps of up to 2 pixels closed, at most MAX_RUNS."""
    closed = edges.copy()
    closed[:, 1:-1] |= edges[:, :-2] & edges[:, 2:]
    closed[:, 1:-2] |= edges[:, :-3] & edges[:, 3:]
    closed[:, 2:-1] |= edges[:, :-3] & edges[:, 3:]
    steps = np.diff(np.pad(closed, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    lengths = ends - starts
    longest = np.argsort(-lengths, kind="stable")[:MAX_RUNS]
    return [(int(rows[i]), int(starts[i]), int(ends[i])) for i in longest if lengths[i] >= shortest]


def _rectangles(flat: list[Run], upright: list[Run], *, both: bool) -> list[tuple[int, int, int, int]]:
    """Boxes whose sides are runs: top and bottom with both sides, or the bottom and the left side alone."""
    if not flat or not upright:
        return []
    sides = np.array(upright)
    boxes = []
    for low, start, end in flat:
        left = sides[(np.abs(sides[:, 0] - start) <= CORNER) & (np.abs(sides[:, 2] - low) <= CORNER)]
        if both:
            right = sides[np.abs(sides[:, 0] - end) <= CORNER]
            for row, first, last in left:
                match = right[(np.abs(right[:, 1] - first) <= CORNER) & (np.abs(right[:, 2] - last) <= CORNER)]
                if len(match):
                    boxes.append((int(row), int(first), int(match[0, 0]), int(low)))
        elif len(left):
            row, first, _ = left[np.argmin(left[:, 1])]
            boxes.append((int(row), int(first), int(end), int(low)))
    return boxes


def _inside(box: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    """Whether most of a box lies in another."""
    common = max(0, min(box[2], other[2]) - max(box[0], other[0])) * max(
        0, min(box[3], other[3]) - max(box[1], other[1])
    )
    return common > 0.8 * (box[2] - box[0]) * (box[3] - box[1])
