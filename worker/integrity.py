"""What the pixels say about a description's claims: only what is visible counts as drawn.

A description is a claim by a process that ran foreign code. A text stays when its box shows ink of about its colour
that stands out from the background, is large enough to read, is spread as writing is, and is not written over by
another. A mark stays when pixels of one of its colours are found where it says it is: at its data points where axes are
rectilinear, else in its box; places that a filled mark of its colour covers do not count (worker/ink.py). What fails
is left out of the description and counted: `hidden` for artists that say themselves that they cannot be seen (off the
canvas, transparent, of no size), `unsupported` for claims that the pixels contradict. Axes that show nothing, not even
a frame, only take a place: they count as not visible. Colour counts are read from a picture of 5 bits a channel.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chartreward.description import MAX_POINTS, Axes, Axis, Box, ChartDescription, Mark, Text
from chartreward.models import Integrity
from worker.coarse import RGB_OF_CODE, coded, counted
from worker.ink import LOOKED_AT, MAX_COVERS, Cover, cover_of, explained, is_judged, is_written, size_of, step_of
from worker.similarity.ciede2000 import kept_rgb_of

Floats = NDArray[np.float64]

BLANK_LEVELS = 8  # a channel must leave the background by more than this to count as ink
BLANK_SHARE = 5e-5  # of the pixels: fewer than this many ink pixels and the figure is blank
READABLE = 5.0  # pixels of font size; smaller writing is a smear
CONTRAST = 24.0  # RGB distance below which something does not stand out
OFF_LINE = 36.0  # RGB distance from the line background -> colour that antialiasing and quantisation may cause
COVERAGE = 0.4  # share of a colour that an antialiased stroke reaches at least
SMALLEST_CANVAS = 64  # pixels of the picture's shorter side; nothing can be made out in less
TOO_SMALL = "the picture is too small to read"
SMALLEST_AXES = 12.0  # pixels a side; what is drawn in less cannot be made out
SAMPLES = 48  # data points looked up in a mark
SEEN_SHARE = 0.2  # of the looked-up points must show the mark's colour
MAX_CHECKED = 3000  # marks or texts; later ones are dropped unseen, so that a flood costs its author, not us
# What all claims of one picture may cost, in looked-up pixels; about 3 s. What comes after is dropped unseen.
WORK = 400_000_000
WORK_OF_A_TINT = 12  # comparing a colour with a tint over a ground, in looked-up pixels
KEPT_BOXES = 64  # a noisy picture has 32,768 colours in every box
AT_ONCE = 65_536  # pairs of boxes that are compared in one go
_NO_BOXES: Floats = np.empty((0, 4))


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """True when nearly every pixel of a (height, width, 3) picture has the most common colour."""
    height, width = pixels.shape[:2]
    needed = max(16, BLANK_SHARE * height * width)
    background = _common_color(pixels)
    low, high = np.maximum(background - BLANK_LEVELS, 0), np.minimum(background + BLANK_LEVELS, 255)
    # In bytes a value below `low` wraps around to a large difference: one comparison finds both sides.
    lows, spans = (np.tile(side.astype(np.uint8), width) for side in (low, high - low))

    def ink(rows: NDArray[np.uint8]) -> int:
        off = (rows - lows) > spans
        return int(np.count_nonzero(off[:, 0::3] | off[:, 1::3] | off[:, 2::3]))

    rows = pixels.reshape(height, 3 * width)
    return bool(ink(rows[::8]) < needed and ink(rows) < needed)


def _common_color(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The most common colour of a sample of at least 50,000 pixels; the smallest of several equally common ones."""
    step = max(1, ((pixels.shape[0] + 1) // 2) * ((pixels.shape[1] + 1) // 2) // 50_000)
    red, green, blue = (pixels[::2, ::2, channel].ravel()[::step] for channel in range(3))
    corner = [int(channel[0]) for channel in (red, green, blue)]
    common = (red == corner[0]) & (green == corner[1]) & (blue == corner[2])
    if 2 * np.count_nonzero(common) > len(red):
        return np.array(corner)
    # The corner has no majority: count every colour.
    codes = (red.astype(np.uint32) << 16) | (green.astype(np.uint32) << 8) | blue
    values, counts = np.unique(codes, return_counts=True)
    found = int(values[counts.argmax()])
    return np.array([found >> 16, found >> 8 & 255, found & 255])


class Canvas:
    """A picture that can be asked which colours a box shows."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self._seen: OrderedDict[tuple[int, int, int, int], tuple[Floats, Floats]] = OrderedDict()
        self.work = WORK

    def clip(self, box: Box) -> tuple[int, int, int, int] | None:
        """Whole pixels of a box on the canvas; None when there are none."""
        left, top = max(0, floor(box[0])), max(0, floor(box[1]))
        right, bottom = min(self.width, ceil(box[2])), min(self.height, ceil(box[3]))
        return (left, top, right, bottom) if right > left and bottom > top else None

    def colors(self, box: Box) -> tuple[Floats, Floats]:
        """(n, 3) colours in a box, most frequent first, and how many pixels have each."""
        inside = self.clip(box)
        if inside is None:
            return np.empty((0, 3)), np.empty(0)
        if inside not in self._seen:
            left, top, right, bottom = inside
            step = 2 if (right - left) * (bottom - top) > 40_000 else 1
            self.work -= (right - left) * (bottom - top) // step**2
            codes, counts = counted(coded(self.pixels[top:bottom:step, left:right:step]))
            order = np.argsort(-counts, kind="stable")
            self._seen[inside] = (RGB_OF_CODE[codes[order]], counts[order].astype(np.float64) * step**2)
            if len(self._seen) > KEPT_BOXES:
                self._seen.popitem(last=False)
        self._seen.move_to_end(inside)
        return self._seen[inside]

    def around(self, x: Floats, y: Floats, reach: int) -> Floats:
        """(n, k, 3) pixels in squares of 2 reach + 1 around points."""
        steps = np.arange(-reach, reach + 1)
        columns, rows = np.rint(x).astype(int)[:, None] + steps, np.rint(y).astype(int)[:, None] + steps
        columns = np.minimum(np.maximum(columns, 0), self.width - 1)
        rows = np.minimum(np.maximum(rows, 0), self.height - 1)
        found: Floats = self.pixels[rows[:, :, None], columns[:, None, :]].astype(np.float64)
        return found.reshape(len(x), -1, 3)


def shows(pixels: Floats, color: Floats, background: Floats) -> NDArray[np.bool_]:
    """Which of (..., 3) pixels are `color` at least COVERAGE strong over `background` (both (3,))."""
    way = color - background
    length = float(way @ way)
    if length < CONTRAST**2:
        return np.zeros(pixels.shape[:-1], bool)
    if pixels.size < 600:
        apart = pixels - background
    else:  # numpy is slow at loops of three
        apart = np.empty(pixels.shape)
        for channel in range(3):
            np.subtract(pixels[..., channel], background[channel], out=apart[..., channel])
    share = apart @ way
    share /= length
    strong = share >= COVERAGE
    strong &= share <= 1.4
    where = strong.ravel().nonzero()[0]
    if len(where):
        off = apart.reshape(-1, 3)[where] - share.ravel()[where, None] * way
        off *= off
        strong.ravel()[where] = np.sqrt(off[:, 0] + off[:, 1] + off[:, 2]) < OFF_LINE
    return np.asarray(strong)


# --- texts ------------------------------------------------------------------------------------


def text_problem(text: Text, canvas: Canvas, dpi: float, others: Floats) -> str | None:
    """Why the pixels do not support a text; None when they do. `others` (n, 4): boxes of smaller upright texts."""
    if min(canvas.width, canvas.height) < SMALLEST_CANVAS:
        return TOO_SMALL
    on_canvas = canvas.clip(text.box)
    if on_canvas is None:
        return "off the canvas"
    size = text.size * dpi / 72
    if size < READABLE:
        return "too small to read"
    longest = max((len(line.strip()) for line in text.string.splitlines()), default=0)
    diagonal = float(np.hypot(text.box[2] - text.box[0], text.box[3] - text.box[1]))
    if "$" not in text.string and "\\" not in text.string and diagonal < 0.2 * longest * size:
        return "its box has no room for it"
    area = max(1.0, (text.box[2] - text.box[0]) * (text.box[3] - text.box[1]))
    if (on_canvas[2] - on_canvas[0]) * (on_canvas[3] - on_canvas[1]) < 0.3 * area:
        return "mostly off the canvas"
    letters = sum(not character.isspace() for character in text.string)
    needed = 2.0 if "$" in text.string else max(2.0, 0.015 * size * size * min(letters, 12))
    tint = kept_rgb_of((text.color,))[0]
    colors, counts = canvas.colors(text.box)
    found = False
    # Writing over a busy ground: ink may stand out from the second most common colour instead.
    for ground in colors[:4]:
        canvas.work -= len(colors) * WORK_OF_A_TINT
        target = text.alpha * tint + (1 - text.alpha) * ground
        if float(counts[shows(colors, target, ground)].sum()) >= needed:
            found = True
            if not is_judged(text) or _is_written(text, canvas, on_canvas, target, ground, others=others):
                return None
    return "the ink in its box is not its writing" if found else "no ink of its colour in its box"


def _is_written(
    text: Text, canvas: Canvas, box: tuple[int, int, int, int], target: Floats, ground: Floats, *, others: Floats
) -> bool:
    """Whether ink of the colour `target` over `ground` in a box of whole pixels is spread as writing.

    What lies in `others`' boxes is not looked at.
    """
    left, top, right, bottom = box
    step = step_of(bottom - top, right - left)
    pixels = canvas.pixels[top:bottom:step, left:right:step].astype(np.float64)
    canvas.work -= pixels[..., 0].size * WORK_OF_A_TINT
    taken = None
    if len(others):
        taken = np.zeros(pixels.shape[:2], bool)
        sides = np.rint((others - [left, top, left, top]) / step)
        for a, b, c, d in np.clip(sides, 0, LOOKED_AT).astype(int).tolist():
            taken[b:d, a:c] = True
    return is_written(text, shows(pixels, target, ground), taken)


def overwritten(texts: list[Text]) -> set[int]:
    """Indices of texts that a later one is written over: nobody can read both."""
    if len(texts) < 2:
        return set()
    boxes = np.array([text.box for text in texts], np.float64)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 1e-9, None).prod(axis=1)
    left, top, right, bottom = boxes.T
    lost = set()
    for some in _rows(len(texts)):
        across = np.minimum(right[some, None], right) - np.maximum(left[some, None], left)
        down = np.minimum(bottom[some, None], bottom) - np.maximum(top[some, None], top)
        common = np.clip(across, 0, None) * np.clip(down, 0, None)
        # Both are lost for the reader when they cover each other; a small word inside a large box is not.
        over = (common > 0.6 * areas[some, None]) & (common > 0.6 * areas)
        over &= np.arange(len(texts)) > np.arange(some.start, some.stop)[:, None]
        for row in np.flatnonzero(over.any(axis=1)).tolist():
            index, later = some.start + row, np.flatnonzero(over[row]).tolist()
            if texts[index].rotation % 90 == 0 or len(later) > 1:
                for place in later:
                    # Written twice it can be read, and counts once.
                    lost |= {index} if texts[place].string == texts[index].string else {index, place}
    return lost


def smaller_boxes(texts: list[Text]) -> list[Floats]:
    """For every text the (n, 4) boxes of smaller upright texts that reach into its own; at most 50."""
    boxes = np.array([text.box for text in texts], np.float64).reshape(-1, 4)
    areas = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    upright = np.array([text.visible and text.rotation % 90 == 0 and bool(text.string.strip()) for text in texts], bool)
    left, top, right, bottom = boxes.T
    found = [_NO_BOXES] * len(texts)
    for some in _rows(len(texts)):
        reach = (left < right[some, None]) & (top < bottom[some, None])
        reach &= (right > left[some, None]) & (bottom > top[some, None])
        reach &= upright & (areas < 0.9 * areas[some, None])
        for row in np.flatnonzero(reach.any(axis=1)).tolist():
            found[some.start + row] = boxes[reach[row]][:50]
    return found


def _rows(count: int) -> list[slice]:
    """Rows of a table of `count` squared, in parts of about AT_ONCE cells."""
    step = max(1, AT_ONCE // max(1, count))
    return [slice(start, min(count, start + step)) for start in range(0, count, step)]


# --- marks ------------------------------------------------------------------------------------


def _pixels_of(values: Floats, axis: Axis, low: float, high: float) -> Floats | None:
    """Data coordinates to pixels between `low` (at the axis' first limit) and `high`; None for other scales."""
    first, last = axis.limits
    if axis.scale == "log":
        if first <= 0 or last <= 0:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log10(values)
        first, last = np.log10(first), np.log10(last)
    elif axis.scale != "linear":
        return None
    if first == last:
        return None
    return low + (values - first) / (last - first) * (high - low)


def _columns(mark: Mark) -> tuple[Floats, Floats] | None:
    """Data x and y where the mark's colour must be seen."""
    x, y = (np.array(mark.data.get(name) or (), np.float64) for name in ("x", "y"))  # None becomes nan
    if len(x) == 0 or len(x) != len(y):
        return None
    if mark.kind == "bar":
        base = np.array(mark.data.get("base") or (), np.float64)
        if len(base) != len(x):
            return None
        along = base + y / 2
        return (along, x) if mark.orientation == "horizontal" else (x, along)
    if mark.kind == "line" and len(x) > 1:
        middle = slice(0, len(x) - 1), slice(1, len(x))
        return (
            np.concatenate([x, (x[middle[0]] + x[middle[1]]) / 2]),
            np.concatenate([y, (y[middle[0]] + y[middle[1]]) / 2]),
        )
    return x, y


def _in_pixels(axes: Axes, x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Data coordinates of rectilinear axes to pixels; None for scales that are not understood."""
    if axes.projection != "rectilinear":
        return None
    left, top, right, bottom = axes.box
    across, up = _pixels_of(x, axes.x, left, right), _pixels_of(y, axes.y, bottom, top)
    return None if across is None or up is None else (across, up)


@lru_cache(MAX_POINTS)
def _spread(count: int) -> NDArray[np.int64]:
    """At most SAMPLES places in a list of `count`, evenly."""
    return np.unique(np.linspace(0, count - 1, SAMPLES).astype(np.int64))


def sample_places(mark: Mark, axes: Axes) -> tuple[Floats, Floats] | None:
    """Pixels (x, y) inside the axes where a line, bar or point series must show; None when that is not known."""
    if mark.kind not in ("line", "bar", "points"):
        return None
    found = _columns(mark)
    pixels = None if found is None else _in_pixels(axes, *found)
    if pixels is None:
        return None
    x, y = pixels
    left, top, right, bottom = axes.box
    with np.errstate(invalid="ignore"):
        inside = (x >= left - 1) & (x <= right + 1) & (y >= top - 1) & (y <= bottom + 1)
    x, y = x[inside], y[inside]
    if len(x) < 1:
        return None
    chosen = _spread(len(x))
    return x[chosen], y[chosen]


def _tints(mark: Mark, description: ChartDescription) -> Floats:
    """(n, 3) colours of a mark as blended over its axes' ground, at most 16."""
    names = list(dict.fromkeys([*mark.colors, *mark.edgecolors]))[:16]
    known = 0 <= mark.axes < len(description.axes)
    ground = kept_rgb_of((description.axes[mark.axes].facecolor if known else description.facecolor,))[0]
    return mark.alpha * kept_rgb_of(tuple(names)) + (1 - mark.alpha) * ground if names else np.empty((0, 3))


def covers_of(description: ChartDescription) -> list[Cover]:
    """The visible filled marks, largest first, at most MAX_COVERS."""
    filled = [
        (index, mark)
        for index, mark in enumerate(description.marks[:MAX_CHECKED])
        if mark.visible and mark.kind in ("bar", "patch", "area") and 0 <= mark.axes < len(description.axes)
    ]
    filled.sort(key=lambda entry: -size_of(entry[1]))
    made = [
        cover_of(index, mark, _tints(mark, description), partial(_in_pixels, description.axes[mark.axes]))
        for index, mark in filled[:MAX_COVERS]
    ]
    return [cover for cover in made if cover is not None]


def mark_problem(index: int, description: ChartDescription, canvas: Canvas, covers: list[Cover]) -> str | None:
    """Why the pixels do not support a mark; None when they do."""
    mark = description.marks[index]
    if min(canvas.width, canvas.height) < SMALLEST_CANVAS:
        return TOO_SMALL
    if canvas.clip(mark.box) is None:
        flat = mark.box[0] == mark.box[2] or mark.box[1] == mark.box[3]
        grown: Box = (mark.box[0] - 1, mark.box[1] - 1, mark.box[2] + 1, mark.box[3] + 1)
        if not flat or canvas.clip(grown) is None:
            return "off the canvas"
        mark = mark.model_copy(update={"box": grown})
    axes = description.axes[mark.axes] if 0 <= mark.axes < len(description.axes) else None
    if axes is not None and min(axes.box[2] - axes.box[0], axes.box[3] - axes.box[1]) < SMALLEST_AXES:
        return "its axes are too small to read"
    names = list(dict.fromkeys([*mark.colors, *mark.edgecolors]))[:16]
    seen, counts = canvas.colors(mark.box)
    if not names:
        flat_ground = len(seen) < 2 and mark.count > 1
        return "its box is empty" if flat_ground else None
    plain = kept_rgb_of((description.facecolor, axes.facecolor if axes else "#ffffff"))
    grounds = np.concatenate([plain, seen[:2]])
    tints = kept_rgb_of(tuple(names))
    if mark.kind in ("image", "mesh", "contour", "surface", "other"):
        return None if len(seen) > 1 else "its box is empty"

    def supported(pixels: Floats, enough: Callable[[NDArray[np.bool_]], bool]) -> NDArray[np.bool_]:
        """Which pixels show the mark over one of the grounds; looked at until there are `enough`."""
        hit = np.zeros(pixels.shape[:-1], bool)
        canvas.work -= hit.size * len(grounds) * len(tints) * WORK_OF_A_TINT
        for ground in map(np.array, dict.fromkeys(map(tuple, grounds.tolist()))):  # each once
            for tint in tints:
                hit |= shows(pixels, mark.alpha * tint + (1 - mark.alpha) * ground, ground)
                if enough(hit):
                    return hit
        return hit

    def in_box(hit: NDArray[np.bool_]) -> bool:
        return float(counts[hit].sum()) >= 2

    def in_places(hit: NDArray[np.bool_]) -> bool:
        return int(np.count_nonzero(hit.any(axis=1))) / len(hit) >= SEEN_SHARE

    if not in_box(supported(seen, in_box)):
        return "no pixel of its colours in its box"
    places = sample_places(mark, axes) if axes is not None else None
    if places is None:
        return None
    shown = _tints(mark, description)
    canvas.work -= len(places[0]) * sum(cover.shapes for cover in covers)
    theirs = explained(mark, index, shown, places, covers=covers, contrast=CONTRAST)
    if theirs.all():
        return "it lies on marks of its own colour"
    if mark.marker is None:
        around = canvas.around(places[0][~theirs], places[1][~theirs], reach=2)
        if (np.linalg.norm(shown[:, None] - plain[None], axis=-1) < CONTRAST).any(axis=1).all():
            # In its ground's colour it is seen only against something else; half of the places must show both.
            hit = supported(around, lambda _: False)
            mixed = hit.any(axis=1) & ~hit.all(axis=1)
            return None if float(mixed.mean()) >= 0.5 else "its colours are those of its ground"
        if not in_places(supported(around, in_places)):
            return "its colours are not seen where its data lies"
    return None


def unseen_axes(description: ChartDescription, texts: list[Text], marks: list[Mark], canvas: Canvas) -> list[int]:
    """Indices of axes that only take a place: without a kept mark or text, and of one colour, frame included.

    Those that are too many, or that the work left does not reach, are taken for such.
    """
    used = {text.axes for text in texts} | {mark.axes for mark in marks}
    found = []
    for index, axes in enumerate(description.axes):
        if not axes.visible or axes.colorbar or index in used:
            continue
        left, top, right, bottom = axes.box
        affordable = index < MAX_CHECKED and canvas.work > 0
        if not affordable or len(canvas.colors((left - 2, top - 2, right + 2, bottom + 2))[0]) < 2:
            found.append(index)
    return found


def check(description: ChartDescription, pixels: NDArray[np.uint8]) -> tuple[ChartDescription, Integrity]:
    """The description without what nobody can see, and how much that was."""
    canvas = Canvas(pixels)
    findings: list[dict[str, Any]] = []
    hidden = unsupported = 0

    def drop(what: str, name: str, why: str, box: Box) -> None:
        if len(findings) < 100:
            findings.append({"what": what, "name": name[:80], "why": why, "box": [round(side, 1) for side in box]})

    texts: list[Text] = []
    others = smaller_boxes(description.texts[:MAX_CHECKED])
    for index, text in enumerate(description.texts):
        if not text.string.strip():
            continue
        if not text.visible:
            hidden += 1
            drop("text", text.string, "hidden", text.box)
            continue
        affordable = index < MAX_CHECKED and canvas.work > 0
        why = text_problem(text, canvas, description.dpi, others[index]) if affordable else "one of too many"
        if why is None:
            texts.append(text)
        else:
            unsupported += 1
            drop("text", text.string, why, text.box)
    lost = overwritten(texts)
    for index in sorted(lost):
        drop("text", texts[index].string, "written over", texts[index].box)
    unsupported += len(lost)
    texts = [text for index, text in enumerate(texts) if index not in lost]
    marks: list[Mark] = []
    covers = covers_of(description)
    for index, mark in enumerate(description.marks):
        if not mark.visible:
            hidden += 1
            drop("mark", f"{mark.kind} {mark.label}", "hidden", mark.box)
            continue
        affordable = index < MAX_CHECKED and canvas.work > 0
        why = mark_problem(index, description, canvas, covers) if affordable else "one of too many"
        if why is None:
            marks.append(mark)
        else:
            unsupported += 1
            drop("mark", f"{mark.kind} {mark.label}", why, mark.box)
    axes = list(description.axes)
    for index in unseen_axes(description, texts, marks, canvas):
        axes[index] = axes[index].model_copy(update={"visible": False})
        hidden += 1
        drop("axes", str(index), "nothing is seen of them", axes[index].box)
    checked = description.model_copy(update={"axes": axes, "texts": texts, "marks": marks})
    return checked, Integrity(hidden=hidden, unsupported=unsupported, findings=findings)
