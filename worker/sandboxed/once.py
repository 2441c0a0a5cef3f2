"""Lets matplotlib work out once what it works out several times for one picture: same numbers, less time.

Ticks: `Axis.draw` and `Axis.get_tightbbox` ask for the ticks and for the boxes of their labels, and ask again when they
place the axis label. Nothing that decides ticks changes in between, so the second time gets the first answer.
Formatters and locators that are not matplotlib's own may count their calls; their axes are left alone.

Text: where a text's lines lie within its box is asked for when it is placed, when it is drawn and when it is read. It
follows from the text's own properties and from a renderer, so the last answer holds while those are the same.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib import axis as mpl_axis
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

AXES = (mpl_axis.XAxis, mpl_axis.YAxis)


def install() -> None:
    """Wrap the methods, once a process. Later versions of matplotlib lay out text by more than the key below holds."""
    for name in ("draw", "get_tightbbox"):
        setattr(mpl_axis.Axis, name, _ticks_once(getattr(mpl_axis.Axis, name)))
    if mpl.__version__.startswith("3.8."):
        Text._get_layout = _layout_once(Text._get_layout)


def _ticks_once(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def wrapped(axis: Any, *args: Any, **options: Any) -> Any:
        if type(axis) not in AXES or not _is_plain(axis) or "_update_ticks" in vars(axis):
            return method(axis, *args, **options)
        ticks: list[Any] = []
        boxes: list[Any] = []

        def update_ticks() -> Any:
            if not ticks:
                ticks.append(type(axis)._update_ticks(axis))
            return ticks[0]

        def label_boxes(of: Any, renderer: Any = None) -> Any:
            if not boxes:
                boxes.append(type(axis)._get_ticklabel_bboxes(axis, of, renderer))
            return boxes[0]

        axis._update_ticks, axis._get_ticklabel_bboxes = update_ticks, label_boxes
        try:
            return method(axis, *args, **options)
        finally:
            del axis._update_ticks, axis._get_ticklabel_bboxes

    return wrapped


def _is_plain(axis: Any) -> bool:
    """Whether matplotlib alone decides the ticks: nothing of the code's own is asked for them."""
    deciders = (axis.major.locator, axis.minor.locator, axis.major.formatter, axis.minor.formatter)
    return all(
        type(one).__module__.startswith("matplotlib.") and not isinstance(one, FuncFormatter) for one in deciders
    )


def _layout_once(method: Callable[..., Any]) -> Callable[..., Any]:
    # Beside the texts, not in them: figures are pickled and copied.
    layouts: weakref.WeakKeyDictionary[Any, tuple[Any, Any, Any]] = weakref.WeakKeyDictionary()

    @functools.wraps(method)
    def wrapped(text: Any, renderer: Any) -> Any:
        if text._wrap or text.get_usetex():  # lines broken by the figure's width; metrics by a program
            return method(text, renderer)
        key = (
            text._text,
            hash(text._fontproperties),
            text.figure.dpi,
            text._linespacing,
            text.get_rotation(),
            text._rotation_mode,
            text._horizontalalignment,
            text._verticalalignment,
            text._get_multialignment(),
            text._parse_math,
        )
        known = layouts.get(text)
        if known is None or known[0]() is not renderer or known[1] != key:
            known = layouts[text] = (weakref.ref(renderer), key, method(text, renderer))
        box, lines, descent = known[2]
        return Bbox(box.get_points().copy()), list(lines), descent

    return wrapped
